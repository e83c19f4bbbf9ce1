"""Calls read into the words of all dialects, and what is wrong with them named by its field."""

from base64 import b64encode
from typing import Any

import pytest
from anthropic_samples import BODY, called, said

from intertie.core.chat import (
    Chat,
    Document,
    Form,
    Hosted,
    Image,
    Media,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.anthropic_messages.both import INBOUND

OWN = "anthropic_messages"
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": [1, {"y": None}]}}
F = {"name": "f", "input_schema": {"type": "object"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def read(**changes: Any) -> Chat:
    assert INBOUND.read is not None
    return INBOUND.read(called(**changes))


def part(block: dict[str, Any], role: str = "user") -> object:
    return read(messages=said((role, [block]))).turns[0].parts[0]


def test_the_system_speaks_first_as_text_or_as_blocks() -> None:
    marked = {"type": "text", "text": "two", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}
    assert read(system="one").turns[0] == Turn("system", (Text("one"),))
    assert read(system=[marked]).turns[0] == Turn("system", (Text("two", "1h"),))


def test_the_system_may_speak_in_the_midst() -> None:
    turns = read(messages=said(("user", "hi"), ("system", "be brief"), ("assistant", "ok"))).turns
    assert [turn.role for turn in turns] == ["user", "system", "assistant"]


def test_calls_and_their_results_in_parallel() -> None:
    again = {**USE, "id": "toolu_2", "input": {}}
    seen = [{"type": "text", "text": "r"}, {"type": "image", "source": PNG}]
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": seen, "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "plain", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "and?"},
    ]
    turns = read(messages=said(("assistant", [USE, again]), ("user", results))).turns
    assert turns[0].parts == (ToolCall("toolu_1", "f", '{"x":[1,{"y":null}]}'), ToolCall("toolu_2", "f", "{}"))
    image = Image(Media(type="image/png", data="aGk="))
    failed = ToolResult("toolu_1", (Text("r"), image), failed=True)
    assert turns[1].parts == (failed, ToolResult("toolu_2", (Text("plain"),), mark="5m"), Text("and?"))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, Image(Media(url="https://x/y.png"))),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, Image(Media(file="file_1"))),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}, "title": "T"},
            Document(Media(type="text/plain", data=b64encode("é".encode()).decode()), "T"),
        ),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                "context": "C",
                "citations": {"enabled": True},
            },
            Document(Media(type="application/pdf", data="JVBERg=="), context="C", cite=True),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}] * 2}},
            Document(Media(type="text/plain", data=b64encode(b"a\n\na").decode())),
        ),
        (
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]},
            Document(Media(type="text/plain", data="YQ=="), "t", "s"),
        ),
    ],
)
def test_pictures_and_documents(block: dict[str, Any], expected: object) -> None:
    assert part(block) == expected


def test_what_earlier_answers_tell_beside_their_words_is_read_over() -> None:
    cited = [{"type": "char_location", "cited_text": "c", "document_index": 0}]
    assert part({"type": "text", "text": "a", "citations": cited}, "assistant") == Text("a")
    assert part({"type": "text", "text": "a", "citations": None}, "assistant") == Text("a")
    call = part({**USE, "caller": {"type": "direct"}}, "assistant")
    assert isinstance(call, ToolCall)
    blocks = [{"type": "image", "source": PNG, "transformations": {"oversized_image": "error"}}]
    assert list(read(messages=said(("user", blocks))).extras) == ["messages[0].content[0].transformations"]


def test_fact_12_signed_and_sealed_thoughts_are_kept_byte_by_byte() -> None:
    thinking = {"type": "thinking", "thinking": "Hm\u2028é", "signature": "EqQB+/=="}
    assert part(thinking, "assistant") == Reasoning("Hm\u2028é", "EqQB+/==", origin=OWN)
    sealed = {"type": "redacted_thinking", "data": "Em\n=="}
    assert part(sealed, "assistant") == Reasoning(sealed="Em\n==", origin=OWN)


def test_tools_of_the_callers_and_of_anthropics() -> None:
    mine = {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    chat = read(tools=[{**mine, "eager_input_streaming": True}, search])
    tool, hosted = chat.tools
    assert isinstance(tool, Tool) and isinstance(hosted, Hosted)
    assert (tool.name, tool.description, tool.strict) == ("f", "d", True)
    assert tool.schema is not None and bytes(tool.schema) == b'{"type":"object"}'
    assert (hosted.origin, hosted.kind) == (OWN, "web_search_20250305")
    assert b'"max_uses":3' in bytes(hosted.raw)


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("named", ("f",)), True),
        ({"type": "none"}, ToolChoice("none"), None),
    ],
)
def test_the_choice_of_tools(choice: dict[str, Any], expected: ToolChoice, parallel: bool | None) -> None:
    chat = read(tool_choice=choice)
    assert (chat.tool_choice, chat.parallel_tools) == (expected, parallel)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Thinking(on=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(on=True, budget=2048)),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            Thinking(on=True, adaptive=True, effort="max", visible=False),
        ),
        ({"output_config": {"effort": "low"}}, Thinking(effort="low")),
    ],
)
def test_how_much_is_to_be_thought(fields: dict[str, Any], expected: Thinking | None) -> None:
    assert read(**fields).thinking == expected


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_the_form_of_the_answer_old_and_new(field: str) -> None:
    told = {"type": "json_schema", "schema": {"type": "object"}}
    form = read(**{field: {"format": told} if field == "output_config" else told}).form
    assert isinstance(form, Form) and form.schema is not None
    assert (form.kind, form.strict, bytes(form.schema)) == ("schema", True, b'{"type":"object"}')


def test_the_other_fields() -> None:
    chat = read(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["END"],
        metadata={"user_id": "u"},
        service_tier="standard_only",
        stream=True,
    )
    assert chat.sampling == Sampling(temperature=0.5, top_p=0.9, top_k=5, stop=("END",))
    assert (chat.user, chat.tier, chat.stream, chat.max_output) == ("u", "default", True, 4096)
    assert read(speed="fast").tier == "fast"
    assert chat.spelled("max_output") == "max_tokens"


def test_what_only_anthropic_can_do_is_kept_under_its_path() -> None:
    strange = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    blocks = [{"type": "text", "text": "a"}, strange]
    chat = read(
        messages=said(("assistant", blocks)),
        tools=[{**F, "defer_loading": True, "input_examples": [{}], "allowed_callers": ["x"]}],
        container="c",
        inference_geo="us",
        thinking={"type": "between_tools"},
        output_config={"task_budget": {"total": 1}},
        service_tier=None,
    )
    assert chat.turns == (Turn("assistant", (Text("a"),)),)
    assert sorted(chat.extras) == [
        "container",
        "inference_geo",
        "messages[0].content[1]",
        "output_config.task_budget",
        "thinking.type",
        "tools[0].allowed_callers",
        "tools[0].defer_loading",
        "tools[0].input_examples",
    ]


def test_what_changes_no_answer_is_left_out() -> None:
    thoughts = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    chat = read(cache_control={"type": "ephemeral"}, diagnostics=None, context_management=thoughts, intertie={})
    assert chat.extras == {}
    assert "context_management" in read(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}).extras


RESULT = {"type": "tool_result", "tool_use_id": "toolu_9", "content": "r"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": said(("user", 7))}, "messages[0].content"),
        ({"messages": said(("user", [7]))}, "messages[0].content[0]"),
        ({"messages": said(("user", [{"type": "text"}]))}, "messages[0].content[0].text"),
        (
            {"messages": said(("user", "a"), ("assistant", [{"type": "text", "text": 1}]))},
            "messages[1].content[0].text",
        ),
        ({"messages": said(("user", [RESULT]))}, "messages[0].content[0].tool_use_id"),
        ({"messages": said(("user", [USE]))}, "messages[0].content[0]"),
        ({"messages": said(("assistant", [{**USE, "input": "x"}]))}, "messages[0].content[0].input"),
        ({"messages": said(("assistant", [{**USE, "id": ""}]))}, "messages[0].content[0].id"),
        (
            {"messages": said(("user", [{"type": "image", "source": {**PNG, "media_type": "image/tiff"}}]))},
            "messages[0].content[0].source.media_type",
        ),
        (
            {"messages": said(("user", [{"type": "image", "source": {"type": "ftp"}}]))},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": said(("user", [{"type": "document", "source": PNG}]))},
            "messages[0].content[0].source.media_type",
        ),
        ({"system": [USE]}, "system[0]"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f" * 300, "input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "extreme"}}, "output_config.effort"),
        ({"temperature": 1.5}, "temperature"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**change)
    assert caught.value.param == param
    assert param in caught.value.message


def test_a_field_that_is_not_known_lets_another_endpoint_try() -> None:
    with pytest.raises(Unsupported) as caught:
        read(messages=said(("user", [{"type": "text", "text": "a", "new": 1}])))
    assert caught.value.param == "messages[0].content[0]"


def test_a_conversation_of_many_messages_is_read_in_time() -> None:
    many = said(*[("user", "a"), ("assistant", "b")] * 5_000)
    assert len(read(messages=many).turns) == 10_000
    assert BODY["messages"] != many
