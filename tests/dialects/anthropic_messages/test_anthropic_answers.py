"""Whole answers, read and written."""

import json
from typing import Any

import pytest
from anthropic_samples import called, dumped

from intertie.core.chat import Answer, Audio, Choice, Citation, Media, Reasoning, Refusal, StopReason, Text, ToolCall
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND

OWN = "anthropic_messages"


def read(**fields: Any) -> Answer:
    assert OUTBOUND.read is not None
    return OUTBOUND.read(dumped({"type": "message", "role": "assistant", "content": [], **fields}))


def wrote(answer: Answer) -> dict[str, Any]:
    assert INBOUND.write is not None
    return json.loads(INBOUND.write(answer, called()))


def answer(*parts: Any, stop: StopReason = "end", **fields: Any) -> Answer:
    return Answer(id="msg_1", model="m", choices=(Choice(parts=parts, stop=stop),), **fields)


def test_an_answer_with_everything() -> None:
    cited = [
        {"type": "web_search_result_location", "cited_text": "q", "url": "u", "title": "T", "encrypted_index": "x"}
    ]
    found = read(
        id="msg_1",
        model="claude-opus-5",
        content=[
            {"type": "thinking", "thinking": "t", "signature": "s+/="},
            {"type": "redacted_thinking", "data": "d=="},
            {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"type": "web_search_result"}]},
            {"type": "text", "text": "a", "citations": cited},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": [1]}, "caller": {"type": "direct"}},
        ],
        stop_reason="tool_use",
        stop_sequence=None,
        usage={"input_tokens": 3, "output_tokens": 5, "service_tier": "priority"},
        container=None,
    )
    parts = (
        Reasoning("t", "s+/=", origin=OWN),
        Reasoning(sealed="d==", origin=OWN),
        Text("a", citations=(Citation(url="u", title="T", quote="q"),)),
        ToolCall("toolu_1", "f", '{"x":[1]}'),
    )
    usage = Usage(prompt=3, completion=5, tier="priority")
    choice = Choice(parts=parts, stop="tool")
    assert found == Answer(id="msg_1", model="claude-opus-5", choices=(choice,), usage=usage, tier="priority")


def test_a_refusal_is_read_with_its_words() -> None:
    found = read(stop_reason="refusal", stop_details={"type": "refusal", "category": None, "explanation": "No."})
    assert found.choices[0] == Choice(parts=(Refusal("No."),), stop="filter")
    assert read(stop_reason="refusal", stop_details=None).choices[0].stop == "filter"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"content":"a"}',
        b'{"content":[{"type":7}]}',
        b'{"content":[{"type":"\xff"}]}',
        b'{"content":' * 9_999,
    ],
)
def test_what_is_not_the_dialect_is_told_so(body: bytes) -> None:
    assert OUTBOUND.read is not None
    with pytest.raises(ValueError, match=r".+"):
        OUTBOUND.read(body)


def test_an_answer_is_written_as_a_message() -> None:
    parts = (Text("a", citations=(Citation(url="u", quote="q"),)), ToolCall("c", "f", '{"x":1}'), Text(""))
    told = wrote(answer(*parts, stop="tool", usage=Usage(prompt=9, completion=4, cached=6)))
    assert told["content"] == [
        {
            "type": "text",
            "text": "a",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "cited_text": "q",
                    "encrypted_index": "",
                    "title": None,
                    "url": "u",
                }
            ],
        },
        {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}},
    ]
    assert {name: told[name] for name in ("id", "type", "role", "model", "stop_reason", "stop_sequence")} == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "tool_use",
        "stop_sequence": None,
    }
    assert (told["usage"]["input_tokens"], told["usage"]["cache_read_input_tokens"]) == (3, 6)


@pytest.mark.parametrize(
    ("parts", "stop", "told"),
    [
        ((ToolCall("c", "f", "{}"),), "end", "tool_use"),
        ((Text("a"),), "tool", "end_turn"),
        ((Text("a"),), "length", "max_tokens"),
        ((ToolCall("c", "f", "{"),), "length", "max_tokens"),
        ((Refusal("No."),), "end", "refusal"),
        ((), "filter", "refusal"),
        ((Text("a"),), "other", "end_turn"),
    ],
)
def test_facts_11_and_12_the_reason_fits_what_was_said(parts: tuple[Any, ...], stop: StopReason, told: str) -> None:
    assert wrote(answer(*parts, stop=stop))["stop_reason"] == told


def test_calls_are_objects_and_have_ids_whatever_the_model_wrote() -> None:
    told = wrote(answer(ToolCall("", "f", '{"x": '), ToolCall("b", "g", "", free=True)))["content"]
    assert told[0] == {"type": "tool_use", "id": "toolu_msg_1_0", "name": "f", "input": {"INVALID_JSON": '{"x": '}}
    assert told[1]["input"] == {"input": ""}


def test_what_no_message_can_hold_is_left_out_and_unknown_usage_is_zero() -> None:
    told = wrote(answer(Audio(Media(type="audio/wav", data="AA==")), Text("a"), usage=None))
    assert [block["type"] for block in told["content"]] == ["text"]
    assert told["usage"]["output_tokens"] == 0
