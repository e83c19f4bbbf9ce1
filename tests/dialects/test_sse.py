"""Server-sent events: any split of any stream passes byte for byte, cut only at the ends of events."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import UpstreamGarbled
from intertie.dialects.sse import MAX_EVENT, EventSplitter, data_of, events

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"event: ping",
        b": comment",
        b"id: 1",
        b"nonsense",
        "data: é€\u2028😀".encode(),
        b"data: \0",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
EVENTS = st.lists(st.tuples(LINES, ENDS), max_size=4).flatmap(
    lambda lines: ENDS.map(lambda end: b"".join(text + stop for text, stop in lines) + end)
)
STREAMS = st.lists(EVENTS, max_size=8).map(b"".join)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=40))
def test_any_split_of_any_stream_is_passed_on_byte_for_byte(stream: bytes, cuts: list[int]) -> None:
    splitter = EventSplitter()
    blocks = [splitter.feed(piece) for piece in pieces(stream, cuts)]
    assert b"".join(blocks) + splitter.rest == stream


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=40))
def test_so_is_what_is_no_stream_at_all(stream: bytes, cuts: list[int]) -> None:
    splitter = EventSplitter()
    blocks = [splitter.feed(piece) for piece in pieces(stream, cuts)]
    assert b"".join(blocks) + splitter.rest == stream
    for block in blocks:
        assert b"".join(events(block)) == block


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=40))
def test_events_are_the_same_however_they_were_split(stream: bytes, cuts: list[int]) -> None:
    whole = [data_of(event) for event in events(EventSplitter().feed(stream))]
    splitter = EventSplitter()
    split = [data_of(event) for piece in pieces(stream, cuts) for event in events(splitter.feed(piece))]
    assert [data for data in split if data] == [data for data in whole if data]


def test_every_split_of_a_stream_in_two() -> None:
    stream = 'data: {"a":"é😀"}\n\nevent: x\r\ndata: b\r\n\r\n: ping\n\ndata: 1\rdata: 2\r\rdata: [DONE]\n\n'.encode()
    expected = ['{"a":"é😀"}'.encode(), b"b", b"1\n2", b"[DONE]"]
    for at in range(len(stream) + 1):
        splitter = EventSplitter()
        blocks = [splitter.feed(stream[:at]), splitter.feed(stream[at:])]
        assert b"".join(blocks) == stream
        assert [data for block in blocks for event in events(block) if (data := data_of(event))] == expected


def test_whole_events_are_not_even_copied() -> None:
    block = b"data: 1\n\ndata: 2\n\n"
    assert EventSplitter().feed(block) is block


def test_an_event_is_passed_on_as_soon_as_it_has_ended() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r\n\r") == b"data: 1\r\n\r"
    assert splitter.feed(b"\ndata: 2\r\r") == b"\ndata: 2\r\r"
    assert splitter.feed(b"data: 3\n\ndata") == b"data: 3\n\n"
    assert splitter.rest == b"data"


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"data: x\r\r", b"x"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"event: e\nid: 1\ndata: a\n\n", b"a"),
        (b": data: no\n\n", b""),
        (b"data\n\n", b""),
        (b"database: no\n\n", b""),
        (b"\n", b""),
        (b"", b""),
        ("data: a\u2028b\u0085c\x0bd\n\n".encode(), "a\u2028b\u0085c\x0bd".encode()),
    ],
)
def test_the_data_of_an_event(event: bytes, data: bytes) -> None:
    assert data_of(event) == data


def test_an_event_without_end_is_refused_and_costs_no_more_than_its_size() -> None:
    splitter = EventSplitter()
    with pytest.raises(UpstreamGarbled):
        for _ in range(MAX_EVENT // 16 + 2):
            splitter.feed(b"data: xxxxxxxxxx")


@pytest.mark.parametrize("before", [b"", b"data: {}\r\n\r\n"])
def test_an_event_that_never_ends_is_looked_through_once(before: bytes) -> None:
    endless = b"data: " + b"x" * 1_000_000
    began = time.process_time()
    assert [*events(before + endless)][-1] == endless
    assert time.process_time() - began < 1
