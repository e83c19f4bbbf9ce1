"""AWS event streams are cut into messages, however they were split, and only if they are whole."""

from binascii import crc32
from itertools import pairwise
from struct import pack

import pytest
from aws_samples import BEGIN, END, METERED, delta, event, message, text_header
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import UpstreamGarbled
from intertie.dialects.bedrock.frames import LONGEST, Frame, FrameSplitter

STREAM = BEGIN + delta(0, text="grüße\n") + END + METERED


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_messages_split_anywhere_are_the_same(cuts: list[int]) -> None:
    splitter, ends = FrameSplitter(), [0, *sorted(cuts), len(STREAM)]
    frames = [frame for a, b in pairwise(ends) for frame in splitter.feed(STREAM[a:b])]
    assert frames == FrameSplitter().feed(STREAM)
    assert [frame.name for frame in frames] == ["messageStart", "contentBlockDelta", "messageStop", "metadata"]
    assert not splitter.rest


def test_messages_one_byte_at_a_time_are_the_same() -> None:
    splitter = FrameSplitter()
    frames = [frame for at in range(len(STREAM)) for frame in splitter.feed(STREAM[at : at + 1])]
    assert frames == FrameSplitter().feed(STREAM)


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_damaged_byte_never_passes(at: int, change: int) -> None:
    damaged = bytearray(STREAM)
    damaged[at] ^= change
    with pytest.raises(UpstreamGarbled):
        splitter = FrameSplitter()
        splitter.feed(bytes(damaged))
        splitter.feed(bytes(LONGEST + 1))


@pytest.mark.parametrize(
    "text",
    [b"<!doctype html><html><body>Bad gateway</body></html>", b'{"message":"no"}' * 2, b"data: {}\n\n" * 4, bytes(64)],
)
def test_what_is_no_event_stream_is_garbled(text: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        FrameSplitter().feed(text)


def test_headers_that_are_no_text_are_passed_over() -> None:
    others = b"".join(
        bytes([1]) + b"x" + value
        for value in (
            b"\x00", b"\x01", b"\x02\x07", b"\x03\x00\x07", b"\x04" + bytes(4), b"\x05" + bytes(8),
            b"\x06\x00\x03abc", b"\x08" + bytes(8), b"\x09" + bytes(16),
        )
    )  # fmt: skip
    headers = others + text_header(":message-type", "event") + others + text_header(":event-type", "messageStop")
    assert FrameSplitter().feed(message(headers, b"{}")) == [Frame("event", "messageStop", b"{}")]


@pytest.mark.parametrize("headers", [b"\x05abc", b"\x01x\x0a", b"\x01x\x07\x00\x09abc", b"\x01\xff\x07\x00\x01\xff"])
def test_headers_that_do_not_fill_their_block_are_garbled(headers: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        FrameSplitter().feed(message(headers, b"{}"))


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (LONGEST + 1, 0), (20, 5), (0, 0), (2**32 - 1, 2**32 - 1)])
def test_lengths_that_cannot_be_are_garbled_before_anything_is_kept(total: int, headers: int) -> None:
    lengths = pack("!II", total, headers)
    with pytest.raises(UpstreamGarbled):
        FrameSplitter().feed(lengths + pack("!I", crc32(lengths)))


def test_an_unfinished_message_is_known_to_be_one() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(event("messageStop", {})[:-1]) == []
    assert splitter.rest
