"""What callers may wish for beside the words of a conversation, each in the words of every dialect that has some.

A wish is granted, so that it shows, or refused by the caller's own name for it; nothing is lost in silence.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matrix_cases import CLOCK, SEA, WEATHER, Cell
from matrix_words import Ask, Refused, Told, Tool

from intertie.sim.engine.journal import Entry

OPEN = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}
CLOSED = {**OPEN, "additionalProperties": False}
BOTH = "Use get_weather and get_time."
LONG = [{"type": "text", "text": "word " * 400, "cache_control": {"type": "ephemeral"}}]

Shows = Callable[[Told, Entry], bool]


def _done(told: Told, did: Entry) -> bool:
    return told.text.startswith("Simulated answer")


def _is_json(told: Told, did: Entry) -> bool:
    return isinstance(json.loads(told.text), dict)


def _called(*names: str) -> Shows:
    return lambda told, did: tuple(call.name for call in told.calls) == names


@dataclass(frozen=True)
class Wish:
    """`said` by dialect: the fields, and the name by which it is refused. `shows` whether it was granted."""

    said: Mapping[str, tuple[dict[str, Any], str]]
    shows: Shows = _done
    text: str = SEA
    tools: tuple[Tool, ...] = ()

    async def outcome(self, cell: Cell) -> str:
        """`yes`, or how it was refused."""
        more, name = self.said[cell.client.dialect]
        try:
            told = await cell.client.ask(Ask(cell.upstream, self.text, tools=self.tools, more=more))
        except Refused as refused:
            assert refused.status == 400 and name in (refused.field, *_quoted(refused.message)), refused
            return f"refused: `{name}`"
        assert self.shows(told, cell.world.did(told.request))
        return "yes"


def _quoted(message: str) -> list[str]:
    return message.replace("`", "'").split("'")[1::2]


def _everywhere(name: str, wire: str, value: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """A field of OpenAI's two dialects, of Anthropic's and of Gemini's `generationConfig`."""
    config = {"generationConfig": {wire: value}}
    plain = {"extra_body": {name: value}}
    return {
        "openai_chat": (plain, name), "openai_responses": (plain, name), "anthropic_messages": (plain, name),
        "gemini": (config, f"generationConfig.{wire}"),
    }  # fmt: skip


def _some(said: dict[str, tuple[dict[str, Any], str]], *dialects: str) -> dict[str, tuple[dict[str, Any], str]]:
    return {dialect: said[dialect] for dialect in dialects}


_CHAT_GEMINI = ("openai_chat", "gemini")
_FORCED = {"type": "function", "name": "get_time"}
_NONE = {"functionCallingConfig": {"mode": "NONE"}}
_ONLY = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_time"]}}
_TOOLS = {"text": BOTH, "tools": (WEATHER, CLOCK)}

WISHES: dict[str, Wish] = {
    "temperature below 1": Wish(_everywhere("temperature", "temperature", 0.5)),
    "temperature above 1": Wish(
        _some(_everywhere("temperature", "temperature", 1.5), "openai_chat", "openai_responses", "gemini")
    ),
    "top_p": Wish(_everywhere("top_p", "topP", 0.9)),
    "top_k": Wish(_some(_everywhere("top_k", "topK", 40), "openai_chat", "anthropic_messages", "gemini")),
    "stop texts": Wish(
        {
            "openai_chat": ({"stop": ["answer"]}, "stop"),
            "anthropic_messages": ({"stop_sequences": ["answer"]}, "stop_sequences"),
            "gemini": ({"generationConfig": {"stopSequences": ["answer"]}}, "generationConfig.stopSequences"),
        },
        lambda told, did: told.text == "Simulated " and told.stop == "end",
    ),
    "seed": Wish(_some(_everywhere("seed", "seed", 7), *_CHAT_GEMINI)),
    "penalties": Wish(_some(_everywhere("frequency_penalty", "frequencyPenalty", 0.5), *_CHAT_GEMINI)),
    "logit bias": Wish({"openai_chat": ({"logit_bias": {"50256": -100}}, "logit_bias")}),
    "several answers": Wish(
        {
            "openai_chat": ({"n": 2}, "n"),
            "gemini": ({"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        },
        lambda told, did: told.choices == 2,
    ),
    "log probabilities": Wish(
        {
            "openai_chat": ({"logprobs": True, "top_logprobs": 2}, "logprobs"),
            "openai_responses": ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, "include"),
            "gemini": (
                {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
                "generationConfig.responseLogprobs",
            ),
        },
        lambda told, did: told.chances == did.completion_tokens,
    ),
    "any JSON": Wish(
        {
            "openai_chat": ({"response_format": {"type": "json_object"}}, "response_format"),
            "openai_responses": ({"text": {"format": {"type": "json_object"}}}, "text.format"),
            "gemini": (
                {"generationConfig": {"responseMimeType": "application/json"}},
                "generationConfig.responseMimeType",
            ),
        },
        _is_json,
        "Tell me about the sea in JSON.",
    ),
    "a schema with what may be left out": Wish(
        {
            "openai_chat": (
                {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": OPEN}}},
                "response_format",
            ),
            "openai_responses": (
                {"text": {"format": {"type": "json_schema", "name": "x", "schema": OPEN, "strict": False}}},
                "text.format",
            ),
            "anthropic_messages": (
                {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
                "output_config.format",
            ),
            "gemini": (
                {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": OPEN}},
                "generationConfig.responseJsonSchema",
            ),
        },
        _is_json,
    ),
    "a tool forced": Wish(
        {
            "openai_chat": ({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, "tool_choice"),
            "openai_responses": ({"tool_choice": _FORCED}, "tool_choice"),
            "anthropic_messages": ({"tool_choice": {"type": "tool", "name": "get_time"}}, "tool_choice"),
            "gemini": ({"toolConfig": _ONLY}, "toolConfig.functionCallingConfig"),
        },
        _called("get_time"),
        SEA,
        (WEATHER, CLOCK),
    ),
    "no tool": Wish(
        {
            "openai_chat": ({"tool_choice": "none"}, "tool_choice"),
            "openai_responses": ({"tool_choice": "none"}, "tool_choice"),
            "anthropic_messages": ({"tool_choice": {"type": "none"}}, "tool_choice"),
            "gemini": ({"toolConfig": _NONE}, "toolConfig.functionCallingConfig"),
        },
        _called(),
        **_TOOLS,
    ),
    "one tool at most": Wish(
        {
            "openai_chat": ({"parallel_tool_calls": False}, "parallel_tool_calls"),
            "openai_responses": ({"parallel_tool_calls": False}, "parallel_tool_calls"),
            "anthropic_messages": (
                {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
                "tool_choice.disable_parallel_tool_use",
            ),
        },
        _called("get_weather"),
        **_TOOLS,
    ),
    "a budget of thoughts": Wish(
        {
            "anthropic_messages": ({"thinking": {"type": "enabled", "budget_tokens": 2_048}}, "thinking"),
            "gemini": (
                {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2_048}}},
                "generationConfig.thinkingConfig",
            ),
        },
        lambda told, did: did.reasoning_tokens > 0,
    ),
    "verbosity": Wish(
        {
            "openai_chat": ({"verbosity": "low"}, "verbosity"),
            "openai_responses": ({"text": {"verbosity": "low"}}, "text.verbosity"),
        }
    ),
    "tier `flex`": Wish(
        {
            "openai_chat": ({"service_tier": "flex"}, "service_tier"),
            "openai_responses": ({"service_tier": "flex"}, "service_tier"),
            "gemini": ({"serviceTier": "flex"}, "serviceTier"),
        },
        lambda told, did: did.tier == "flex",
    ),
    "a user's name": Wish(
        {
            "openai_chat": ({"user": "anna"}, "user"),
            "openai_responses": ({"user": "anna"}, "user"),
            "anthropic_messages": ({"metadata": {"user_id": "anna"}}, "metadata.user_id"),
        }
    ),
    "caching marks": Wish({"anthropic_messages": ({"system": LONG}, "system")}),
}
