"""Streams of the Responses dialect, written from events and read into them; the SDK's own accumulator is the judge."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from responses_samples import answers, events_of, plain

from intertie.core.chat import Answer, Choice, Citation, Media, Reasoning, Refusal, Text, TokenChance, ToolCall
from intertie.core.chat import Image as Picture
from intertie.core.events import (
    Began,
    Broke,
    Cited,
    Closed,
    Ended,
    Event,
    Grew,
    Metered,
    Opened,
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import StreamCut, UpstreamBusy, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.openai_responses.answer_to_body import answer_to_body
from intertie.dialects.openai_responses.body_to_answer import body_to_answer
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.events_to_stream import ResponsesWriter
from intertie.dialects.openai_responses.faults import error_event
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.stream_to_events import ResponsesReader

TOOLS = [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "custom", "name": "g"}]
BODY = {"model": "m", "input": "hi", "instructions": "be kind", "tools": TOOLS, "metadata": {"a": "b"}, "stream": True}
CALL = peek("chat", json.dumps(BODY).encode())
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def written(events: Iterator[Event] | list[Event]) -> bytes:
    writer = ResponsesWriter(CALL)
    return b"".join([writer.write(event) for event in events])


def told(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in stream.decode().split("\n") if line.startswith("data: ")]


def read(stream: bytes, cuts: list[int] | None = None) -> list[Event]:
    reader = ResponsesReader()
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts or ())})
    events = [event for start, end in pairwise(places) for event in reader.feed(stream[start:end])]
    return events + reader.ended()


def sdk(stream: bytes) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=client, max_retries=0)


def accumulated(stream: bytes) -> Any:
    with sdk(stream) as client, client.responses.stream(model="m", input="hi") as events:
        return events.get_final_response()


def body_of(answer: Answer) -> dict[str, Any]:
    return json.loads(answer_to_body(answer, CALL))


@settings(deadline=None, max_examples=40)  # the SDK builds a client, and its models, at its own pace
@given(answers(), st.data())
def test_the_sdk_understands_every_stream_and_ends_with_the_answer_that_was_not_streamed(
    answer: Answer, data: st.DataObject
) -> None:
    stream = written(events_of(answer, data.draw))
    events = told(stream)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        STREAM_EVENT.validate_python(event)
    whole = events[-1]["response"]
    assert whole == body_of(answer)
    Response.model_validate(whole)
    if events[-1]["type"] == "response.completed":
        final = accumulated(stream)
        assert [item["id"] for item in whole["output"]] == [item.id for item in final.output]


@settings(deadline=None)
@given(answers(), st.lists(st.integers(min_value=0), max_size=12), st.data())
def test_a_stream_split_anywhere_tells_the_same_events(answer: Answer, cuts: list[int], data: st.DataObject) -> None:
    stream = written(events_of(answer, data.draw))
    assert plain(read(stream, cuts)) == plain(read(stream))


@settings(deadline=None)
@given(answers())
def test_an_answer_comes_back_as_it_was_written(answer: Answer) -> None:
    assert plain(body_to_answer(answer_to_body(answer, CALL))) == plain(answer)


@settings(deadline=None)
@given(answers(), st.data())
def test_a_stream_says_what_the_whole_answer_says(answer: Answer, data: st.DataObject) -> None:
    texts = {Text: "", Refusal: "", ToolCall: "", Reasoning: "", Picture: ""}
    kinds = {"text": Text, "refusal": Refusal, "tool_call": ToolCall, "reasoning": Reasoning, "image": Picture}
    opened: dict[int, Any] = {}
    events = read(written(events_of(answer, data.draw)))
    for event in events:
        if isinstance(event, Opened):
            opened[event.part] = kinds[event.kind]
        elif isinstance(event, Grew):
            texts[opened[event.part]] += event.text
    for part in answer.choices[0].parts:
        words = (
            part.arguments
            if isinstance(part, ToolCall)
            else part.media.data
            if isinstance(part, Picture)
            else part.text
        )
        assert words in texts[type(part)]
    assert isinstance(events[0], Began) and isinstance(events[-1], Ended)
    assert len(opened) == len({event.part for event in events if isinstance(event, Closed)})


def test_the_order_is_the_one_that_sdks_insist_on() -> None:
    """Wire fact 3: typed, numbered, one terminal event; wire fact 10: parallel calls may interleave."""
    stream = written([
        Began("abc", "up-1", 5),
        Opened(part=0, kind="text"), Grew(0, "Hel"), Grew(0, "lo"), Pinged(), Closed(0),
        Opened(part=1, kind="tool_call", id="c1", name="f"), Grew(1, '{"a"'),
        Opened(part=2, kind="tool_call", id="c2", name="g", free=True), Grew(2, "x"), Grew(1, ":1}"),
        Closed(1), Closed(2),
        Stopped(reason="tool"), Metered(Usage(10, 5, cached=3, reasoning=2), "flex"), Ended(),
    ])  # fmt: skip
    assert [(event["type"].removeprefix("response."), event.get("output_index")) for event in told(stream)] == [
        ("created", None), ("in_progress", None),
        ("output_item.added", 0), ("content_part.added", 0), ("output_text.delta", 0), ("output_text.delta", 0),
        ("output_text.done", 0), ("content_part.done", 0), ("output_item.done", 0),
        ("output_item.added", 1), ("function_call_arguments.delta", 1),
        ("output_item.added", 2), ("custom_tool_call_input.delta", 2), ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1), ("custom_tool_call_input.done", 2),
        ("output_item.done", 1), ("output_item.done", 2),
        ("completed", None),
    ]  # fmt: skip
    assert b": ping\n\n" in stream
    final = accumulated(stream)
    assert (final.id, final.model, final.output_text, final.service_tier) == ("resp_abc", "up-1", "Hello", "flex")
    assert final.usage.input_tokens_details.cached_tokens == 3 and final.usage.total_tokens == 15
    assert (final.instructions, final.metadata, final.tools[0].strict) == ("be kind", {"a": "b"}, False)
    assert [item.status for item in final.output[:2]] == ["completed", "completed"]


@pytest.mark.parametrize(
    ("reason", "parts", "kind", "why"),
    [
        ("end", (Text("x"),), "completed", None),
        ("sequence", (Text("x"),), "completed", None),
        ("length", (Text("x"),), "incomplete", "max_output_tokens"),
        ("filter", (Text("x"),), "incomplete", "content_filter"),
        ("filter", (Refusal("no"),), "completed", None),
        ("pause", (Text("x"),), "incomplete", None),
    ],
)
def test_why_an_answer_ended_is_its_status(reason: Any, parts: Any, kind: str, why: str | None) -> None:
    answer = Answer(id="a", model="m", choices=(Choice(parts=parts, stop=reason),), usage=Usage(1, 2))
    end = told(written(events_of(answer, None)))[-1]
    assert end["type"] == f"response.{kind}" and end["response"]["usage"]["input_tokens"] == 1
    assert (end["response"]["incomplete_details"] or {}).get("reason") == why
    assert end["response"]["output"][-1]["status"] == kind


def test_what_came_so_far_is_told_when_the_endpoint_breaks() -> None:
    begun = [Began("a", "m"), Opened(part=0, kind="text"), Grew(0, "He"), Closed(0), Opened(part=1, kind="refusal")]
    end = told(written([*begun, Metered(Usage(3, 1)), Broke(UpstreamBusy("slow down", 429))]))[-1]
    assert end["type"] == "response.failed"
    assert end["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    assert end["response"]["usage"]["input_tokens"] == 3


def test_wire_fact_1_the_sdk_raises_on_an_error_in_the_midst() -> None:
    stream = written([Began("a", "m"), Opened(part=0, kind="text"), Grew(0, "He")])
    with pytest.raises(openai.APIError, match="before its end"):
        accumulated(stream + error_event(StreamCut("cut off")))


def test_what_another_dialect_signed_makes_the_whole_round_through_the_caller() -> None:
    thought = Reasoning("hm", "SIG/+=", origin="anthropic_messages")
    hidden = Reasoning(sealed="REDACTED", origin="anthropic_messages")
    call = ToolCall("c1", "f", "{}", signature="GEMINI")
    answer = Answer(id="a", model="m", choices=(Choice(parts=(thought, hidden, Text("ok"), call), stop="tool"),))
    output = accumulated(written(events_of(answer, None))).model_dump(mode="json", exclude_none=True)["output"]
    items = [*output, {"type": "function_call_output", "call_id": "c1", "output": "1"}]
    chat = call_to_chat(peek("chat", json.dumps({"model": "m", "input": items}).encode()))
    assert chat.turns[0].parts == (thought, hidden, Text("ok"), call)


def test_nothing_that_a_model_says_can_break_out_of_its_event() -> None:
    evil = 'x\n\nevent: response.completed\ndata: {"type":"response.completed"}\n\n\r\r'
    stream = written([
        Began(evil, evil), Opened(part=0, kind="tool_call", id=evil, name=evil), Grew(0, evil), Closed(0),
        Opened(part=1, kind="text"), Grew(1, evil), Cited(1, Citation(url=evil)), Closed(1),
        Stopped(reason="end"), Ended(),
    ])  # fmt: skip
    blocks = stream.split(b"\n\n")
    assert len(blocks) - 1 == len(told(stream)) and b"\r" not in stream
    assert all(block.startswith(b"event: response.") and block.count(b"\n") == 1 for block in blocks[:-1])


@pytest.mark.parametrize(
    "events",
    [
        [Opened(part=n, kind="text") for n in range(200)],
        [Opened(part=0, kind="tool_call", id="c", name="f"), *(Grew(0, "x" * 100_000) for _ in range(11))],
    ],
)
def test_a_stream_without_bounds_is_given_up(events: list[Event]) -> None:
    with pytest.raises(UpstreamGarbled):
        written([Began("a", "m"), *events])


def test_only_the_first_answer_is_told_and_sound_is_left_out() -> None:
    begun = [
        Began("a", "m"),
        Opened(part=0, kind="audio"),
        Grew(0, "AAAA"),
        Closed(0),
        Opened(part=0, kind="text", choice=1),
    ]
    output = told(written([*begun, Grew(0, "second", choice=1), Stopped(reason="length", choice=1), Ended()]))[-1]
    assert (output["type"], output["response"]["output"]) == ("response.completed", [])


def test_a_whole_answer_has_the_chances_of_its_tokens() -> None:
    chances = (TokenChance("é", -0.1, None, (TokenChance("e", -2.0, (101,)),)),)
    answer = Answer(id="a", model="m", choices=(Choice(parts=(Text("é"),), chances=chances),), usage=None)
    (item,) = body_of(answer)["output"]
    rivals = [{"token": "e", "logprob": -2.0, "bytes": [101]}]
    assert item["content"][0]["logprobs"] == [
        {"token": "é", "logprob": -0.1, "bytes": [195, 169], "top_logprobs": rivals}
    ]
    assert body_of(answer)["usage"] is None


def test_a_sealed_thought_without_words_shows_no_part() -> None:
    opened = Opened(part=0, kind="reasoning", id="rs_9", summary=True, origin="openai_responses")
    events = [opened, Signed(0, sealed="gA"), Closed(0), Stopped(reason="end"), Ended()]
    kinds = [event["type"] for event in told(written([Began("a", "m"), *events]))]
    assert kinds[2:4] == ["response.output_item.added", "response.output_item.done"]


def test_pictures_are_calls_of_a_tool() -> None:
    answer = Answer(id="a", model="m", choices=(Choice(parts=(Picture(Media(type="image/webp", data="AAAA")),)),))
    (item,) = body_of(answer)["output"]
    assert (item["type"], item["result"], item["output_format"]) == ("image_generation_call", "AAAA", "webp")
