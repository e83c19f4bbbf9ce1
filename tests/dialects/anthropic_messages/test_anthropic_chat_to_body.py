"""Chats of other dialects written for an Anthropic endpoint, and what it has no way to say refused by name."""

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from anthropic_samples import CLAUDE, refusing

from intertie.core.chat import (
    Audio,
    Chat,
    Citation,
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
from intertie.core.endpoint import Endpoint
from intertie.core.faults import Unsupported
from intertie.dialects.anthropic_messages.both import OUTBOUND
from intertie.dialects.dialect import Cannot

HI = Turn("user", (Text("hi"),))
OLDER = msgspec.structs.replace(CLAUDE, upstream_model="claude-sonnet-4-5-20250929")
FOREIGN = msgspec.structs.replace(CLAUDE, upstream_model="glm-5")
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"x":{"type":"integer"}}}')
F = Tool(name="f", description="d", schema=SCHEMA)


def chat(*turns: Turn, **fields: Any) -> Chat:
    return Chat(**{"model": "m", "turns": turns or (HI,), "origin": "openai_chat", **fields})


def written(asked: Chat, endpoint: Endpoint = CLAUDE, cannot: Cannot | None = None) -> dict[str, Any]:
    assert OUTBOUND.write is not None
    return json.loads(OUTBOUND.write(asked, endpoint, cannot or refusing()))


def messages(*turns: Turn, endpoint: Endpoint = CLAUDE) -> list[dict[str, Any]]:
    return written(chat(*turns), endpoint)["messages"]


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_fact_12_a_limit_of_output_is_always_told() -> None:
    assert written(chat())["max_tokens"] == 32_000
    assert written(chat(max_output=7))["max_tokens"] == 7


def test_a_plain_chat() -> None:
    body = written(chat(Turn("system", (Text("be"),)), Turn("developer", (Text("brief", "1h"),)), HI, stream=True))
    brief = {**text("brief"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert body == {
        "model": "claude-opus-5",
        "max_tokens": 32_000,
        "system": [text("be"), brief],
        "messages": [{"role": "user", "content": [text("hi")]}],
        "stream": True,
    }


YES = Turn("assistant", (Text("yes"),))
LATER = Turn("system", (Text("later"),))


def test_the_system_keeps_its_place_where_the_model_and_the_speakers_allow_it() -> None:
    roles = [message["role"] for message in messages(HI, LATER, LATER, YES, HI, LATER)]
    assert roles == ["user", "system", "assistant", "user", "system"]
    for asked, endpoint in ((chat(HI, LATER, YES), OLDER), (chat(HI, YES, LATER, HI), CLAUDE)):
        body = written(asked, endpoint)
        assert body["system"] == [text("later")]
        assert "system" not in [message["role"] for message in body["messages"]]


def test_results_of_parallel_calls_become_one_message_and_come_first() -> None:
    called = Turn("assistant", (Text("let me"), ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "f", "")))
    failed = ToolResult("b", (Text("no"), Image(Media(type="image/png", data="aGk="))), failed=True)
    told = messages(HI, called, Turn("user", (Text("so"), ToolResult("a", (Text("1"),)))), Turn("user", (failed,)))
    assert told[1]["content"][1:] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    content = [text("no"), {"type": "image", "source": source}]
    assert told[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": [text("1")]},
        {"type": "tool_result", "tool_use_id": "b", "content": content, "is_error": True},
        text("so"),
    ]


def test_ids_that_anthropic_refuses_are_replaced_in_calls_and_results_alike() -> None:
    odd = "functions.f:0"
    told = messages(HI, Turn("assistant", (ToolCall(odd, "f", "{}"),)), Turn("user", (ToolResult(odd, ()),)))
    name = told[1]["content"][0]["id"]
    assert name.startswith("toolu_") and name == told[2]["content"][0]["tool_use_id"]


def test_arguments_that_are_no_object_are_wrapped() -> None:
    told = messages(HI, Turn("assistant", (ToolCall("a", "f", '{"x": '),)))
    assert told[1]["content"][0]["input"] == {"INVALID_JSON": '{"x": '}


def test_fact_12_thoughts_that_anthropic_signed_go_back_byte_by_byte_and_no_others() -> None:
    own, other = "anthropic_messages", "openai_responses"
    parts = (
        Reasoning("t\u2028", "EqQB+/==", origin=own),
        Reasoning(sealed="Em==", origin=own),
        Reasoning("unsigned", origin=own),
        Reasoning("foreign", "sig", "sealed", origin=other),
        Reasoning("nobody's"),
        Text("", citations=(Citation(url="u"),)),
        Refusal("No."),
    )
    assert messages(HI, Turn("assistant", parts))[1]["content"] == [
        {"type": "thinking", "thinking": "t\u2028", "signature": "EqQB+/=="},
        {"type": "redacted_thinking", "data": "Em=="},
        text("No."),
    ]


def b64(words: str) -> str:
    return b64encode(words.encode()).decode()


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (Image(Media(url="https://x/y"), "high"), {"type": "url", "url": "https://x/y"}),
        (
            Document(Media(type="application/pdf", data="JVBERg==")),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
        ),
        (
            Document(Media(type="text/csv", data=b64("a,é"))),
            {"type": "text", "media_type": "text/plain", "data": "a,é"},
        ),
        (Document(Media(url="https://x/y.pdf")), {"type": "url", "url": "https://x/y.pdf"}),
    ],
)
def test_pictures_and_documents(part: Image | Document, source: dict[str, str]) -> None:
    assert messages(Turn("user", (part,)))[0]["content"][0]["source"] == source


def test_what_is_asked_of_a_document() -> None:
    document = Document(Media(url="u"), "T", "C", cite=True, mark="5m")
    assert messages(Turn("user", (document,)))[0]["content"][0] == {
        "type": "document",
        "source": {"type": "url", "url": "u"},
        "title": "T",
        "context": "C",
        "citations": {"enabled": True},
        "cache_control": {"type": "ephemeral"},
    }


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": ToolChoice("auto")}, None),
        ({"tool_choice": ToolChoice("required")}, {"type": "any"}),
        ({"tool_choice": ToolChoice("none"), "parallel_tools": False}, {"type": "none"}),
        ({"tool_choice": ToolChoice("named", ("f",))}, {"type": "tool", "name": "f"}),
        ({"parallel_tools": True}, None),
        ({"parallel_tools": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools(fields: dict[str, Any], choice: dict[str, Any] | None) -> None:
    body = written(chat(tools=(F, Tool(name="g")), **fields))
    assert body.get("tool_choice") == choice
    assert [tool["name"] for tool in body["tools"]] == ["f", "g"]


def test_a_choice_among_several_leaves_out_the_others() -> None:
    tools = (F, Tool(name="g"), Tool(name="h"))
    body = written(chat(tools=tools, tool_choice=ToolChoice("named", ("f", "h"))))
    assert [tool["name"] for tool in body["tools"]] == ["f", "h"]
    assert body["tool_choice"] == {"type": "any"}


def test_the_schema_of_a_tool_says_that_it_is_one_of_an_object() -> None:
    tools = (F, Tool(name="g", strict=True, mark="5m"), Tool(name="h", schema=msgspec.Raw(b'{"properties":{}}')))
    first, second, third = written(chat(tools=tools))["tools"]
    assert first == {"name": "f", "description": "d", "input_schema": json.loads(bytes(SCHEMA))}
    empty = {"type": "object", "properties": {}}
    assert second == {"name": "g", "input_schema": empty, "strict": True, "cache_control": {"type": "ephemeral"}}
    assert third == {"name": "h", "input_schema": empty}


@dataclass(frozen=True)
class Case:
    endpoint: Endpoint
    thinking: Thinking
    body: dict[str, Any] | None
    effort: str | None = None


@pytest.mark.parametrize(
    "case",
    [
        Case(CLAUDE, Thinking(effort="high"), {"type": "adaptive"}, "high"),
        Case(CLAUDE, Thinking(effort="minimal"), {"type": "adaptive"}, "low"),
        Case(CLAUDE, Thinking(effort="none"), {"type": "disabled"}),
        Case(CLAUDE, Thinking(on=True, visible=True), {"type": "adaptive", "display": "summarized"}),
        Case(CLAUDE, Thinking(adaptive=True, visible=False), {"type": "adaptive", "display": "omitted"}),
        Case(CLAUDE, Thinking(on=False), {"type": "disabled"}),
        Case(CLAUDE, Thinking(), None),
        Case(
            OLDER,
            Thinking(effort="low", summary="auto"),
            {"type": "enabled", "budget_tokens": 2_000, "display": "summarized"},
        ),
        Case(OLDER, Thinking(on=True), {"type": "enabled", "budget_tokens": 5_000}),
        Case(OLDER, Thinking(budget=4_000), {"type": "enabled", "budget_tokens": 4_000}),
        Case(OLDER, Thinking(budget=0), {"type": "disabled"}),
        Case(FOREIGN, Thinking(effort="xhigh"), {"type": "enabled", "budget_tokens": 9_500}),
    ],
)
def test_thinking_takes_the_form_that_the_model_takes(case: Case) -> None:
    body = written(chat(max_output=10_000, thinking=case.thinking), case.endpoint)
    assert body.get("thinking") == case.body
    assert body.get("output_config", {}).get("effort") == case.effort


@pytest.mark.parametrize(
    ("endpoint", "thinking", "limit"),
    [
        (OLDER, Thinking(budget=1_023), 10_000),
        (OLDER, Thinking(budget=4_000), 4_000),
        (OLDER, Thinking(effort="high"), 1_024),
        (CLAUDE, Thinking(budget=4_000), 10_000),
    ],
)
def test_fact_12_a_budget_of_thinking_lies_between_1024_and_the_limit(
    endpoint: Endpoint, thinking: Thinking, limit: int
) -> None:
    with pytest.raises(Unsupported) as caught:
        written(chat(max_output=limit, thinking=thinking), endpoint)
    assert caught.value.param == "thinking"


def test_no_model_thinks_where_a_tool_is_forced() -> None:
    forced = {"tools": (F,), "tool_choice": ToolChoice("required")}
    with pytest.raises(Unsupported) as caught:
        written(chat(thinking=Thinking(effort="low"), **forced))
    assert caught.value.param == "thinking"
    assert written(chat(thinking=Thinking(effort="none"), **forced))["thinking"] == {"type": "disabled"}


def test_the_form_of_the_answer() -> None:
    body = written(chat(form=Form(kind="schema", name="n", description="D", schema=SCHEMA, strict=True)))
    schema = {"description": "D", **json.loads(bytes(SCHEMA)), "additionalProperties": False}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "output_config" not in written(chat(form=Form(kind="text")))


def test_sampling_and_the_rest() -> None:
    drawn = Sampling(temperature=0.5, top_p=0.9, top_k=3, stop=("a", "b"))
    body = written(chat(sampling=drawn, user="u", tier="default", cache_key="k", store=True, metadata={"a": "b"}))
    assert (body["temperature"], body["top_p"], body["top_k"], body["stop_sequences"]) == (0.5, 0.9, 3, ["a", "b"])
    assert (body["metadata"], body["service_tier"]) == ({"user_id": "u"}, "standard_only")
    assert written(chat(tier="fast"))["speed"] == "fast"


def test_what_is_the_rule_anyway_is_not_said() -> None:
    drawn = Sampling(temperature=1.0, top_p=1.0, frequency_penalty=0.0, logit_bias=msgspec.Raw(b"{}"))
    asked = chat(sampling=drawn, choices=1, tier="auto", modalities=("text",), verbosity="medium")
    assert set(written(asked)) == {"model", "max_tokens", "messages"}


AUDIO = Audio(Media(type="audio/wav", data="AAAA"))
MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"sampling": Sampling(seed=0)}, "seed"),
    ({"sampling": Sampling(frequency_penalty=0.5)}, "frequency_penalty"),
    ({"sampling": Sampling(presence_penalty=-1.0)}, "presence_penalty"),
    ({"sampling": Sampling(logit_bias=msgspec.Raw(b'{"1":2}'))}, "logit_bias"),
    ({"sampling": Sampling(logprobs=True)}, "logprobs"),
    ({"sampling": Sampling(temperature=1.5)}, "temperature"),
    ({"choices": 2}, "choices"),
    ({"modalities": ("text", "audio")}, "modalities"),
    ({"verbosity": "low"}, "verbosity"),
    ({"state": "resp_1"}, "state"),
    ({"tier": "flex"}, "tier"),
    ({"form": Form(kind="json")}, "form"),
    ({"tools": (Tool(name="f", free=True),)}, "tools"),
    ({"tools": (Tool(name="f", schema=msgspec.Raw(b"true")),)}, "tools"),
    ({"tools": (Hosted("openai_responses", "web_search", msgspec.Raw(b"{}")),)}, "tools"),
    ({"extras": {"prediction": msgspec.Raw(b"{}")}}, "prediction"),
    ({"turns": (Turn("user", (Text("a"),), "ann"),)}, "name"),
    ({"turns": (Turn("user", (AUDIO,)),)}, "turns"),
    ({"turns": (Turn("system", (Image(Media(url="u")),)),)}, "turns"),
    ({"turns": (Turn("user", (Image(Media(type="image/tiff", data="AA==")),)),)}, "turns"),
    ({"turns": (Turn("user", (Image(Media(file="file-1")),)),)}, "turns"),
    ({"turns": (Turn("user", (Document(Media(type="application/zip", data="AA==")),)),)}, "turns"),
    ({"turns": (Turn("user", (Document(Media(type="text/plain", data="/w==")),)),)}, "turns"),
]


@pytest.mark.parametrize(("fields", "name"), MISFITS)
def test_fact_21_what_cannot_be_said_is_refused_in_the_callers_words(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        written(chat(**fields), cannot=Cannot("anthropic_messages", {name: f"their_{name}"}, drop=False))
    assert caught.value.param == f"their_{name}"


@pytest.mark.parametrize(("fields", "name"), MISFITS)
def test_fact_21_or_left_out_and_told_where_the_route_says_so(fields: dict[str, Any], name: str) -> None:
    cannot = Cannot("anthropic_messages", {}, drop=True)
    written(chat(**fields), cannot=cannot)
    assert cannot.dropped == [name]
