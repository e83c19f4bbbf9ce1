"""Chats written for endpoints that speak chat completions."""

import json
from typing import Any

import msgspec
import pytest
from openai_chat_samples import ENDPOINT, body_of

from intertie.core.chat import (
    Audio,
    Chat,
    Document,
    Form,
    Hosted,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.faults import Unsupported

HI = Turn("user", (Text("hi"),))
PNG = Media(type="image/png", data="AA==")


def chat_of(*turns: Turn, **fields: Any) -> Chat:
    return Chat(**{"model": "m", "turns": turns or (HI,), "origin": "anthropic_messages", **fields})


def written(chat: Chat, **how: Any) -> dict[str, Any]:
    return json.loads(body_of(chat, **how)[0])


def messages(*parts: Part, role: Any = "user") -> list[dict[str, Any]]:
    return written(chat_of(Turn(role, parts)))["messages"]


def test_a_chat_that_wants_nothing_special_says_nothing_more() -> None:
    assert written(chat_of(thinking=Thinking(), form=None, choices=1, store=False, tier="", parallel_tools=True)) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_a_stream_asks_for_its_usage() -> None:
    body = written(chat_of(stream=True))
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_results_go_ahead_of_what_else_is_in_their_turn_and_what_they_show_behind_them() -> None:
    told = messages(
        Text("look"),
        ToolResult("1", (Text("one"), Image(PNG))),
        ToolResult("2", (Text("a"), Text("b"))),
        ToolResult("3", (), failed=True),
    )
    assert told == [
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {
            "role": "tool",
            "tool_call_id": "2",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "tool", "tool_call_id": "3", "content": "failed"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool call 1 returned:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "text", "text": "look"},
            ],
        },
    ]


def test_an_assistant_thinks_speaks_refuses_and_calls_in_one_message() -> None:
    message = messages(
        Reasoning("hm"),
        Text("a", "5m"),
        Refusal("no"),
        ToolCall("1", "f", ""),
        ToolCall("2", "c", "free", free=True, signature="s"),
        role="assistant",
    )[0]
    assert message == {
        "role": "assistant",
        "content": "a",
        "refusal": "no",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {
                "id": "2",
                "type": "custom",
                "custom": {"name": "c", "input": "free"},
                "extra_content": {"google": {"thought_signature": "s"}},
            },
        ],
    }


def test_thoughts_that_another_dialect_signed_are_not_said_aloud() -> None:
    foreign = Reasoning("secret", "sig", origin="anthropic_messages")
    own = Reasoning("mine", "sig", origin="openai_chat")
    message = messages(foreign, own, Text("x"), role="assistant")[0]
    assert "secret" not in json.dumps(message)
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "mine", "signature": "sig", "format": "unknown", "index": 0}
    ]


def test_documents_of_text_are_written_as_text_and_others_as_files() -> None:
    text = Document(Media(type="text/plain", data="aGVsbG8="), title="t", context="about")
    pdf = Document(Media(type="application/pdf", data="AA=="), title="a.pdf")
    assert messages(text, pdf)[0]["content"] == [
        {"type": "text", "text": "about"},
        {"type": "text", "text": "t\n\nhello"},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
    ]


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (Thinking(effort="xhigh"), "xhigh"),
        (Thinking(on=False), None),
        (Thinking(on=True), None),
        (Thinking(on=True, adaptive=True), None),
        (Thinking(on=True, budget=1_024), "minimal"),
        (Thinking(on=True, budget=2_000), "low"),
        (Thinking(on=True, budget=5_000), "medium"),
        (Thinking(on=True, budget=31_999), "high"),
    ],
)
def test_how_much_is_to_be_thought_becomes_an_effort(thinking: Thinking, effort: str | None) -> None:
    assert written(chat_of(thinking=thinking)).get("reasoning_effort") == effort


def test_who_switches_thinking_off_where_it_is_on_by_itself_says_so() -> None:
    assert written(chat_of(thinking=Thinking(on=False), origin="gemini"))["reasoning_effort"] == "none"


NOTHING = {"type": "object", "additionalProperties": False}


def test_tools_are_written_with_their_choice() -> None:
    grammar = msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"x"}')
    tools = (
        Tool(name="f", description="d", schema=msgspec.Raw(json.dumps(NOTHING).encode()), strict=True, mark="1h"),
        Tool(name="c", free=True, grammar=grammar),
        Tool(name="t", free=True),
    )
    body = written(chat_of(tools=tools, tool_choice=ToolChoice("named", ("c",)), parallel_tools=False))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": NOTHING, "strict": True},
        },
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "format": {"type": "grammar", "grammar": {"definition": "x", "syntax": "lark"}},
            },
        },
        {"type": "custom", "custom": {"name": "t"}},
    ]
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}
    assert body["parallel_tool_calls"] is False
    several = written(chat_of(tools=tools, tool_choice=ToolChoice("named", ("f", "c"))))["tool_choice"]
    assert several["allowed_tools"]["mode"] == "required"
    assert [tool["type"] for tool in several["allowed_tools"]["tools"]] == ["function", "custom"]


def test_labels_are_told_only_of_what_is_stored() -> None:
    assert "metadata" not in written(chat_of(metadata={"a": "b"}))
    assert written(chat_of(metadata={"a": "b"}, store=True))["metadata"] == {"a": "b"}


def test_an_endpoints_quirks_are_minded() -> None:
    endpoint = msgspec.structs.replace(ENDPOINT, quirks=frozenset({"no_developer_role", "max_tokens"}))
    body = written(chat_of(Turn("developer", (Text("x"),)), max_output=5), endpoint=endpoint)
    assert (body["messages"][0]["role"], body["max_tokens"]) == ("system", 5)


CITED = Document(Media(type="application/pdf", data="AA=="), cite=True)
MISFITS: list[tuple[Chat, str]] = [
    (chat_of(sampling=Sampling(top_k=5)), "top_k"),
    (chat_of(state="resp_1"), "state"),
    (chat_of(tier="batch"), "tier"),
    (chat_of(extras={"container": msgspec.Raw(b"{}")}), "container"),
    (chat_of(tools=(Hosted("anthropic_messages", "web_search", msgspec.Raw(b"{}")),)), "tools"),
    (chat_of(Turn("user", (Image(Media(file="file-1")),))), "messages"),
    (chat_of(Turn("user", (Audio(Media(url="https://x")),))), "messages"),
    (
        chat_of(
            Turn(
                "user",
                (
                    Audio(
                        Media(type="audio/midi", data="AA=="),
                    ),
                ),
            )
        ),
        "messages",
    ),
    (chat_of(Turn("user", (Document(Media(url="https://x")),))), "messages"),
    (chat_of(Turn("user", (Document(Media(file="file_anthropic")),))), "messages"),
    (chat_of(Turn("user", (CITED,))), "messages"),
    (chat_of(Turn("assistant", (Image(PNG),))), "messages"),
    (chat_of(Turn("user", (ToolCall("1", "f", "{}"),))), "messages"),
]


@pytest.mark.parametrize(("chat", "field"), MISFITS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(MISFITS)])
def test_what_cannot_be_said_is_refused_by_name_or_dropped_by_name(chat: Chat, field: str) -> None:
    chat = msgspec.structs.replace(chat, spelling={"turns": "messages"})
    with pytest.raises(Unsupported) as caught:
        body_of(chat)
    assert caught.value.param == field
    body, dropped = body_of(chat, drop=True)
    assert dropped == [field]
    assert json.loads(body)["messages"]


def test_files_kept_at_openai_are_named_to_openai() -> None:
    chat = chat_of(Turn("user", (Document(Media(file="file-1")),)), origin="openai_responses")
    assert written(chat)["messages"][0]["content"] == [{"type": "file", "file": {"file_id": "file-1"}}]


def test_a_form_is_written_with_the_name_that_the_dialect_wants() -> None:
    form = Form(kind="schema", schema=msgspec.Raw(b"{}"), strict=True)
    told = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}, "strict": True}}
    assert written(chat_of(form=form))["response_format"] == told
    assert written(chat_of(form=Form(kind="json")))["response_format"] == {"type": "json_object"}
