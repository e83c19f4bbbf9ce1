"""Streams of endpoints that speak Responses, each in its own way, read as events."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Citation
from intertie.core.events import Began, Broke, Cited, Closed, Ended, Event, Grew, Metered, Opened, Signed, Stopped
from intertie.core.faults import Fault, UpstreamBusy, UpstreamError, UpstreamGarbled, UpstreamRefused
from intertie.core.usage import Usage
from intertie.dialects.openai_responses.stream_to_events import ResponsesReader

USAGE = {"input_tokens": 9, "output_tokens": 4}
RESPONSE = {"id": "resp_1", "model": "m-1", "created_at": 7, "status": "in_progress", "error": None, "output": []}
BEGAN = Began("resp_1", "m-1", 7)
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
OPENED_CALL = Opened(part=0, kind="tool_call", id="c1", name="f")
URL = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 2}


def sse(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(
        f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **content})}\n\n".encode()
        for number, (kind, content) in enumerate(events)
    )


def stream(*events: tuple[str, dict[str, Any]], end: str = "response.completed", **response: Any) -> bytes:
    begun = ("response.created", {"response": RESPONSE})
    ended = {"response": {**RESPONSE, "status": end.partition(".")[2], "usage": USAGE, **response}}
    return sse(begun, ("response.in_progress", {"response": RESPONSE}), *events, (end, ended))


def read(data: bytes, cuts: list[int] | None = None) -> list[Event]:
    reader = ResponsesReader()
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or ())})
    return [event for start, end in pairwise(places) for event in reader.feed(data[start:end])] + reader.ended()


def parts(*events: tuple[str, dict[str, Any]], **response: Any) -> list[Event]:
    """What is told between the beginning and the stop."""
    told = read(stream(*events, **response))
    assert told[0] == BEGAN and isinstance(told[-1], Ended)
    return [event for event in told[1:] if not isinstance(event, Stopped | Metered | Ended)]


def test_an_empty_answer_has_a_beginning_usage_and_an_end() -> None:
    told = read(stream(service_tier="flex"))
    assert told == [BEGAN, Stopped(reason="end"), Metered(Usage(9, 4, tier="flex"), "flex"), Ended()]


def test_text_is_told_as_it_comes_padding_is_not() -> None:
    """Wire fact 6: `obfuscation` is no content."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    chance = [{"token": "He", "logprob": -0.5, "top_logprobs": []}]
    content = {"type": "output_text", "text": "Hello", "annotations": [URL]}
    told = parts(
        ("response.output_item.added", {"output_index": 0, "item": {**MESSAGE, "content": []}}),
        ("response.content_part.added", {**at, "part": {"type": "output_text", "text": "", "annotations": []}}),
        ("response.output_text.delta", {**at, "delta": "He", "logprobs": chance, "obfuscation": "qwerty"}),
        ("response.output_text.annotation.added", {**at, "annotation_index": 0, "annotation": URL}),
        ("response.output_text.delta", {**at, "delta": "llo", "logprobs": [], "obfuscation": "x"}),
        ("response.output_text.done", {**at, "text": "Hello"}),
        ("response.content_part.done", {**at, "part": content}),
        ("response.output_item.done", {"output_index": 0, "item": {**MESSAGE, "content": [content]}}),
    )
    assert [event.text for event in told if isinstance(event, Grew)] == ["He", "llo"]
    assert [event for event in told if isinstance(event, Cited)] == [
        Cited(0, Citation(url="https://x", title="t", start=0, end=2))
    ]
    assert told[0] == Opened(part=0, kind="text") and told[-1] == Closed(0)
    assert isinstance(told[1], Grew) and told[1].chances[0].token == "He"


@pytest.mark.parametrize(
    "events",
    [
        [("response.function_call_arguments.done", {"output_index": 0, "item_id": "fc_1", "arguments": '{"a":1}'})],
        [
            ("response.function_call_arguments.delta", {"output_index": 0, "item_id": "fc_1", "delta": '{"a"'}),
            ("response.function_call_arguments.done", {"output_index": 0, "item_id": "fc_1", "arguments": '{"a":1}'}),
        ],
        [],
    ],
)
def test_wire_fact_11_arguments_may_come_whole_in_part_or_with_the_item_alone(events: list[Any]) -> None:
    whole = {**CALL, "arguments": '{"a":1}'}
    told = parts(
        ("response.output_item.added", {"output_index": 0, "item": CALL}),
        *events,
        ("response.output_item.done", {"output_index": 0, "item": whole}),
    )
    assert told[0] == OPENED_CALL and told[-1] == Closed(0)
    assert "".join(event.text for event in told if isinstance(event, Grew)) == '{"a":1}'


def test_a_call_that_nobody_announced_begins_with_its_item() -> None:
    told = parts(
        ("response.function_call_arguments.delta", {"output_index": 0, "delta": '{"a":1}'}),
        ("response.output_item.done", {"output_index": 0, "item": {**CALL, "arguments": '{"a":1}'}}),
    )
    assert told == [OPENED_CALL, Grew(0, '{"a":1}'), Closed(0)]


def test_free_text_for_a_tool_is_told_as_such() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "g", "input": ""}
    told = parts(
        ("response.output_item.added", {"output_index": 3, "item": item}),
        ("response.custom_tool_call_input.delta", {"output_index": 3, "delta": "*** B"}),
        ("response.custom_tool_call_input.done", {"output_index": 3, "input": "*** Begin"}),
        ("response.output_item.done", {"output_index": 3, "item": {**item, "input": "*** Begin"}}),
    )
    assert told == [
        Opened(part=0, kind="tool_call", id="c1", name="g", free=True), Grew(0, "*** B"), Grew(0, "egin"), Closed(0),
    ]  # fmt: skip


def test_parallel_calls_are_kept_apart() -> None:
    other = {**CALL, "call_id": "c2", "id": "fc_2"}
    told = parts(
        ("response.output_item.added", {"output_index": 0, "item": CALL}),
        ("response.output_item.added", {"output_index": 1, "item": other}),
        ("response.function_call_arguments.delta", {"output_index": 1, "delta": "B"}),
        ("response.function_call_arguments.delta", {"output_index": 0, "delta": "A"}),
    )
    assert told[2:] == [Grew(1, "B"), Grew(0, "A"), Closed(0), Closed(1)]


def test_thoughts_are_sealed_at_the_end_of_their_item() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
        "encrypted_content": "gAAA",
    }
    at = {"output_index": 0, "item_id": "rs_1"}
    begun = {**item, "summary": [], "encrypted_content": "half"}
    told = parts(
        ("response.output_item.added", {"output_index": 0, "item": begun}),
        ("response.reasoning_summary_part.added", {**at, "summary_index": 0, "part": {"type": "summary_text"}}),
        ("response.reasoning_summary_text.delta", {**at, "summary_index": 0, "delta": "one"}),
        ("response.reasoning_summary_part.done", {**at, "summary_index": 0, "part": {"type": "summary_text"}}),
        ("response.reasoning_summary_text.done", {**at, "summary_index": 1, "text": "two"}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
    )
    first, second = (
        Opened(part=part, kind="reasoning", id="rs_1", summary=True, origin="openai_responses") for part in (0, 1)
    )
    assert told == [
        first, Grew(0, "one"), second, Grew(1, "two"), Signed(1, sealed="gAAA"), Closed(0), Closed(1),
    ]  # fmt: skip


def test_thoughts_in_words_and_refusals_are_parts_too() -> None:
    told = parts(
        ("response.reasoning_text.delta", {"output_index": 0, "item_id": "rs_1", "content_index": 0, "delta": "hm"}),
        ("response.refusal.delta", {"output_index": 1, "content_index": 0, "delta": "no"}),
        ("response.refusal.done", {"output_index": 1, "content_index": 0, "refusal": "no!"}),
    )
    assert told == [
        Opened(part=0, kind="reasoning", id="rs_1", origin="openai_responses"), Grew(0, "hm"),
        Opened(part=1, kind="refusal"), Grew(1, "no"), Grew(1, "!"), Closed(0), Closed(1),
    ]  # fmt: skip


def test_a_picture_comes_with_its_item_and_the_calls_of_hosted_tools_are_skipped() -> None:
    picture = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
    told = parts(
        ("response.output_item.added", {"output_index": 0, "item": {"type": "web_search_call", "id": "ws_1"}}),
        ("response.web_search_call.searching", {"output_index": 0, "item_id": "ws_1"}),
        ("response.output_item.done", {"output_index": 0, "item": {"type": "web_search_call", "id": "ws_1"}}),
        ("response.never_heard_of", {"anything": 1}),
        ("response.image_generation_call.partial_image", {"output_index": 1, "partial_image_b64": "AA"}),
        ("response.output_item.done", {"output_index": 1, "item": picture}),
    )
    assert told == [Opened(part=0, kind="image", type="image/png"), Grew(0, "AAAA"), Closed(0)]


def test_an_answer_that_was_not_streamed_is_taken_from_the_terminal_event() -> None:
    content = [{"type": "output_text", "text": "Hello", "annotations": [URL]}]
    told = parts(output=[{**MESSAGE, "content": content}, {**CALL, "arguments": "{}"}])
    cited = Cited(0, Citation(url="https://x", title="t", start=0, end=2))
    assert told == [
        Opened(part=0, kind="text"), Grew(0, "Hello"), cited, Closed(0),
        Opened(part=1, kind="tool_call", id="c1", name="f"), Grew(1, "{}"), Closed(1),
    ]  # fmt: skip


def test_an_answer_that_was_streamed_is_not_told_twice() -> None:
    content = [{"type": "output_text", "text": "Hello", "annotations": []}]
    told = parts(
        ("response.output_text.delta", {"output_index": 4, "content_index": 0, "delta": "Hello"}),
        output=[{**MESSAGE, "content": content}],
    )
    assert told == [Opened(part=0, kind="text"), Grew(0, "Hello"), Closed(0)]


@pytest.mark.parametrize(
    ("end", "response", "stop"),
    [
        ("response.completed", {}, Stopped(reason="end")),
        ("response.completed", {"output": [CALL]}, Stopped(reason="tool")),
        ("response.incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, Stopped(reason="length")),
        ("response.incomplete", {"incomplete_details": {"reason": "content_filter"}}, Stopped(reason="filter")),
        ("response.incomplete", {"incomplete_details": {"reason": "x"}}, Stopped(reason="other", name="x")),
    ],
)
def test_why_the_answer_ended_is_told(end: str, response: dict[str, Any], stop: Stopped) -> None:
    assert read(stream(end=end, **response))[-3:] == [stop, Metered(Usage(9, 4)), Ended()]


@pytest.mark.parametrize(
    ("data", "fault", "metered"),
    [
        (stream(end="response.failed", error={"code": "rate_limit_exceeded", "message": "x"}), UpstreamBusy, True),
        (stream(end="response.failed", error={"code": "invalid_prompt", "message": "x"}), UpstreamRefused, True),
        (stream(end="response.failed", error=None), UpstreamError, True),
        (sse(("error", {"code": "server_error", "message": "x", "param": None})), UpstreamError, False),
        (sse(("error", {"error": {"code": "too_many_requests", "message": "x"}})), UpstreamBusy, False),
        (b'data: {"error":{"message":"gone","code":503}}\n\n', UpstreamError, False),
    ],
)
def test_wire_fact_3_a_failure_is_told_with_what_was_used(data: bytes, fault: type[Fault], metered: bool) -> None:
    told = read(data + sse(("response.output_text.delta", {"delta": "too late"})))
    assert isinstance(told[-1], Broke) and type(told[-1].fault) is fault
    assert any(isinstance(event, Metered) for event in told) is metered


@pytest.mark.parametrize(
    "data",
    [
        b"<html>sorry</html>\n\n",
        b"data: {broken\n\n",
        b"data: []\n\n",
        sse(("response.output_text.delta", {"delta": 5})),
        sse(("response.output_item.done", {"item": 7})),
        sse(("response.completed", {"response": {"usage": {"input_tokens": 1 << 60}}})),
        sse(*(("response.output_text.delta", {"output_index": n, "delta": "x"}) for n in range(200))),
        sse(("response.output_text.delta", {"delta": "x" * 17_000_000}))[:-1],
    ],
)
def test_what_is_not_the_dialect_is_garbled(data: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read(data)


GOOD = stream(
    ("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "Grüße 👋"}),
    ("response.output_item.added", {"output_index": 1, "item": CALL}),
    ("response.function_call_arguments.done", {"output_index": 1, "arguments": "{}"}),
)


@given(st.integers(min_value=0, max_value=len(GOOD) - 3), st.lists(st.integers(min_value=0), max_size=8))
def test_a_cut_anywhere_has_no_end_and_loses_nothing_before_it(length: int, cuts: list[int]) -> None:
    told = read(GOOD[:length], cuts)
    assert told == read(GOOD)[: len(told)]
    assert not any(isinstance(event, Ended) for event in told)


@given(st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(min_value=0), max_size=12))
def test_wire_fact_4_lines_may_end_in_any_way_and_be_split_anywhere(newline: bytes, cuts: list[int]) -> None:
    data = (b": OPENROUTER PROCESSING\n\n" + GOOD).replace(b"\n", newline)
    assert read(data, cuts) == read(GOOD)
    assert read(data.rstrip(b"\r\n"), cuts) == read(GOOD)  # the last empty line may be missing
    assert read(data + b"data: [DONE]\n\n", cuts) == read(GOOD)
