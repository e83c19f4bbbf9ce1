"""The watch over a stream that passes through: byte for byte, usage read on the way, the end held back."""

from itertools import pairwise

import pytest
from anthropic_samples import PING, WHOLE, called, end, named_event, start, text_block
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import Fault, StreamCut, UpstreamBusy, UpstreamError, UpstreamGarbled, UpstreamRefused
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.both import OUTBOUND
from intertie.dialects.dialect import Heard, Watch

STOP = named_event("message_stop")


def watching() -> tuple[Watch, Heard]:
    heard = Heard()
    assert OUTBOUND.watch is not None
    return OUTBOUND.watch(called(stream=True), heard), heard


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_a_stream_passes_byte_for_byte_wherever_it_is_split(cuts: list[int]) -> None:
    watch, heard = watching()
    edges = [0, *sorted(cuts), len(WHOLE)]
    passed = b"".join([watch.feed(WHOLE[low:high]) for low, high in pairwise(edges)])
    assert passed == WHOLE.removesuffix(STOP)
    assert watch.ended() == watch.tail == STOP
    assert heard.usage == Usage(prompt=135, completion=57, cached=100, written=10)
    assert heard.events == 8


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_fact_4_other_line_ends_and_comments_pass(ending: bytes) -> None:
    stream = b": a comment\n\n" + WHOLE
    stream = stream.replace(b"\n", ending)
    watch, heard = watching()
    passed = b"".join([watch.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)])
    assert passed + watch.ended() == stream
    assert heard.usage is not None and heard.usage.completion == 57


def test_fact_8_figures_replace_each_other_and_are_not_added() -> None:
    watch, heard = watching()
    watch.feed(start(cache_read_input_tokens=7, cache_creation_input_tokens=3))
    watch.feed(text_block(0, "a", "b"))
    watch.feed(end(input_tokens=40, cache_read_input_tokens=9, cache_creation_input_tokens=None, output_tokens=15))
    assert heard.usage == Usage(prompt=52, completion=15, cached=9, written=3)


def test_fact_8_the_placeholder_of_the_beginning_is_no_output() -> None:
    watch, heard = watching()
    watch.feed(start(cache_read_input_tokens=1_000) + PING)
    assert heard.usage == Usage(prompt=1_025, completion=0, cached=1_000, estimated=True)
    watch.feed(text_block(0, "a", "b", "c"))
    watch.feed(named_event("content_block_delta", index=1, delta={"type": "text_delta", "text": "d"}))
    assert heard.usage == Usage(prompt=1_025, completion=4, cached=1_000, estimated=True)


def test_usage_that_server_tools_needed_is_read_at_the_end() -> None:
    watch, heard = watching()
    watch.feed(start(service_tier="priority"))
    watch.feed(end(input_tokens=9_000, server_tool_use={"web_search_requests": 3}))
    assert heard.usage == Usage(prompt=9_000, completion=15, searches=3, tier="priority")


def test_fact_2_the_end_is_message_stop_and_there_is_no_done() -> None:
    watch, _ = watching()
    watch.feed(start() + text_block(0, "a"))
    with pytest.raises(StreamCut):
        watch.ended()


@pytest.mark.parametrize("missing", [b"\n", b"\n\n"])
def test_the_last_empty_line_may_be_missing(missing: bytes) -> None:
    watch, _ = watching()
    stream = (start() + end()).removesuffix(missing)
    assert watch.feed(stream) + watch.ended() == stream


def test_what_comes_behind_the_end_is_held_back_with_it_up_to_a_bound() -> None:
    watch, _ = watching()
    watch.feed(start() + end() + PING)
    assert watch.ended() == STOP + PING
    with pytest.raises(StreamCut):
        watch.feed(PING * 5_000)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("overloaded_error", UpstreamError),
        ("rate_limit_error", UpstreamBusy),
        ("invalid_request_error", UpstreamRefused),
        ("authentication_error", UpstreamError),
        ("something_new", UpstreamError),
    ],
)
def test_fact_13_an_error_event_is_raised_as_what_it_means(kind: str, fault: type[Fault]) -> None:
    watch, _ = watching()
    watch.feed(start())
    with pytest.raises(fault):
        watch.feed(named_event("error", error={"type": kind, "message": "no"}))


@pytest.mark.parametrize(
    ("garbage", "fault"),
    [
        (b"<html>\n\n", UpstreamGarbled),
        (b"data: {no json}\n\n", UpstreamGarbled),
        (b"event: message_start\ndata: []\n\n", UpstreamGarbled),
        (b'data: {"type":"message_start","message":{"usage":{"input_tokens":99999999999}}}\n\n', UpstreamGarbled),
        (b"data: " + b"[" * 100_000 + b"\n\n", UpstreamGarbled),
        (b'data: {"type":"ping\xff"}\n\n', UpstreamGarbled),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}\n\n', UpstreamBusy),
    ],
)
def test_what_is_no_stream_is_told_so(garbage: bytes, fault: type[Fault]) -> None:
    watch, _ = watching()
    with pytest.raises(fault):
        watch.feed(garbage)


def test_an_error_as_a_whole_answer_under_200_is_found_at_the_end() -> None:
    watch, _ = watching()
    watch.feed(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}')
    with pytest.raises(UpstreamBusy):
        watch.ended()


def test_blocks_that_nobody_knows_pass_in_any_company() -> None:
    watch, _ = watching()
    strange = named_event("content_block_start", index="x", content_block={"type": "new", "input": 7})
    assert watch.feed(start() + strange) == start() + strange


def test_events_that_nobody_knows_pass() -> None:
    watch, _ = watching()
    strange = named_event("new_thing", of=[1])
    assert watch.feed(start() + strange).endswith(strange)
