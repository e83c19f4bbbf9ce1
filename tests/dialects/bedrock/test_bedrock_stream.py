"""ConverseStream, read into the events of all dialects."""

from base64 import b64decode, b64encode
from itertools import pairwise

import pytest
from aws_samples import BEGIN, END, METERED, USAGE, delta, event, exception, message, read, stop, text_header, tool
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Citation
from intertie.core.events import Began, Broke, Cited, Closed, Ended, Grew, Metered, Opened, Signed, Stopped
from intertie.core.faults import UpstreamBusy, UpstreamError, UpstreamGarbled, UpstreamRefused
from intertie.core.usage import Usage

TEXT = BEGIN + delta(0, text="Hel") + delta(0, text="lo ☃") + stop(0) + END + METERED
TOOLS = (
    BEGIN + delta(0, reasoningContent={"text": "hm"}) + delta(0, reasoningContent={"signature": "c2ln"})
    + delta(0, reasoningContent={"signature": "bmVk"}) + stop(0) + delta(1, text="Let me see.") + stop(1)
    + tool(2, "weather") + delta(2, toolUse={"input": ""}) + delta(2, toolUse={"input": '{"city":'})
    + delta(2, toolUse={"input": '"Rome"}'}) + stop(2) + tool(3, "time") + stop(3)
    + event("messageStop", {"stopReason": "tool_use"}) + METERED
)  # fmt: skip


def test_a_text_is_opened_by_its_first_piece() -> None:
    assert read(TEXT) == [
        Began("", ""),
        Opened(part=0, kind="text"),
        Grew(0, "Hel"),
        Grew(0, "lo ☃"),
        Closed(0),
        Stopped(reason="end"),
        Metered(Usage(prompt=10, completion=20)),
        Ended(),
    ]


def test_thoughts_words_and_parallel_tool_calls_come_in_order() -> None:
    assert read(TOOLS)[1:-2] == [
        Opened(part=0, kind="reasoning", origin="bedrock"),
        Grew(0, "hm"),
        Signed(0, "c2lnbmVk"),
        Closed(0),
        Opened(part=1, kind="text"),
        Grew(1, "Let me see."),
        Closed(1),
        Opened(part=2, kind="tool_call", id="tooluse_2", name="weather"),
        Grew(2, '{"city":'),
        Grew(2, '"Rome"}'),
        Closed(2),
        Opened(part=3, kind="tool_call", id="tooluse_3", name="time"),
        Closed(3),
        Stopped(reason="tool"),
    ]


@given(st.lists(st.integers(0, len(TOOLS)), max_size=10))
def test_bytes_split_anywhere_give_the_same_events(cuts: list[int]) -> None:
    """Wire fact 4: frames can split anywhere, including inside UTF-8."""
    ends = [0, *sorted(cuts), len(TOOLS)]
    assert read(TOOLS[a:b] for a, b in pairwise(ends)) == read(TOOLS)


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6))
def test_sealed_thoughts_in_pieces_are_told_once_byte_by_byte(pieces: list[bytes]) -> None:
    """Wire fact 12: what is signed is replayed byte-identical."""
    sealed = [delta(0, reasoningContent={"redactedContent": b64encode(piece).decode()}) for piece in pieces]
    told = read(BEGIN + b"".join(sealed) + stop(0) + END + METERED)
    assert [one for one in told if isinstance(one, Signed)] == [Signed(0, "", b64encode(b"".join(pieces)).decode())]


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6))
def test_a_picture_in_pieces_is_one_base64(pieces: list[bytes]) -> None:
    begin = event("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}})
    sent = [delta(0, image={"source": {"bytes": b64encode(piece).decode()}}) for piece in pieces]
    told = read(BEGIN + begin + b"".join(sent) + stop(0) + END + METERED)
    assert told[1] == Opened(part=0, kind="image", type="image/png")
    assert b64decode("".join(one.text for one in told if isinstance(one, Grew)), validate=True) == b"".join(pieces)


def test_citations_belong_to_the_open_text() -> None:
    cite = {
        "title": "T",
        "source": "s",
        "sourceContent": [{"text": "a"}, {"text": "b"}],
        "location": {"web": {"url": "u"}},
    }
    told = read(BEGIN + delta(0, text="x") + delta(0, citation=cite) + stop(0) + END + METERED)
    assert Cited(0, Citation(url="u", title="T", quote="ab")) in told


def test_tools_that_the_endpoint_runs_itself_are_not_the_callers_affair() -> None:
    result = event("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "t"}}})
    ground = tool(0, "nova_grounding", type="server_tool_use") + delta(0, toolUse={"input": "{}"}) + stop(0)
    told = read(BEGIN + ground + result + delta(1, toolResult=[{"text": "x"}]) + stop(1) + delta(2, text="y") + END)
    assert [type(one) for one in told] == [Began, Opened, Grew, Closed, Stopped, Ended]
    assert told[1] == Opened(part=0, kind="text")


def test_the_stop_sequence_that_came_is_told() -> None:
    end = {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "###"}}
    assert Stopped(reason="sequence", text="###") in read(BEGIN + event("messageStop", end) + METERED)
    end["additionalModelResponseFields"] = {"stop_sequence": 7}
    assert Stopped(reason="sequence") in read(BEGIN + event("messageStop", end) + METERED)


def test_figures_told_once_are_not_erased_by_metrics_alone() -> None:
    told = read(BEGIN + END + event("metadata", {"metrics": {"latencyMs": 1}}) + METERED)
    assert told[-2:] == [Metered(Usage(prompt=10, completion=20)), Ended()]


def test_a_whole_message_without_its_figures_is_whole() -> None:
    assert read(BEGIN + delta(0, text="x") + END)[-1] == Ended()


@pytest.mark.parametrize("cut", [TEXT[: len(BEGIN) + 5], BEGIN + delta(0, text="x"), BEGIN + METERED, TEXT[:-1]])
def test_a_stream_that_is_cut_has_no_end(cut: bytes) -> None:
    assert Ended() not in read(cut)


def test_what_comes_behind_the_end_is_nobodys() -> None:
    assert read(TEXT + TEXT) == read(TEXT)


def test_events_and_pieces_that_are_not_known_are_passed_over() -> None:
    strange = event("contentBlockPondered", {"x": 1}) + delta(7, video={"x": 1}) + stop(7)
    assert read(BEGIN + strange + TEXT[len(BEGIN) :]) == read(TEXT)


@pytest.mark.parametrize(
    ("name", "fault", "status"),
    [
        ("throttlingException", UpstreamBusy, 429),
        ("modelStreamErrorException", UpstreamError, 424),
        ("internalServerException", UpstreamError, 500),
        ("serviceUnavailableException", UpstreamError, 503),
        ("modelTimeoutException", UpstreamError, 408),
        ("validationException", UpstreamRefused, 400),
        ("somethingNewException", UpstreamError, 502),
    ],
)
def test_exceptions_in_the_stream_are_faults(name: str, fault: type[UpstreamError], status: int) -> None:
    told = read(BEGIN + delta(0, text="x") + exception(name, {"message": "Because."}) + TEXT)[-1]
    assert isinstance(told, Broke)
    assert type(told.fault) is fault
    assert told.fault.upstream_status == status


def test_an_error_without_a_model_is_a_fault_too() -> None:
    told = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "An unknown error."}
    broke = read(BEGIN + message(b"".join(text_header(*one) for one in told.items()), b""))[-1]
    assert isinstance(broke, Broke)
    assert "An unknown error." in broke.fault.message


@pytest.mark.parametrize(
    "wrong",
    [
        event("contentBlockDelta", {"delta": {"text": "x"}}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": 7}}),
        event("contentBlockDelta", [1]),
        delta(0, toolUse={"input": "{}"}),
        delta(0, reasoningContent={"redactedContent": "no base64!"}),
        tool(0, "a") + tool(0, "b"),
        b"".join(tool(index, "a") for index in range(129)),
        b"".join(delta(0, reasoningContent={"signature": "s" * 65536}) for _ in range(17)),
        event("metadata", {"usage": {**USAGE, "inputTokens": 1 << 40}}),
    ],
)
def test_what_is_not_the_dialect_is_garbled(wrong: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read(BEGIN + wrong)
