"""Reasoning of other endpoints travels through callers of this dialect and back to where it came from."""

import json
from typing import Any

import pytest
from anthropic_samples import CLAUDE, called, dumped, events_of, said, stream_of, told_in
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Answer, Choice, Part, Reasoning, Text, ToolCall
from intertie.core.events import Began, Closed, Ended, Event, Grew, Opened, Signed, Stopped
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND

SEALED = Reasoning("I thought.", "sig", "c2VhbGVk", "rs_1", summary=True, origin="openai_responses")


def told(*parts: Part) -> list[dict[str, Any]]:
    assert INBOUND.write is not None
    answer = Answer(id="r", model="m", choices=(Choice(parts=parts),))
    return json.loads(INBOUND.write(answer, called()))["content"]


def heard(content: list[dict[str, Any]]) -> tuple[Part, ...]:
    assert INBOUND.read is not None
    return INBOUND.read(called(messages=said(("user", "hi"), ("assistant", content)))).turns[1].parts


reasonings = st.builds(
    Reasoning,
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.booleans(),
    st.sampled_from(["openai_chat", "openai_responses", "gemini", "bedrock"]),
)


@given(reasonings)
def test_foreign_reasoning_comes_back_as_it_was(reasoning: Reasoning) -> None:
    assert heard(told(reasoning)) == (reasoning,)


@given(reasonings)
def test_so_it_does_when_it_was_streamed(reasoning: Reasoning) -> None:
    opened = Opened(part=0, kind="reasoning", id=reasoning.id, summary=reasoning.summary, origin=reasoning.origin)
    signed = Signed(0, reasoning.signature, reasoning.sealed)
    events: list[Event] = [Began("m", "m"), opened, Grew(0, reasoning.text), signed, Closed(0), Stopped(reason="end")]
    blocks = [one for one in told_in(stream_of([*events, Ended()])) if "index" in one]
    if not (reasoning.text or reasoning.signature or reasoning.sealed):
        assert blocks == []
        return
    text = "".join(one["delta"]["thinking"] for one in blocks[1:-2])
    signature = blocks[-2]["delta"]["signature"]
    assert heard([{"type": "thinking", "thinking": text, "signature": signature}]) == (reasoning,)


def test_the_signature_of_a_call_finds_its_call_again() -> None:
    call = ToolCall("c1", "f", '{"x":1}', signature="gemini-signed")
    assert heard(told(Text("a"), call)) == (Text("a"), call)
    opened, signed = Opened(part=0, kind="tool_call", id="c1", name="f"), Signed(0, "gemini-signed")
    stream = stream_of([Began("m", "m"), opened, signed, Grew(0, "{}"), Closed(0), Stopped(reason="tool"), Ended()])
    blocks = [one["content_block"]["type"] for one in told_in(stream) if one["type"] == "content_block_start"]
    assert blocks == ["tool_use", "thinking"]
    assert any(isinstance(event, Opened) and event.id == "c1" for event in events_of(stream))


def test_an_anthropic_endpoint_never_sees_it() -> None:
    own = {"type": "thinking", "thinking": "t", "signature": "EqQB+/=="}
    words = {"type": "text", "text": 'a "signature":"intertie.x" in words'}
    before = called(
        messages=said(
            ("user", [words]),
            ("assistant", [*told(SEALED), own, words]),
            ("user", "go on"),
            ("assistant", told(SEALED)),
        ),
        other=[1],
    )
    assert OUTBOUND.pass_on is not None
    body = json.loads(OUTBOUND.pass_on(before, CLAUDE, None))
    assert [message["content"] for message in body["messages"]] == [[words], [own, words], "go on"]
    assert body["other"] == [1]


def test_a_body_that_only_looks_like_it_passes_unharmed() -> None:
    assert OUTBOUND.pass_on is not None
    for messages in ([7], [{"role": "user", "content": '"intertie.'}], [{"content": ["intertie."]}]):
        call = called(messages=messages)
        assert json.loads(OUTBOUND.pass_on(call, CLAUDE, None))["messages"] == messages


@pytest.mark.parametrize("signature", ["intertie.", "intertie.###", "intertie.AAAA", "intertie.kaFhYQ=="])
def test_what_was_tampered_with_is_nobodys(signature: str) -> None:
    part = heard([{"type": "thinking", "thinking": "t", "signature": signature}])[0]
    assert isinstance(part, Reasoning) and part.origin in (None, "anthropic_messages")


def test_the_mark_is_found_in_every_body_that_carries_it() -> None:
    assert b'"intertie.' in dumped(told(SEALED))
