"""Chats, written for Converse."""

import json

import pytest
from aws_samples import CLAUDE, LLAMA, assistant, chat, dropped, user, written
from msgspec import Raw
from msgspec.structs import replace

from intertie.core.chat import (
    Form,
    Hosted,
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
)  # fmt: skip
from intertie.core.faults import InvalidRequest, Unsupported

SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
WEATHER = Tool(name="weather", description="The weather", schema=Raw(SCHEMA.encode()))
TIME = Tool(name="time")
CALLED = (
    user("Weather in Rome?"),
    assistant(Text(""), ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "time", "")),
    Turn("user", (ToolResult("call_1", (Text("22°"),)),)),
    Turn("user", (Text("And?"), ToolResult("call_2", (), failed=True))),
)


def test_the_system_stands_before_all_and_speakers_take_turns() -> None:
    asked = chat(
        Turn("system", (Text("Be kind."),)), "a", "b", assistant("c", Refusal("No.")), assistant(" "),
        Turn("developer", (Text("Be brief."),)), "d",
    )  # fmt: skip
    assert written(asked) == {
        "system": [{"text": "Be kind."}, {"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [{"text": "c"}, {"text": "No."}]},
            {"role": "user", "content": [{"text": "d"}]},
        ],
    }


def test_tools_calls_and_results_are_written() -> None:
    body = written(chat(*CALLED, tools=(WEATHER, replace(TIME, strict=True))))
    empty = {"type": "object", "properties": {}}
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "The weather",
                    "inputSchema": {"json": json.loads(SCHEMA)},
                }
            },
            {"toolSpec": {"name": "time", "strict": True, "inputSchema": {"json": empty}}},
        ]
    }
    assert body["messages"][1]["content"] == [
        {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Rome"}}},
        {"toolUse": {"toolUseId": "call_2", "name": "time", "input": {}}},
    ]
    assert body["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "call_1", "content": [{"text": "22°"}]}},
        {"toolResult": {"toolUseId": "call_2", "content": [], "status": "error"}},
        {"text": "And?"},
    ]


def test_ids_that_bedrock_refuses_are_replaced_alike_in_calls_and_results() -> None:
    long = "call|" + "x" * 80
    body = written(chat(assistant(ToolCall(long, "a", "{}")), user(ToolResult(long, ())), tools=(TIME,)))
    ids = [body["messages"][0]["content"][0]["toolUse"], body["messages"][1]["content"][0]["toolResult"]]
    assert ids[0]["toolUseId"] == ids[1]["toolUseId"] != long
    assert len(ids[0]["toolUseId"]) <= 64


@pytest.mark.parametrize(
    ("choice", "names", "chosen"),
    [
        (ToolChoice(), ["weather", "time"], None),
        (ToolChoice("required"), ["weather", "time"], {"any": {}}),
        (ToolChoice("named", ("time",)), ["weather", "time"], {"tool": {"name": "time"}}),
        (ToolChoice("named", ("time", "weather")), ["weather", "time"], {"any": {}}),
        (ToolChoice("named", ("time", "date")), ["time"], {"any": {}}),
    ],
)
def test_tools_are_chosen(choice: ToolChoice, names: list[str], chosen: object) -> None:
    config = written(chat(tools=(WEATHER, TIME), tool_choice=choice))["toolConfig"]
    assert [one["toolSpec"]["name"] for one in config["tools"]] == names
    assert config.get("toolChoice") == chosen


def test_no_tool_is_to_be_called_where_none_is_named() -> None:
    asked = chat(tools=(WEATHER,), tool_choice=ToolChoice("none"))
    assert "toolConfig" not in written(asked)
    with pytest.raises(Unsupported) as refused:
        written(chat(*CALLED, tools=(WEATHER,), tool_choice=ToolChoice("none")))
    assert refused.value.param == "tool_choice"


def test_tools_that_were_called_must_be_declared() -> None:
    with pytest.raises(Unsupported) as refused:
        written(chat(*CALLED))
    assert refused.value.param == "tools"
    body, names = dropped(chat(*CALLED))
    assert names == ["tools"]
    assert [one["toolSpec"]["name"] for one in body["toolConfig"]["tools"]] == ["weather", "time"]


def test_signed_and_sealed_thoughts_go_back_byte_by_byte_and_others_not_at_all() -> None:
    """Wire fact 12."""
    thoughts = (
        Reasoning("hm ☃\n", "c2ln+/==", origin="bedrock"),
        Reasoning(sealed="AAEC/+==", origin="bedrock"),
        Reasoning("unsigned", origin="bedrock"),
        Reasoning("foreign", "sig", origin="anthropic_messages"),
        Reasoning("nobody's"),
    )
    assert written(chat("a", assistant(*thoughts, "b"), "c"))["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm ☃\n", "signature": "c2ln+/=="}}},
        {"reasoningContent": {"redactedContent": "AAEC/+=="}},
        {"text": "b"},
    ]


def test_caching_marks_become_points_behind_what_is_kept() -> None:
    result = ToolResult("t", (Text("x", mark="5m"), Text("y", mark="1h")))
    system = Turn("system", (Text("s", mark="1h"),))
    turns = (user(Text("a", mark="5m")), assistant(ToolCall("t", "time", "{}", mark="5m")), user("b", result))
    asked = chat(system, *turns, tools=(replace(TIME, mark="1h"),))
    body, hour, five = written(asked), {"type": "default", "ttl": "1h"}, {"type": "default"}
    assert body["system"] == [{"text": "s"}, {"cachePoint": hour}]
    assert body["toolConfig"]["tools"][1:] == [{"cachePoint": hour}]
    assert body["messages"][0]["content"][1:] == [{"cachePoint": five}]
    assert body["messages"][1]["content"][1:] == [{"cachePoint": five}]
    assert [next(iter(block)) for block in body["messages"][2]["content"]] == ["toolResult", "cachePoint", "text"]
    assert "cachePoint" not in json.dumps(written(asked, LLAMA))


def test_sampling_and_limits_are_written() -> None:
    drawn = Sampling(temperature=0.5, top_p=0.9, stop=("###",), top_k=5)
    assert written(chat(sampling=drawn, max_output=99)) | {"messages": []} == {
        "messages": [],
        "inferenceConfig": {"maxTokens": 99, "temperature": 0.5, "topP": 0.9, "stopSequences": ["###"]},
        "additionalModelRequestFields": {"top_k": 5},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    ones = chat(sampling=Sampling(temperature=1, top_p=1))
    assert "inferenceConfig" not in written(ones)
    assert written(ones, LLAMA)["inferenceConfig"] == {"temperature": 1, "topP": 1}


@pytest.mark.parametrize(
    ("model", "thinking", "fields", "effort"),
    [
        ("claude-sonnet-4-5", Thinking(on=True, budget=2_000), {"type": "enabled", "budget_tokens": 2_000}, None),
        ("claude-opus-4-7", Thinking(on=True, adaptive=True), {"type": "adaptive"}, None),
        ("claude-opus-4-7", Thinking(effort="high"), {"type": "adaptive"}, "high"),
        ("claude-opus-4-7", Thinking(on=False), {"type": "disabled"}, None),
        ("gpt-oss-120b", Thinking(effort="high"), None, "high"),
    ],
)
def test_thinking_is_asked_for(model: str, thinking: Thinking, fields: object, effort: str | None) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    body = written(chat(thinking=thinking), replace(CLAUDE, model=model, upstream_model=arn))
    assert body.get("additionalModelRequestFields", {}).get("thinking") == fields
    assert body.get("outputConfig", {}).get("effort") == effort
    budget = isinstance(fields, dict) and "budget_tokens" in fields
    assert body.get("inferenceConfig", {}).get("maxTokens") == (8_192 if budget else None)


def test_json_of_a_schema_is_asked_for() -> None:
    body = written(chat(form=Form(kind="schema", name="n", schema=Raw(SCHEMA.encode()), strict=True)))
    closed = SCHEMA[:-1] + ',"additionalProperties":false}'
    schema = {"schema": closed, "name": "n"}
    assert body["outputConfig"] == {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def test_tiers_and_converses_own_fields_pass() -> None:
    extras = {
        "guardrailConfig": Raw(b'{"guardrailIdentifier":"g","guardrailVersion":"1"}'),
        "performanceConfig": Raw(b'{"latency":"optimized"}'),
        "additionalModelRequestFields": Raw(b'{"anthropic_beta":["x"]}'),
    }
    body = written(chat(tier="flex", extras=extras, sampling=Sampling(top_k=3), tools=(TIME,), parallel_tools=False))
    assert body["serviceTier"] == {"type": "flex"}
    assert body["guardrailConfig"] == {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["additionalModelRequestFields"] == {
        "anthropic_beta": ["x"],
        "top_k": 3,
        "tool_choice": {"disable_parallel_tool_use": True},
    }
    with pytest.raises(InvalidRequest) as refused:
        written(chat(extras={"additionalModelRequestFields": Raw(b"[1]")}))
    assert refused.value.param == "additionalModelRequestFields"


@pytest.mark.parametrize(
    ("field", "asked", "endpoint"),
    [
        ("n", {"choices": 2}, CLAUDE),
        ("seed", {"sampling": Sampling(seed=0)}, CLAUDE),
        ("top_k", {"sampling": Sampling(top_k=3)}, LLAMA),
        ("temperature", {"sampling": Sampling(temperature=1.5)}, CLAUDE),
        ("frequency_penalty", {"sampling": Sampling(frequency_penalty=0.1)}, CLAUDE),
        ("presence_penalty", {"sampling": Sampling(presence_penalty=-0.1)}, CLAUDE),
        ("logit_bias", {"sampling": Sampling(logit_bias=Raw(b'{"1":2}'))}, CLAUDE),
        ("logprobs", {"sampling": Sampling(logprobs=True)}, CLAUDE),
        ("response_format", {"form": Form(kind="json")}, CLAUDE),
        ("modalities", {"modalities": ("text", "audio")}, CLAUDE),
        ("voice", {"voice": Raw(b'{"voice":"alloy"}')}, CLAUDE),
        ("verbosity", {"verbosity": "low"}, CLAUDE),
        ("state", {"state": "resp_1"}, CLAUDE),
        ("tier", {"tier": "scale"}, CLAUDE),
        ("thinking", {"thinking": Thinking(on=True, budget=2_000)}, LLAMA),
        ("thinking", {"thinking": Thinking(effort="minimal")}, LLAMA),
        ("parallel_tools", {"parallel_tools": False, "tools": (TIME,)}, LLAMA),
        ("tools", {"tools": (Hosted("openai_responses", "web_search", Raw(b"{}")),)}, CLAUDE),
        ("tools", {"tools": (Tool(name="shell", free=True),)}, CLAUDE),
        ("prediction", {"extras": {"prediction": Raw(b"{}")}}, CLAUDE),
        ("name", {"turns": (Turn("user", (Text("x"),), name="bob"),)}, CLAUDE),
    ],
)
def test_what_converse_cannot_say_is_refused_by_name_or_noted(field: str, asked: dict, endpoint: object) -> None:
    """Wire fact 21: refused, or dropped where the route says so; never silently."""
    one = replace(chat(), spelling={"choices": "n", "form": "response_format"}, **asked)
    with pytest.raises(Unsupported) as refused:
        written(one, endpoint)
    assert refused.value.param == field
    assert dropped(one, endpoint)[1] == [field]


def test_hints_and_what_is_the_rule_anyway_are_left_out_without_a_word() -> None:
    drawn = Sampling(frequency_penalty=0, presence_penalty=0.0, logit_bias=Raw(b"{}"))
    hints = {
        "user": "u",
        "metadata": {"a": "b"},
        "cache_key": "k",
        "store": True,
        "tier": "auto",
        "verbosity": "medium",
    }
    assert written(chat("a", sampling=drawn, parallel_tools=True, **hints)) == written(chat("a"))
