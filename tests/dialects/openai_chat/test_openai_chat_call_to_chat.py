"""Calls of OpenAI-speaking callers, read into chats."""

import json

import pytest
from openai_chat_samples import HI, called, tool_call

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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_chat.call_to_chat import call_to_chat


def read(*messages: object, **fields: object) -> Chat:
    return call_to_chat(called(messages=messages or (HI,), **fields))


def user(*parts: object) -> dict[str, object]:
    return {"role": "user", "content": parts}


def test_roles_names_and_plain_content_become_turns() -> None:
    messages = [{"role": role, "content": role, "name": "n"} for role in ("system", "developer", "user", "assistant")]
    assert read(*messages).turns == tuple(Turn(str(one["role"]), (Text(str(one["role"])),), "n") for one in messages)


def test_an_empty_content_has_no_parts() -> None:
    assert read(HI, {"role": "assistant", "content": ""}, {"role": "assistant", "content": None}).turns[1:] == (
        Turn("assistant", ()),
        Turn("assistant", ()),
    )


def test_what_users_show_is_read_by_value_by_reference_and_by_id() -> None:
    turn = read(
        user(
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"file_data": "https://x/a.pdf"}},
        )
    ).turns[0]
    assert turn.parts == (
        Text("look"),
        Image(Media(url="https://x/y.png"), "low"),
        Image(Media(type="image/png", data="AA==")),
        Audio(Media(type="audio/mpeg", data="AA==")),
        Document(Media(type="application/pdf", data="AA=="), "a.pdf"),
        Document(Media(file="file-1")),
        Document(Media(url="https://x/a.pdf")),
    )


def test_tool_messages_in_a_row_become_one_turn_in_their_order() -> None:
    turns = read(
        HI,
        {"role": "assistant", "content": None, "tool_calls": [tool_call("1"), tool_call("2", "g", '{"a":1}')]},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
        {"role": "user", "content": "and?"},
    ).turns
    assert turns[1:] == (
        Turn("assistant", (ToolCall("1", "f", "{}"), ToolCall("2", "g", '{"a":1}'))),
        Turn("user", (ToolResult("2", (Text("two"),), name="g"), ToolResult("1", (Text("one"),), name="f"))),
        Turn("user", (Text("and?"),)),
    )


def test_a_tool_may_show_pictures_and_its_message_may_be_marked() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    result = {"role": "tool", "tool_call_id": "1", "content": [picture], "cache_control": {"type": "ephemeral"}}
    turns = read(HI, {"role": "assistant", "tool_calls": [tool_call("1")]}, result).turns
    assert turns[2].parts == (ToolResult("1", (Image(Media(type="image/png", data="AA==")),), name="f", mark="5m"),)


def test_old_functions_get_ids_of_their_place() -> None:
    chat = read(
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "4"},
        functions=[{"name": "f", "description": "d", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    assert chat.turns[1].parts == (ToolCall("call_1", "f", "{}"),)
    assert chat.turns[2].parts == (ToolResult("call_1", (Text("4"),), name="f"),)
    assert (chat.tool_choice, chat.parallel_tools) == (ToolChoice("named", ("f",)), False)
    assert chat.spelled("tools") == "functions"
    assert isinstance(tool := chat.tools[0], Tool)
    assert tool.schema is not None
    assert (tool.name, tool.description, bytes(tool.schema)) == ("f", "d", b'{"type":"object"}')


def test_free_tools_keep_their_grammar_and_what_the_endpoint_runs_stays_as_it_came() -> None:
    chat = read(
        tools=[
            {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {
                "syntax": "lark", "definition": "start: x"}}}},
            {"type": "openrouter:search", "x": 1},
        ],
        tool_choice={"type": "custom", "custom": {"name": "c"}},
    )  # fmt: skip
    free, hosted = chat.tools
    assert isinstance(free, Tool)
    assert free.free
    assert free.grammar is not None
    assert json.loads(bytes(free.grammar)) == {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    assert isinstance(hosted, Hosted)
    assert (hosted.kind, json.loads(bytes(hosted.raw))) == ("openrouter:search", {"type": "openrouter:search", "x": 1})
    assert chat.tool_choice == ToolChoice("named", ("c",))


def test_a_choice_among_allowed_tools_leaves_only_those() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "abc"]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "b"}}]}
    chat = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert (chat.tools, chat.tool_choice) == ((Tool(name="b"),), ToolChoice("required"))


def test_marks_are_read_wherever_they_are_put() -> None:
    ephemeral = {"type": "ephemeral"}
    hour = {"type": "ephemeral", "ttl": "1h"}
    chat = read(
        {"role": "system", "content": "rules", "cache_control": hour},
        user({"type": "text", "text": "a", "cache_control": ephemeral}, {"type": "text", "text": "b"}),
        user({"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit"}}),
        tools=[
            {"type": "function", "function": {"name": "f"}, "cache_control": ephemeral},
            {"type": "function", "function": {"name": "g", "cache_control": hour}},
        ],
    )
    assert chat.turns[0].parts == (Text("rules", "1h"),)
    assert chat.turns[1].parts == (Text("a", "5m"), Text("b"))
    assert chat.turns[2].parts == (Text("c", "5m"),)
    assert [tool.mark for tool in chat.tools if isinstance(tool, Tool)] == ["5m", "1h"]


def test_signed_thoughts_come_back_with_their_origin_even_in_fragments() -> None:
    def detail(kind: str, index: int, **fields: object) -> dict[str, object]:
        return {"type": f"reasoning.{kind}", "index": index, "format": "anthropic-claude-v1", **fields}

    details = [
        detail("text", 0, text="I th"),
        detail("text", 0, text="ink"),
        detail("text", 0, signature="sig=="),
        detail("encrypted", 1, data="sealed=="),
        {"type": "reasoning.server_tool_call", "index": 2},
    ]
    message = {"role": "assistant", "content": "x", "reasoning_content": "I think", "reasoning_details": details}
    assert read(HI, message).turns[1].parts == (
        Reasoning("I think", "sig==", origin="anthropic_messages"),
        Reasoning(sealed="sealed==", origin="anthropic_messages"),
        Text("x"),
    )


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_plain_thoughts_are_nobodys(field: str) -> None:
    turn = read(HI, {"role": "assistant", "content": "x", field: "hm"}).turns[1]
    assert turn.parts == (Reasoning("hm"), Text("x"))


def test_refusals_sounds_pictures_and_signatures_of_the_assistant_are_read() -> None:
    signed = tool_call("1") | {"extra_content": {"google": {"thought_signature": "s"}}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = read(
        HI,
        {"role": "assistant", "refusal": "no", "audio": {"id": "audio_1"}, "images": [picture], "tool_calls": [signed]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "never"}]},
    ).turns
    assert parts[1].parts == (
        Refusal("no"),
        Audio(Media(), id="audio_1"),
        Image(Media(type="image/png", data="AA==")),
        ToolCall("1", "f", "{}", signature="s"),
    )
    assert parts[2].parts == (Refusal("never"),)


def test_parameters_find_their_places() -> None:
    chat = read(
        max_completion_tokens=9, n=2, seed=7, stop="x", temperature=0.5, top_p=0.9, top_k=5, logprobs=True,
        top_logprobs=3, logit_bias={"1": 5}, frequency_penalty=0.1, presence_penalty=0.2, service_tier="flex",
        safety_identifier="u", user="old", prompt_cache_key="k", metadata={"a": "b"}, store=True, verbosity="low",
        modalities=["text", "audio"], audio={"voice": "alloy", "format": "mp3"}, parallel_tool_calls=False,
    )  # fmt: skip
    sampling = chat.sampling
    assert (chat.max_output, chat.choices, chat.tier, chat.user, chat.cache_key) == (9, 2, "flex", "u", "k")
    assert (chat.metadata, chat.store, chat.verbosity, chat.parallel_tools) == ({"a": "b"}, True, "low", False)
    assert (sampling.seed, sampling.stop, sampling.temperature) == (7, ("x",), 0.5)
    assert (sampling.top_p, sampling.top_k) == (0.9, 5)
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 3)
    assert (sampling.frequency_penalty, sampling.presence_penalty) == (0.1, 0.2)
    assert sampling.logit_bias is not None
    assert chat.voice is not None
    assert (chat.modalities, bytes(sampling.logit_bias)) == (("text", "audio"), b'{"1":5}')
    assert (chat.spelled("max_output"), chat.spelled("user")) == ("max_completion_tokens", "safety_identifier")


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"reasoning_effort": "high"}, Thinking(effort="high")),
        ({"reasoning_effort": "none"}, Thinking(on=False, effort="none")),
        ({"reasoning": {"max_tokens": 99, "exclude": True}}, Thinking(budget=99, visible=False)),
        ({"reasoning": {"enabled": True, "effort": "low"}}, Thinking(on=True, effort="low")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(on=True, budget=2048)),
        ({"thinking": {"type": "disabled"}}, Thinking(on=False)),
        ({"thinking": {"type": "adaptive"}}, Thinking(on=True, adaptive=True)),
    ],
)
def test_how_much_is_to_be_thought_is_read_in_every_spelling(
    fields: dict[str, object], thinking: Thinking | None
) -> None:
    assert read(**fields).thinking == thinking


@pytest.mark.parametrize(
    ("told", "form"),
    [
        ({"type": "text"}, Form()),
        ({"type": "json_object"}, Form(kind="json")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "strict": True}},
            Form(kind="schema", name="n", description="d", strict=True),
        ),
    ],
)
def test_the_form_of_the_answer_is_read(told: object, form: Form) -> None:
    assert read(response_format=told).form == form


def test_what_has_no_place_is_an_extra_and_nothing_is_one_for_nothing() -> None:
    chat = read(prediction={"type": "content", "content": "x"}, min_p=0.1, web_search_options=None, intertie={},
                stream_options={"include_usage": True}, stream=True, usage={"include": True})  # fmt: skip
    assert {name: json.loads(bytes(raw)) for name, raw in chat.extras.items()} == {
        "prediction": {"type": "content", "content": "x"},
        "min_p": 0.1,
    }


BAD = [
    (user({"type": "image_url", "image_url": "https://x"}), "messages[1].content[0].image_url"),
    (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), "messages[1].content[0].image_url.url"),
    (user({"type": "image_url", "image_url": {"url": "data:image/png,x"}}), "messages[1].content[0].image_url.url"),
    (
        user({"type": "image_url", "image_url": {"url": "data:text/html;base64,AA"}}),
        "messages[1].content[0].image_url.url",
    ),
    (user({"type": "video_url", "video_url": {"url": "https://x"}}), "messages[1].content[0].type"),
    (user({"type": "text"}), "messages[1].content[0].text"),
    (
        user({"type": "input_audio", "input_audio": {"data": "", "format": "midi"}}),
        "messages[1].content[0].input_audio.format",
    ),
    (user({"type": "file", "file": {}}), "messages[1].content[0].file"),
    (user({"type": "file", "file": {"file_data": "AA=="}}), "messages[1].content[0].file.file_data"),
    ({"role": "tool", "tool_call_id": "nobody", "content": "x"}, "messages[1].tool_call_id"),
    ({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
    ({"role": "function", "name": "f", "content": "x"}, "messages[1].name"),
    ({"role": "wizard", "content": "x"}, "messages[1].role"),
    ({"role": "user"}, "messages[1].content"),
    ({"role": "assistant", "tool_calls": [tool_call("")]}, "messages[1].tool_calls[0].id"),
    ({"role": "assistant", "tool_calls": [tool_call("i" * 5000)]}, "messages[1].tool_calls[0].id"),
]


@pytest.mark.parametrize(("message", "param"), BAD, ids=[param for _, param in BAD])
def test_a_message_that_is_wrong_is_refused_by_its_place(message: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(HI, message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"tools": [{"function": {}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice.function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"functions": [], "function_call": {"name": "f"}}, "function_call.name"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param
