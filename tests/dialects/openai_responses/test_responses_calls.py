"""Calls of the Responses dialect in the words that all dialects share, and what is refused of them by name."""

import json
from typing import Any

import pytest

from intertie.core.chat import (
    Audio,
    Chat,
    Document,
    Form,
    Hosted,
    Image,
    Media,
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
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.sealing import SignedCall, seal

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"type": "function", "name": "f", "description": "does", "parameters": SCHEMA, "strict": True}
SIGNED = Reasoning("thought", "SIG", origin="anthropic_messages")


def chat(**fields: Any) -> Chat:
    return call_to_chat(peek("chat", json.dumps({"model": "m", "input": "hi", **fields}).encode()))


def turns(*items: Any, **fields: Any) -> tuple[Turn, ...]:
    return chat(input=list(items), **fields).turns


def refused(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        chat(**fields)
    return caught.value.param


def test_an_input_may_be_a_text_alone() -> None:
    read = chat(instructions="be kind", max_output_tokens=9, stream=True)
    assert read.turns == (Turn("system", (Text("be kind"),)), Turn("user", (Text("hi"),)))
    assert (read.model, read.max_output, read.stream, read.origin) == ("m", 9, True, "openai_responses")


def test_everything_that_can_be_shown_is_read() -> None:
    content = [
        {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
        {"type": "input_file", "file_data": "CCCC", "filename": "b.bin"},
        {"type": "input_file", "file_url": "https://x/c.pdf"},
        {"type": "input_audio", "input_audio": {"data": "DDDD", "format": "wav"}},
    ]
    (turn,) = turns({"role": "user", "content": content})
    assert turn.parts == (
        Text("look", "1h"),
        Image(Media(type="image/png", data="AAAA"), "low"),
        Image(Media(url="https://x/y.png"), "auto"),
        Image(Media(file="file-1")),
        Document(Media(type="application/pdf", data="BBBB"), "a.pdf"),
        Document(Media(data="CCCC"), "b.bin"),
        Document(Media(url="https://x/c.pdf")),
        Audio(Media(type="audio/wav", data="DDDD")),
    )


CONVERSATION = [
    {"type": "message", "role": "developer", "content": "rules"},
    {"role": "user", "content": "go"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "s"}],
        "encrypted_content": "gA=",
    },
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "ok", "annotations": []}, {"type": "refusal", "refusal": "no"}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin"},
    {"type": "function_call_output", "call_id": "c1", "output": "done"},
    {
        "type": "custom_tool_call_output",
        "call_id": "c2",
        "output": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "https://x/p.png"}],
    },
    {"role": "user", "content": "and?"},
]


def test_what_the_model_said_and_wanted_in_a_row_is_one_turn_and_so_are_the_results() -> None:
    thought = Reasoning("s", sealed="gA=", id="rs_1", summary=True, origin="openai_responses")
    calls = (ToolCall("c1", "f", "{}"), ToolCall("c2", "patch", "*** Begin", free=True))
    picture = Image(Media(url="https://x/p.png"))
    results = (ToolResult("c1", (Text("done"),), name="f"), ToolResult("c2", (Text("t"), picture), name="patch"))
    assert turns(*CONVERSATION) == (
        Turn("developer", (Text("rules"),)),
        Turn("user", (Text("go"),)),
        Turn("assistant", (thought, Text("ok"), Refusal("no"), *calls)),
        Turn("user", results),
        Turn("user", (Text("and?"),)),
    )


def test_a_reasoning_of_several_parts_keeps_them_apart_and_is_sealed_at_the_last() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "content": [{"type": "reasoning_text", "text": "c"}],
        "encrypted_content": "gAAA",
    }
    (turn,) = turns(item)
    assert [(part.text, part.summary, part.sealed) for part in turn.parts if isinstance(part, Reasoning)] == [
        ("a", True, ""),
        ("b", True, ""),
        ("c", False, "gAAA"),
    ]


def test_what_another_dialect_signed_comes_back_byte_by_byte_even_without_its_words() -> None:
    """Codex leaves the thoughts themselves out, and keeps `encrypted_content`."""
    (turn,) = turns({"type": "reasoning", "summary": [], "content": None, "encrypted_content": seal(SIGNED)})
    assert turn.parts == (SIGNED,)


def test_the_signature_of_a_call_finds_its_call() -> None:
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": seal(SignedCall("c1", "GEM"))}
    (turn,) = turns({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}, sealed)
    assert turn.parts == (ToolCall("c1", "f", "{}", signature="GEM"),)


def test_tools_of_the_caller_and_of_the_endpoint_are_told_apart() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    read = chat(
        tools=[
            FUNCTION,
            {"type": "function", "name": "g", "parameters": None, "strict": None},
            {"type": "custom", "name": "patch", "format": grammar},
            {"type": "web_search", "filters": {"allowed_domains": ["x.org"]}},
        ]
    )
    first, second, third, fourth = read.tools
    assert isinstance(first, Tool) and first.schema is not None and json.loads(bytes(first.schema)) == SCHEMA
    assert (first.name, first.description, first.strict) == ("f", "does", True)
    assert second == Tool(name="g")
    assert isinstance(third, Tool) and third.free and third.grammar is not None
    assert json.loads(bytes(third.grammar)) == grammar
    assert isinstance(fourth, Hosted) and (fourth.origin, fourth.kind) == ("openai_responses", "web_search")


@pytest.mark.parametrize(
    ("told", "choice"),
    [
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "patch"}, ToolChoice("named", ("patch",))),
    ],
)
def test_a_choice_of_tools_is_read(told: Any, choice: ToolChoice) -> None:
    assert chat(tools=[FUNCTION, {"type": "custom", "name": "patch"}], tool_choice=told).tool_choice == choice


def test_allowed_tools_are_the_tools_that_are_left() -> None:
    tools = [
        FUNCTION,
        {**FUNCTION, "name": "g"},
        {"type": "mcp", "server_label": "a"},
        {"type": "mcp", "server_label": "b"},
    ]
    allowed = [{"type": "mcp", "server_label": "b"}, {"type": "function", "name": "g"}]
    read = chat(tools=tools, tool_choice={"type": "allowed_tools", "mode": "required", "tools": allowed})
    assert read.tool_choice == ToolChoice("required")
    assert [tool.name if isinstance(tool, Tool) else bytes(tool.raw)[-4:] for tool in read.tools] == [b'"b"}', "g"]


def test_the_form_of_the_answer_and_how_it_is_made_are_read() -> None:
    form = {"type": "json_schema", "name": "out", "schema": SCHEMA, "strict": True}
    read = chat(
        text={"format": form, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto", "context": "auto", "mode": "standard"},
        temperature=0,
        top_p=0.5,
        top_logprobs=3,
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        parallel_tool_calls=False,
        service_tier="flex",
        prompt_cache_key="k",
        safety_identifier="u",
        metadata={"a": "b"},
        store=False,
    )
    assert read.form is not None and read.form.schema is not None
    assert (read.form.kind, read.form.name, read.form.strict) == ("schema", "out", True)
    assert json.loads(bytes(read.form.schema)) == SCHEMA
    assert read.thinking == Thinking(effort="high", summary="auto")
    assert read.sampling == Sampling(temperature=0.0, top_p=0.5, logprobs=True, top_logprobs=3)
    assert (read.parallel_tools, read.tier, read.cache_key, read.user) == (False, "flex", "k", "u")
    assert (read.metadata, read.store, read.verbosity) == ({"a": "b"}, False, "low")
    assert chat(text={"format": {"type": "json_object"}}).form == Form(kind="json")
    assert chat(text={"format": {"type": "text"}}).form is None


def test_what_says_nothing_leaves_nothing_behind() -> None:
    """Each of these is what a current SDK or agent sends; none asks for anything of the answer."""
    read = chat(
        instructions=None,
        tools=[],
        tool_choice="auto",
        truncation="disabled",
        background=False,
        metadata=None,
        reasoning=None,
        include=[],
        top_logprobs=0,
        user=None,
        prompt_cache_retention="24h",
        max_tool_calls=None,
        prompt_cache_options={"mode": "implicit"},
        stream_options={"include_obfuscation": False},
        conversation=None,
        context_management=None,
        intertie={"explain": True},
    )
    assert read.extras == {} and read.sampling == Sampling() and read.thinking is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"never_heard_of": 1}, "never_heard_of"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "input[0]"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{**FUNCTION, "async": True}]}, "tools[0].async"),
        ({"tools": [{**FUNCTION, "allowed_callers": ["programmatic"]}]}, "tools[0].allowed_callers"),
        (
            {"tools": [{"type": "mcp", "server_label": "a"}], "tool_choice": {"type": "mcp", "server_label": "a"}},
            "tool_choice",
        ),
    ],
)
def test_what_no_other_dialect_can_say_keeps_the_callers_own_name_for_it(fields: dict[str, Any], name: str) -> None:
    assert list(chat(**fields).extras) == [name]


def test_an_earlier_response_is_a_state_and_its_calls_may_be_answered() -> None:
    read = chat(
        previous_response_id="resp_1", input=[{"type": "function_call_output", "call_id": "c9", "output": "done"}]
    )
    assert read.state == "resp_1"
    assert read.turns == (Turn("user", (ToolResult("c9", (Text("done"),)),)),)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "function_call_output", "call_id": "c9", "output": "done"}, "input[0].call_id"),
        ({"type": "never_heard_of"}, "input[0].type"),
        ({}, "input[0].type"),
        (7, "input[0]"),
        ({"role": "robot", "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": [{"type": "input_text", "text": 5}]}, "input[0].content[0].text"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
        ({"role": "user", "content": [{"type": "video"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "output_text", "text": "x"}]}, None),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "input[0].content[0]"),
        ({"role": "assistant", "content": [{"type": "input_image", "file_id": "f"}]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0]"),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]},
            "input[0].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:text/html;base64,AAAA"}]},
            "input[0].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_id": "f", "file_url": "https://x"}]},
            "input[0].content[0]",
        ),
        ({"type": "function_call", "call_id": "", "name": "f", "arguments": "{}"}, "input[0].call_id"),
        (
            {"type": "reasoning", "summary": [], "encrypted_content": "intertie.reasoning.1:@@"},
            "input[0].encrypted_content",
        ),
    ],
)
def test_what_is_wrong_in_an_item_is_named(item: Any, param: str | None) -> None:
    if param is None:
        assert turns(item)  # words are words, whoever is said to have said them
    else:
        assert refused(input=[item]) == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": {}}, "tools"),
        ({"tools": [{**FUNCTION, "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {
                "tools": [FUNCTION],
                "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}]},
            },
            "tool_choice.tools[0]",
        ),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"temperature": 3}, "temperature"),
        ({"include": ["everything"]}, "include[0]"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"previous_response_id": ""}, "previous_response_id"),
    ],
)
def test_what_is_wrong_elsewhere_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields) == param


def test_the_words_of_the_caller_are_used_for_what_a_target_refuses() -> None:
    read = chat(safety_identifier="u")
    assert [read.spelled(name) for name in ("max_output", "form", "tier", "user", "top_k")] == [
        "max_output_tokens",
        "text.format",
        "service_tier",
        "safety_identifier",
        "top_k",
    ]


def test_extras_are_kept_as_they_came() -> None:
    assert bytes(chat(never_heard_of={"b": [1]}).extras["never_heard_of"]) == b'{"b": [1]}'
