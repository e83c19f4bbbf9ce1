"""Chats of any origin as bodies for Gemini and Vertex."""

from typing import Any

import msgspec
import pytest
from gemini_samples import endpoint, written

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
from intertie.core.faults import InvalidRequest, Unsupported

HI = Turn("user", (Text("Hi"),))


def chat(*turns: Turn, **fields: Any) -> Chat:
    return Chat(model="public", turns=turns or (HI,), origin="openai_chat", spelling={"turns": "messages"}, **fields)


def said(*parts: Part, role: Any = "user") -> list[Any]:
    return written(chat(Turn(role, parts)))["contents"][0]["parts"]


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def test_instructions_stand_together_wherever_they_were_given() -> None:
    body = written(chat(Turn("system", (Text("A"),)), HI, Turn("developer", (Text("B"),)), HI))
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}] * 2


def test_an_instruction_alone_is_no_conversation() -> None:
    with pytest.raises(Unsupported) as refused:
        written(chat(Turn("system", (Text("A"),))))
    assert refused.value.param == "messages"


def test_calls_and_their_results_keep_ids_names_and_signatures() -> None:
    calls = (ToolCall("a", "f", '{"x": 1.0}', signature="c2ln"), ToolCall("b", "g", ""))
    answers = (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("x"), Text("y")), failed=True))
    body = written(
        chat(HI, Turn("assistant", (Text(""), *calls)), Turn("user", answers[:1]), Turn("user", answers[1:]))
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"x": 1.0}, "id": "a"}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "g", "args": {}, "id": "b"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "1"}, "id": "a"}},
                {"functionResponse": {"name": "g", "response": {"error": "x\ny"}, "id": "b"}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-3-pro", "skip_thought_signature_validator"),
        ("gemini-2.5-pro", None),
        ("gemini-4", "skip_thought_signature_validator"),
    ],
)
def test_a_call_that_another_model_made_is_marked_so_where_signatures_are_wanted(
    model: str, signature: str | None
) -> None:
    turn = Turn("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")))
    first, second = written(chat(HI, turn), endpoint(model))["contents"][1]["parts"]
    assert first.get("thoughtSignature") == signature
    assert "thoughtSignature" not in second


def test_vertex_goes_by_name_and_order() -> None:
    turns = (HI, Turn("assistant", (ToolCall("a", "f", "{}"),)), Turn("user", (ToolResult("a", (Text("1"),)),)))
    body = written(chat(*turns), endpoint("gemini-2.5-pro", "vertex"))
    assert body["contents"][1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert body["contents"][2]["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]


def test_a_result_without_its_call_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        said(ToolResult("a", (Text("1"),)))
    assert refused.value.param == "messages"


def test_thoughts_go_back_to_gemini_alone_byte_by_byte() -> None:
    mine = Reasoning("thought", "c2ln+/=", origin="gemini")
    parts = said(
        mine,
        Reasoning("unsigned", origin="gemini"),
        Reasoning("", "dGV4dA==", origin="vertex"),
        Reasoning("theirs", "x", origin="anthropic_messages"),
        Reasoning("nobody's"),
        Text("Answer"),
        role="assistant",
    )
    assert parts == [
        {"text": "thought", "thought": True, "thoughtSignature": "c2ln+/="},
        {"text": "unsigned", "thought": True},
        {"text": "", "thoughtSignature": "dGV4dA=="},
        {"text": "Answer"},
    ]


def test_media_go_by_value_or_by_address() -> None:
    assert said(
        Image(Media(type="image/png", data="AA=="), detail="high"),
        Image(Media(url="https://h/a.JPG?x=1")),
        Image(Media(url="https://h/a")),
        Audio(Media(type="audio/wav", data="AA==")),
        Audio(Media(), transcript="earlier", id="audio_1"),
        Document(Media(type="application/pdf", file="gs://b/x"), title="x.pdf"),
        Refusal("No."),
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"fileData": {"fileUri": "https://h/a.JPG?x=1", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "https://h/a"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        {"text": "earlier"},
        {"fileData": {"fileUri": "gs://b/x", "mimeType": "application/pdf"}},
        {"text": "No."},
    ]


def test_a_tools_picture_stands_beside_its_words() -> None:
    shot = Image(Media(type="image/png", data="AA=="))
    turns = (HI, Turn("assistant", (ToolCall("a", "f", "{}"),)), Turn("user", (ToolResult("a", (Text("see"), shot)),)))
    answer = written(chat(*turns))["contents"][2]["parts"][0]["functionResponse"]
    assert answer["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]


@pytest.mark.parametrize(
    "part",
    [
        Image(Media(file="file-1")),
        Audio(Media(), id="audio_1"),
        Document(Media(type="application/pdf", data="AA=="), cite=True),
        ToolCall("a", "f", "not json"),
        ToolCall("a", "f", "[1]"),
        ToolCall("a", "f", "free", free=True),
    ],
)
def test_a_part_that_gemini_cannot_be_told_is_refused_or_noted(part: Part) -> None:
    turn = Turn("assistant" if isinstance(part, ToolCall) else "user", (part, Text("x")))
    with pytest.raises(Unsupported) as refused:
        written(chat(turn))
    assert refused.value.param == "messages"
    assert written(chat(turn), drop=True)["contents"][0]["parts"][-1] == {"text": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"sampling": Sampling(logit_bias=raw("{}"))}, "logit_bias"),
        ({"parallel_tools": False, "tools": (Tool(name="f"),)}, "parallel_tools"),
        ({"verbosity": "low"}, "verbosity"),
        ({"voice": raw("{}")}, "voice"),
        ({"state": "resp_1"}, "state"),
        ({"tier": "scale"}, "tier"),
        ({"thinking": Thinking(effort="xhigh")}, "thinking"),
        ({"tools": (Tool(name="f", free=True),)}, "tools"),
        ({"tools": (Hosted("openai_responses", "web_search", raw("{}")),)}, "tools"),
        ({"modalities": ("video",)}, "modalities"),
        ({"extras": {"prediction": raw("{}")}}, "prediction"),
        ({"turns": (Turn("user", (Text("x"),), "anna"),)}, "messages"),
    ],
)
def test_a_parameter_that_gemini_has_not_is_refused_or_dropped(fields: dict[str, Any], param: str) -> None:
    one = msgspec.structs.replace(chat(), **fields)
    with pytest.raises(Unsupported) as refused:
        written(one)
    assert refused.value.param == param
    assert "contents" in written(one, drop=True)


def test_what_alters_nothing_is_left_out_without_a_word() -> None:
    hints = {"user": "u", "metadata": {"a": "b"}, "cache_key": "k", "verbosity": "medium", "tier": "auto"}
    assert written(chat(**hints, parallel_tools=True)).keys() == {"contents"}
    assert written(chat(store=False))["store"] is False
    assert "store" not in written(chat(store=False), endpoint("m", "vertex"))


def test_tools_go_with_their_schemas_untouched() -> None:
    schema = raw('{"type":"object","properties":{"a_b":{"oneOf":[{"const":1}]}},"additionalProperties":false}')
    search = Hosted("gemini", "googleSearch", raw('{"googleSearch":{}}'))
    tools = (Tool(name="f", description="d", schema=schema), Tool(name="g"), search)
    assert written(chat(tools=tools))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": msgspec.json.decode(schema)},
                {"name": "g"},
            ]
        },
        {"googleSearch": {}},
    ]


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice("auto"), None, {"mode": "AUTO"}),
        (ToolChoice("none"), True, {"mode": "NONE"}),
        (ToolChoice("required"), None, {"mode": "ANY"}),
        (ToolChoice("required", ("f",)), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("named", ("f",)), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", ("f",)), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_every_way_to_choose_tools_has_its_mode(
    choice: ToolChoice | None, strict: bool | None, config: dict[str, Any] | None
) -> None:
    body = written(chat(tools=(Tool(name="f", strict=strict),), tool_choice=choice))
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})


def test_sampling_limits_and_tiers_have_their_fields() -> None:
    sampling = Sampling(
        temperature=0.0, top_p=1.0, top_k=4, stop=("END",), seed=0, frequency_penalty=0.5, logprobs=True, top_logprobs=2
    )
    body = written(chat(sampling=sampling, max_output=5, choices=2, tier="flex", modalities=("text", "audio")))
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "topP": 1.0,
        "topK": 4,
        "stopSequences": ["END"],
        "seed": 0,
        "frequencyPenalty": 0.5,
        "responseLogprobs": True,
        "logprobs": 2,
        "maxOutputTokens": 5,
        "candidateCount": 2,
        "responseModalities": ["TEXT", "AUDIO"],
    }
    assert body["serviceTier"] == "flex"
    assert written(chat(tier="default"))["serviceTier"] == "standard"


def test_forms_keep_their_schema_and_lend_it_their_description() -> None:
    schema = raw('{"type":"object"}')
    form = written(chat(form=Form(kind="schema", name="n", description="What", schema=schema)))["generationConfig"]
    assert form == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "What", "type": "object"},
    }
    assert written(chat(form=Form(kind="json")))["generationConfig"] == {"responseMimeType": "application/json"}
    assert "generationConfig" not in written(chat(form=Form()))


@pytest.mark.parametrize(
    ("thinking", "older", "newer"),
    [
        (Thinking(effort="low"), {"thinkingBudget": 1024}, {"thinkingLevel": "LOW"}),
        (Thinking(effort="high", visible=True), {"thinkingBudget": 24576}, {"thinkingLevel": "HIGH"}),
        (Thinking(effort="none"), {"thinkingBudget": 0}, {"thinkingBudget": 0}),
        (Thinking(on=False), {"thinkingBudget": 0}, {"thinkingBudget": 0}),
        (Thinking(on=True, budget=2048), {"thinkingBudget": 2048}, {"thinkingBudget": 2048}),
        (Thinking(budget=2048, effort="medium"), {"thinkingBudget": 2048}, {"thinkingLevel": "MEDIUM"}),
        (Thinking(on=True, adaptive=True), {"thinkingBudget": -1}, None),
        (Thinking(summary="auto"), {"includeThoughts": True}, {"includeThoughts": True}),
    ],
)
def test_thinking_is_asked_for_in_the_way_of_the_model(
    thinking: Thinking, older: dict[str, Any], newer: dict[str, Any] | None
) -> None:
    shown = {"includeThoughts": True} if thinking.visible else {}
    for model, wanted in (("gemini-2.5-flash", older), ("gemini-3-flash", newer)):
        config = written(chat(thinking=thinking), endpoint(model)).get("generationConfig", {})
        assert config.get("thinkingConfig") == (wanted and wanted | shown)


def test_geminis_own_extras_return_to_their_places() -> None:
    extras = {
        "safetySettings": raw("[]"),
        "generationConfig.mediaResolution": raw('"LOW"'),
        "contents.x": raw("1"),
    }
    body = written(msgspec.structs.replace(chat(extras=extras), origin="gemini"))
    assert (body["safetySettings"], body["contents.x"]) == ([], 1)
    assert body["generationConfig"] == {"mediaResolution": "LOW"}
