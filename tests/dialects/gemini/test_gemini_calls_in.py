"""Calls of Gemini's dialect in everybody's words."""

import json
from typing import Any

import pytest
from gemini_samples import HELLO, called, chatted

from intertie.core.chat import (
    Audio,
    Document,
    Form,
    Hosted,
    Image,
    Media,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.gemini.call_to_chat import call_to_chat


def said(*parts: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return chatted(contents=[{"role": role, "parts": list(parts)}]).turns[0].parts


def test_turns_and_the_instruction_keep_their_order() -> None:
    chat = chatted(
        systemInstruction={"parts": [{"text": "Be brief."}]},
        contents=[{"parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Yes?"}]}],
    )
    assert chat.turns == (
        Turn("system", (Text("Be brief."),)),
        Turn("user", (Text("Hi"),)),
        Turn("assistant", (Text("Yes?"),)),
    )


@pytest.mark.parametrize("inline", ["inlineData", "inline_data"])
def test_bytes_become_what_their_type_says(inline: str) -> None:
    kinds = {"image/png": Image, "audio/wav": Audio, "application/pdf": Document, "text/plain": Document}
    for kind, part in kinds.items():
        assert said({inline: {"mime_type": kind, "data": "AA=="}}) == (part(Media(type=kind, data="AA==")),)


def test_an_address_anyone_can_fetch_is_told_from_a_file_that_google_keeps() -> None:
    url = {"fileData": {"fileUri": "https://h/x.png", "mimeType": "image/png"}}
    kept = {"fileData": {"fileUri": "gs://bucket/x.pdf", "mimeType": "application/pdf"}}
    upload = "https://generativelanguage.googleapis.com/v1beta/files/1"
    uploaded = {"fileData": {"fileUri": upload, "mimeType": "audio/mp3"}}
    assert said(url, kept, uploaded) == (
        Image(Media(type="image/png", url="https://h/x.png")),
        Document(Media(type="application/pdf", file="gs://bucket/x.pdf")),
        Audio(Media(type="audio/mp3", file=upload)),
    )


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"inlineData": {"mimeType": "video/mp4", "data": "AA=="}}, "inlineData"),
        ({"fileData": {"fileUri": "https://youtu.be/x"}}, "fileData"),
        ({"inlineData": {"mimeType": "image/png"}}, "inlineData"),
        ({"executableCode": {"code": "1"}}, "executableCode"),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, "codeExecutionResult"),
        ({"toolCall": {"toolType": "GOOGLE_MAPS"}}, "toolCall"),
        ({"text": "x", "videoMetadata": {"fps": 1}}, "videoMetadata"),
        ({"functionResponse": {"name": "f", "response": {}}}, "functionResponse"),
        ({"functionCall": {"name": "f"}}, "functionCall"),
        ({"text": 3}, "text"),
        ({"neverHeard": 3}, ""),
        ({}, ""),
    ],
)
def test_a_part_that_cannot_be_read_or_said_is_refused_by_its_place(part: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        said({"text": "before"}, part)
    assert refused.value.param == f"contents[0].parts[1].{param}".rstrip(".")


def test_a_role_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        chatted(contents=[{"role": "system", "parts": []}])
    assert refused.value.param == "contents[0].role"


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"some_arg": 1}, **more}}


def result(name: str, response: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response, **more}}


def test_calls_without_ids_get_them_from_their_place_and_results_find_them_by_name_and_order() -> None:
    chat = chatted(
        contents=[
            {"role": "model", "parts": [call("f"), call("g"), call("f")]},
            {"role": "function", "parts": [result("f", {"output": "1"}), result("g", {"error": "no"})]},
            {"role": "user", "parts": [result("f", {"a": 1})]},
        ]
    )
    calls, first, second = (turn.parts for turn in chat.turns)
    assert calls == tuple(
        ToolCall(f"call_0_{place}", name, '{"some_arg":1}') for place, name in enumerate(("f", "g", "f"))
    )
    assert first == (
        ToolResult("call_0_0", (Text("1"),), name="f"),
        ToolResult("call_0_1", (Text("no"),), failed=True, name="g"),
    )
    assert second == (ToolResult("call_0_2", (Text('{"a":1}'),), name="f"),)


def test_results_find_calls_by_id_where_they_have_one() -> None:
    turns = chatted(
        contents=[
            {"role": "model", "parts": [call("f", id="a"), call("f", id="b")]},
            {"role": "user", "parts": [result("f", {"output": [2]}, id="b"), result("f", {"output": "1"}, id="a")]},
        ]
    ).turns
    assert [part.call for part in turns[1].parts if isinstance(part, ToolResult)] == ["b", "a"]
    assert turns[1].parts[0] == ToolResult("b", (Text("[2]"),), name="f")


@pytest.mark.parametrize("answer", [result("f", {}, id="never"), result("g", {}), result("f", {}, id="a")])
def test_a_result_without_its_call_is_refused(answer: dict[str, Any]) -> None:
    contents = [
        {"role": "model", "parts": [call("f", id="a")]},
        {"role": "user", "parts": [result("f", {}, id="a"), answer]},
    ]
    with pytest.raises(InvalidRequest) as refused:
        chatted(contents=contents)
    assert refused.value.param == "contents[1].parts[1].functionResponse"


def test_a_result_may_hold_pictures() -> None:
    shot = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    turns = chatted(
        contents=[
            {"role": "model", "parts": [call("f")]},
            {"role": "user", "parts": [result("f", {"output": "see"}, parts=[shot])]},
        ]
    ).turns
    assert turns[1].parts == (
        ToolResult("call_0_0", (Text("see"), Image(Media(type="image/png", data="AA=="))), name="f"),
    )


def test_thoughts_come_together_with_their_signature_and_texts_keep_theirs_beside_them() -> None:
    parts = said(
        {"text": "one ", "thought": True},
        {"text": "two", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Answer", "thoughtSignature": "b3RoZXI="},
        {**call("f"), "thought_signature": "Y2FsbA=="},
        role="model",
    )
    assert parts == (
        Reasoning("one two", "c2ln", summary=True, origin="gemini"),
        Text("Answer"),
        Reasoning("", "b3RoZXI=", summary=True, origin="gemini"),
        ToolCall("call_0_4", "f", '{"some_arg":1}', signature="Y2FsbA=="),
    )


def test_what_a_model_said_in_pieces_is_one_text_and_empty_pieces_are_none() -> None:
    pieces = [{"text": "He"}, {"text": "llo"}, {"text": ""}, call("f"), {"text": ""}]
    assert said(*pieces, role="model") == (Text("Hello"), ToolCall("call_0_3", "f", '{"some_arg":1}'))
    assert said({"text": "one"}, {"text": "two"}) == (Text("one"), Text("two"))
    assert chatted(contents=[{"role": "model", "parts": [{"text": ""}]}]).turns == ()


def test_many_pieces_and_many_calls_are_read_in_good_time() -> None:
    thoughts = [{"text": "x" * 10, "thought": True}] * 20_000
    calls = [call(f"f{place}") for place in range(10_000)]
    results = [result(f"f{place}", {}) for place in reversed(range(10_000))]
    chat = chatted(
        contents=[{"role": "model", "parts": thoughts + calls}, {"role": "user", "parts": results}],
    )
    assert len(chat.turns[1].parts) == 10_000


def test_tools_and_their_schemas_are_read_from_both_kinds_of_schema() -> None:
    subset = {
        "type": "OBJECT",
        "properties": {
            "when": {"type": "STRING", "format": "enum", "enum": ["now", "later"], "nullable": True},
            "many": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1}, "minItems": "2"},
            "any_of": {"any_of": [{"type": "NUMBER"}, {"ref": "#/defs/p"}], "nullable": True},
        },
        "property_ordering": ["many"],
        "defs": {"p": {"type": "STRING", "example": "x"}},
        "additionalProperties": False,
    }
    plain = {"type": "object", "patternProperties": {"^some_key": {"const": 1}}}
    declared = [
        {"name": "f", "description": "d", "parameters": subset},
        {"name": "g", "parameters_json_schema": plain, "responseJsonSchema": {}},
    ]
    chat = chatted(tools=[{"function_declarations": declared}, {"google_search": {"x_y": 1}}, {"codeExecution": {}}])
    f, g, search, code = chat.tools
    assert isinstance(f, Tool) and f.schema is not None and isinstance(g, Tool) and g.schema is not None
    schema = json.loads(bytes(f.schema))
    assert list(schema["properties"]) == ["many", "when", "any_of"]
    assert schema == {
        "type": "object",
        "properties": {
            "many": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
            "when": {"type": ["string", "null"], "enum": ["now", "later", None]},
            "any_of": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/p"}, {"type": "null"}]},
        },
        "$defs": {"p": {"type": "string", "examples": ["x"]}},
        "additionalProperties": False,
    }
    assert json.loads(bytes(g.schema)) == plain
    assert isinstance(search, Hosted) and (search.kind, bytes(search.raw)) == (
        "googleSearch",
        b'{"googleSearch":{"x_y": 1}}',
    )
    assert isinstance(code, Hosted) and code.origin == "gemini"


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"type": "OBJECT", "properties": {"a": {"type": "TUPLE"}}}, ".properties.a.type"),
        ({"type": "OBJECT", "properties": {"a": {"oneOf": []}}}, ".properties.a"),
        ({"items": []}, ".items"),
    ],
)
def test_a_schema_that_gemini_has_not_is_refused_by_its_place(schema: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chatted(tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}])
    assert refused.value.param == f"tools[0].functionDeclarations[0].parameters{param}"


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY", "allowed_function_names": ["f"]}, ToolChoice("named", ("f",))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("auto", ("f",))),
        ({}, None),
    ],
)
def test_every_way_to_choose_tools_is_read(config: dict[str, Any], choice: ToolChoice | None) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    chat = chatted(tools=tools, toolConfig={"functionCallingConfig": config})
    assert chat.tool_choice == choice
    assert chat.tools == (Tool(name="f", strict=True if config.get("mode") == "VALIDATED" else None),)


def test_the_configuration_is_read() -> None:
    chat = chatted(
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "top_k": 40,
            "stopSequences": ["END"],
            "seed": 7,
            "frequencyPenalty": 0.1,
            "presence_penalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "maxOutputTokens": "9",
            "responseModalities": ["TEXT", "IMAGE"],
            "responseMimeType": "application/json",
        },
        service_tier="standard",
    )
    drawn = chat.sampling
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.stop, drawn.seed) == (0.5, 0.9, 40, ("END",), 7)
    assert (drawn.frequency_penalty, drawn.presence_penalty, drawn.logprobs, drawn.top_logprobs) == (0.1, 0.2, True, 3)
    assert (chat.max_output, chat.modalities, chat.form, chat.tier) == (
        9,
        ("text", "image"),
        Form(kind="json"),
        "default",
    )


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinkingBudget": 0}, Thinking(on=False)),
        ({"thinking_budget": -1, "include_thoughts": True}, Thinking(on=True, adaptive=True, visible=True)),
        ({"thinkingBudget": 512}, Thinking(on=True, budget=512)),
        ({"thinkingLevel": "HIGH"}, Thinking(effort="high")),
    ],
)
def test_thinking_is_read(config: dict[str, Any], thinking: Thinking) -> None:
    assert chatted(generationConfig={"thinkingConfig": config}).thinking == thinking


def test_what_has_no_place_is_an_extra_under_its_own_path() -> None:
    chat = chatted(
        safety_settings=[],
        cachedContent="c/1",
        generationConfig={"mediaResolution": "LOW", "temperature": 1},
        toolConfig={
            "retrievalConfig": {},
            "functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True},
        },
    )
    assert chat.extras.keys() == {
        "safetySettings",
        "cachedContent",
        "generationConfig.mediaResolution",
        "toolConfig.retrievalConfig",
        "toolConfig.functionCallingConfig.streamFunctionCallArguments",
    }
    assert chat.spelled("max_output") == "generationConfig.maxOutputTokens"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOON"}}}, "toolConfig.functionCallingConfig.mode"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]},
            "tools[0].functionDeclarations[0].behavior",
        ),
    ],
)
def test_what_only_gemini_takes_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        chatted(**change)
    assert refused.value.param == param


def test_a_field_in_both_spellings_is_refused_as_deep_as_the_api_goes() -> None:
    part = {"inlineData": {"mimeType": "image/png", "mime_type": "image/jpeg", "data": "AA=="}}
    with pytest.raises(InvalidRequest) as refused:
        call_to_chat(called({"contents": [{"parts": [part]}]}))
    assert refused.value.param == "contents[0].parts[0].inlineData.mimeType"


def test_what_is_the_callers_own_is_never_respelled() -> None:
    chat = chatted(
        contents=[
            *HELLO["contents"],
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": {"c_d": 1}}}}]},
        ]
    )
    assert chat.turns[1].parts == (ToolCall("call_1_0", "f", '{"a_b":{"c_d": 1}}'),)
