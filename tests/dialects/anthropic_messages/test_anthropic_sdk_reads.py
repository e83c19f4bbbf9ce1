"""Anthropic's own SDK reads what is written for callers, and what it sends is read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from anthropic_samples import BODY, WHOLE, called, stream_of

from intertie.core.chat import Answer, Choice, Citation, Reasoning, Refusal, Text, Thinking, ToolCall
from intertie.core.events import Began, Cited, Closed, Ended, Event, Grew, Metered, Opened, Pinged, Signed, Stopped
from intertie.core.faults import BudgetExhausted, Fault, InvalidRequest, Overloaded, StreamCut, TooLarge
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND
from intertie.dialects.dialect import Heard

QUESTION: dict[str, Any] = {**BODY, "max_tokens": 512}


@contextmanager
def client(status: int, body: bytes, kind: str = "application/json", seen: list[bytes] | None = None) -> Iterator[Any]:
    """An SDK client whose every request is answered with this."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(request.content)
        return httpx2.Response(status, headers={"content-type": kind}, content=body)

    transport = httpx2.MockTransport(answer)
    with anthropic.Anthropic(
        api_key="x", max_retries=0, http_client=anthropic.DefaultHttpxClient(transport=transport)
    ) as made:
        yield made


def final(stream: bytes) -> Message:
    with client(200, stream, "text/event-stream") as sdk, sdk.messages.stream(**QUESTION) as told:
        return told.get_final_message()


def test_fact_2_a_stream_that_passed_through_is_whole_to_the_sdk() -> None:
    assert OUTBOUND.watch is not None
    watch = OUTBOUND.watch(called(stream=True), Heard())
    message = final(watch.feed(WHOLE) + watch.ended())
    assert [block.type for block in message.content] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert message.content[3].input == {"city": "Paris"}
    assert message.stop_reason == "tool_use"


def test_fact_11_parallel_calls_that_interleaved_are_whole_to_the_sdk() -> None:
    events: list[Event] = [
        Began("chatcmpl-1", "gpt-5", usage=Usage(prompt=100)),
        Pinged(),
        Opened(part=0, kind="reasoning", id="rs_1", summary=True, origin="openai_responses"),
        Grew(0, "Hm."),
        Signed(0, sealed="c2VhbGVk"),
        Opened(part=1, kind="text"),
        Grew(1, "Two "),
        Opened(part=2, kind="tool_call", id="call_1", name="f"),
        Opened(part=3, kind="tool_call", id="call_2", name="g"),
        Grew(3, '{"y":'),
        Grew(2, '{"x":"日'),
        Grew(1, "at once."),
        Cited(1, Citation(url="https://x", title="T", quote="q")),
        Grew(2, '本"}'),
        Grew(3, "2}"),
        Closed(0),
        Closed(3),
        Closed(1),
        Closed(2),
        Stopped(reason="end"),
        Metered(Usage(prompt=120, completion=40, cached=100, reasoning=12)),
        Ended(),
    ]
    message = final(stream_of(events))
    thinking, text, first, second = message.content
    assert (thinking.type, thinking.thinking) == ("thinking", "Hm.")
    assert (text.text, text.citations[0].url) == ("Two at once.", "https://x")
    assert (first.id, first.name, first.input) == ("call_1", "f", {"x": "日本"})
    assert (second.id, second.name, second.input) == ("call_2", "g", {"y": 2})
    assert message.stop_reason == "tool_use"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (20, 100, 40)


def test_a_whole_answer_is_a_message_to_the_sdk() -> None:
    parts = (
        Reasoning("t", "s", origin="anthropic_messages"),
        Reasoning(sealed="d", origin="anthropic_messages"),
        Text("a", citations=(Citation(url="https://x", quote="q"),)),
        Refusal("No."),
        ToolCall("c", "f", '{"x":1}'),
    )
    usage = Usage(prompt=30, completion=9, cached=10, written=5, written_1h=5, reasoning=2, searches=1, tier="fast")
    answer = Answer(id="msg_1", model="m", choices=(Choice(parts=parts, stop="tool"),), usage=usage)
    assert INBOUND.write is not None
    body = INBOUND.write(answer, called())
    Message.model_validate(json.loads(body), strict=True)
    with client(200, body) as sdk:
        message = sdk.messages.create(**QUESTION)
    assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text", "text", "tool_use"]
    assert (message.usage.input_tokens, message.usage.cache_creation.ephemeral_1h_input_tokens) == (10, 5)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (InvalidRequest("no", param="x"), anthropic.BadRequestError),
        (TooLarge("no"), anthropic.APIStatusError),
        (BudgetExhausted("no"), anthropic.RateLimitError),
        (Overloaded("no"), anthropic.InternalServerError),
    ],
)
def test_fact_13_errors_are_what_the_sdk_takes_them_for(fault: Fault, kind: type[anthropic.APIStatusError]) -> None:
    with client(fault.status, INBOUND.error_body(fault, "req_1_2")) as sdk, pytest.raises(kind) as caught:
        sdk.messages.create(**QUESTION)
    assert (caught.value.api_message, caught.value.error_code) == ("no", fault.code)


def test_fact_2_an_error_in_a_stream_is_raised_by_the_sdk() -> None:
    begun = stream_of([Began("m", "m"), Opened(part=0, kind="text"), Grew(0, "a")])
    stream = begun + INBOUND.error_event(StreamCut("cut"), "req_1_2")
    with pytest.raises(anthropic.APIStatusError, match="cut"):
        final(stream)


def test_what_the_sdk_sends_is_read() -> None:
    seen: list[bytes] = []
    with client(200, b'{"input_tokens":7}', seen=seen) as sdk:
        assert sdk.messages.count_tokens(**{k: v for k, v in QUESTION.items() if k != "max_tokens"}).input_tokens == 7
        sdk.messages.create(
            model="m",
            max_tokens=4096,
            system=[{"type": "text", "text": "be", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]},
            ],
            tools=[{"name": "f", "input_schema": {"type": "object"}}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            thinking={"type": "adaptive"},
            output_config={"effort": "high"},
            metadata={"user_id": "u"},
        )
    assert INBOUND.peek("count_tokens", seen[0], "").max_output == 0
    assert INBOUND.read is not None
    chat = INBOUND.read(INBOUND.peek("chat", seen[1], ""))
    assert (len(chat.turns), chat.parallel_tools, chat.user, chat.extras) == (4, False, "u", {})
    assert chat.thinking == Thinking(on=True, adaptive=True, effort="high")
