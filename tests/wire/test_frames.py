"""WebSocket frames (RFC 6455): cut anywhere they give the same messages; what breaks the protocol has its code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LONGEST_REASON,
    NO_CODE,
    NOT_TEXT,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_LARGE,
    FrameReader,
    Message,
    Violation,
    close_data,
    frame,
    masked,
    read_close,
)

KEY = b"\x37\xfa\x21\x3d"
LONGEST = 70_000

keys = st.binary(min_size=4, max_size=4)
texts = st.text(max_size=200).map(lambda text: Message(TEXT, text.encode()))
binaries = st.binary(max_size=200).map(lambda data: Message(BINARY, data))
long_ones = st.integers(100, LONGEST).map(lambda size: Message(BINARY, b"x" * size))
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)).map(lambda one: Message(*one))


def part(kind: int, data: bytes, *, final: bool = True, key: bytes = KEY) -> bytes:
    """One frame of a message in parts."""
    whole = frame(kind, data, key)
    return whole if final else bytes((whole[0] & 0x7F,)) + whole[1:]


def read(
    wire: bytes, *, is_masked: bool = True, longest: int = LONGEST, cuts: list[int] | None = None
) -> list[Message]:
    """All messages of these bytes, which come in pieces that end at the cuts."""
    reader = FrameReader(masked=is_masked, longest=longest)
    found: list[Message] = []
    places = sorted({min(cut, len(wire)) for cut in cuts or []} | {len(wire)})
    start = 0
    for end in places:
        reader.feed(wire[start:end])
        start = end
        while (message := reader.next()) is not None:
            found.append(message)
    return found


@given(st.data())
def test_messages_in_parts_with_control_frames_between_come_whole_however_they_are_cut(data: st.DataObject) -> None:
    sent = data.draw(st.lists(st.one_of(texts, binaries, controls), max_size=6))
    key = data.draw(keys)
    wire, expected = bytearray(), []
    for message in sent:
        if message.kind >= CLOSE:
            wire += frame(message.kind, message.data, key)
            expected.append(message)
            continue
        parts = data.draw(st.lists(st.integers(0, len(message.data)), max_size=4).map(sorted))
        pieces = [message.data[a:b] for a, b in zip([0, *parts], [*parts, len(message.data)], strict=True)]
        for place, piece in enumerate(pieces):
            kind = CONTINUATION if place else message.kind
            wire += part(kind, piece, final=place == len(pieces) - 1, key=key)
            if place < len(pieces) - 1 and data.draw(st.booleans()):
                between = data.draw(controls)
                wire += frame(between.kind, between.data, key)
                expected.append(between)
        expected.append(message)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    assert read(bytes(wire), cuts=cuts) == expected


def test_a_message_cut_at_every_byte_comes_once() -> None:
    wire = (
        part(TEXT, "grün".encode()[:3], final=False) + frame(PING, b"p", KEY) + part(CONTINUATION, "grün".encode()[3:])
    )
    for cut in range(len(wire)):
        assert read(wire, cuts=[cut]) == [Message(PING, b"p"), Message(TEXT, "grün".encode())]
    assert read(wire, cuts=list(range(len(wire)))) == [Message(PING, b"p"), Message(TEXT, "grün".encode())]


@given(long_ones, st.booleans())
def test_long_messages_have_their_length_in_more_bytes(message: Message, is_masked: bool) -> None:
    wire = frame(message.kind, message.data, KEY if is_masked else b"")
    assert read(wire, is_masked=is_masked) == [message]


@given(
    st.one_of(st.binary(max_size=300), st.integers(4_000, 9_000).map(lambda size: bytes(range(256)) * (size // 200))),
    keys,
)
def test_a_mask_is_four_bytes_over_and_over_and_comes_off_again(data: bytes, key: bytes) -> None:
    under = masked(data, key)
    assert under == bytes(byte ^ key[place % 4] for place, byte in enumerate(data))
    assert masked(under, key) == data


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(frame(TEXT, b"hi"), PROTOCOL_ERROR, id="unmasked"),
        pytest.param(b"\xc1" + frame(TEXT, b"hi", KEY)[1:], PROTOCOL_ERROR, id="a reserved bit"),
        pytest.param(b"\xf1" + frame(TEXT, b"hi", KEY)[1:], PROTOCOL_ERROR, id="all reserved bits"),
        *(pytest.param(frame(kind, b"", KEY), PROTOCOL_ERROR, id=f"kind {kind}") for kind in (3, 7, 11, 15)),
        pytest.param(part(PING, b"", final=False), PROTOCOL_ERROR, id="a ping in parts"),
        pytest.param(part(CLOSE, b"", final=False), PROTOCOL_ERROR, id="a farewell in parts"),
        pytest.param(frame(PING, b"x" * 126, KEY), PROTOCOL_ERROR, id="a long ping"),
        pytest.param(frame(CONTINUATION, b"x", KEY), PROTOCOL_ERROR, id="a part of nothing"),
        pytest.param(part(TEXT, b"", final=False) + frame(TEXT, b"", KEY), PROTOCOL_ERROR, id="a text inside a text"),
        pytest.param(part(TEXT, b"", final=False) + frame(BINARY, b"", KEY), PROTOCOL_ERROR, id="bytes inside a text"),
        pytest.param(b"\x81\xfe\x00\x7d" + KEY, PROTOCOL_ERROR, id="a short length in two bytes"),
        pytest.param(b"\x81\xff" + (65_535).to_bytes(8) + KEY, PROTOCOL_ERROR, id="a short length in eight bytes"),
        pytest.param(b"\x81\xff" + b"\xff" * 8, PROTOCOL_ERROR, id="a negative length"),
        pytest.param(b"\x82\xff\x7f" + b"\xff" * 7, TOO_LARGE, id="an absurd length"),
        pytest.param(b"\x82\xff" + (LONGEST + 1).to_bytes(8), TOO_LARGE, id="a byte too long"),
        pytest.param(part(TEXT, b"x" * LONGEST, final=False) + frame(CONTINUATION, b"x", KEY), TOO_LARGE, id="parts"),
        pytest.param(frame(TEXT, b"\xff\xfe", KEY), NOT_TEXT, id="no UTF-8"),
        pytest.param(frame(TEXT, b"\xed\xa0\x80", KEY), NOT_TEXT, id="half a surrogate pair"),
        pytest.param(frame(TEXT, b"\xc0\xaf", KEY), NOT_TEXT, id="too many bytes for a letter"),
        pytest.param(frame(TEXT, b"\xf4\x90\x80\x80", KEY), NOT_TEXT, id="beyond Unicode"),
        pytest.param(part(TEXT, b"\xe2\x82", final=False) + frame(CONTINUATION, b"", KEY), NOT_TEXT, id="half one"),
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_has_its_code(wire: bytes, code: int) -> None:
    for cuts in ([], list(range(min(len(wire), 40)))):
        with pytest.raises(Violation) as caught:
            read(wire, cuts=cuts)
        assert caught.value.code == code


def test_a_letter_may_be_cut_between_parts() -> None:
    wire = part(TEXT, b"\xe2\x82", final=False) + frame(CONTINUATION, b"\xac", KEY)
    assert read(wire) == [Message(TEXT, "€".encode())]


def test_a_frame_that_would_be_too_long_is_refused_by_its_head_alone() -> None:
    reader = FrameReader(masked=False, longest=1_000)
    reader.feed(b"\x82\x7e\x03\xe9")
    with pytest.raises(Violation) as caught:
        reader.next()
    assert caught.value.code == TOO_LARGE


def test_an_endpoint_that_masks_is_refused() -> None:
    with pytest.raises(Violation):
        read(frame(TEXT, b"hi", KEY), is_masked=False)


@given(st.integers(1000, 4999), st.text(max_size=200))
def test_a_farewell_has_room_for_whole_letters_only(code: int, why: str) -> None:
    data = close_data(code, why)
    assert len(data) <= 2 + LONGEST_REASON
    assert why.startswith(data[2:].decode())


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
def test_farewells_that_may_be_sent_are_understood(code: int) -> None:
    assert read_close(close_data(code, "gehe")) == (code, "gehe")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535])
def test_farewells_that_nobody_may_send_are_refused(code: int) -> None:
    with pytest.raises(Violation) as caught:
        read_close(close_data(code, ""))
    assert caught.value.code == PROTOCOL_ERROR


def test_a_farewell_without_a_code_has_none_and_half_a_code_is_refused() -> None:
    assert read_close(b"") == (NO_CODE, "")
    with pytest.raises(Violation):
        read_close(b"\x03")
    with pytest.raises(Violation) as caught:
        read_close(b"\x03\xe8\xff")
    assert caught.value.code == NOT_TEXT
