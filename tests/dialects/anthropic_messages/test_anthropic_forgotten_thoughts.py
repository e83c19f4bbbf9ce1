"""Callers who keep words and calls of an answer alone, while the model is to think within a budget."""

import json
from typing import Any

import pytest
from anthropic_samples import CLAUDE
from msgspec.structs import replace

from intertie.core.chat import Chat, Reasoning, Text, Thinking, Tool, ToolCall, ToolResult, Turn
from intertie.core.endpoint import Endpoint
from intertie.dialects.anthropic_messages.chat_to_body import chat_to_body
from intertie.dialects.bedrock.chat_to_body import chat_to_body as to_converse
from intertie.dialects.dialect import Cannot

OLDER = replace(CLAUDE, upstream_model="claude-sonnet-4-5", max_output=8_192)
BEHIND_AWS = replace(OLDER, upstream_model="anthropic.claude-sonnet-4-5-v1:0", dialect="bedrock")
ASKED, CALLED = Turn("user", (Text("Weather?"),)), ToolCall("c1", "get_weather", "{}")
ANSWERED = Turn("user", (ToolResult("c1", (Text("sun"),)),))


def written(endpoint: Endpoint, *turns: Turn) -> tuple[Any, list[str]]:
    """The thinking that an endpoint is asked for, and what was left out."""
    chat = Chat(
        model="m",
        turns=turns,
        origin="openai_chat",
        tools=(Tool(name="get_weather"),),
        thinking=Thinking(effort="low"),
        spelling={"thinking": "effort"},
    )
    cannot = Cannot(endpoint.dialect, chat.spelling, drop=False)
    write = to_converse if endpoint.dialect == "bedrock" else chat_to_body
    body = json.loads(write(chat, endpoint, cannot))
    return body.get("additionalModelRequestFields", body).get("thinking"), cannot.dropped


@pytest.mark.parametrize("endpoint", [OLDER, BEHIND_AWS])
def test_a_turn_that_lost_its_thoughts_goes_on_without_thinking_and_says_so(endpoint: Endpoint) -> None:
    """Else the endpoint refuses: "Expected `thinking` or `redacted_thinking`, but found `tool_use`"."""
    assert written(endpoint, ASKED, Turn("assistant", (CALLED,)), ANSWERED) == (None, ["effort"])


@pytest.mark.parametrize("endpoint", [OLDER, BEHIND_AWS])
def test_what_was_signed_elsewhere_counts_as_lost(endpoint: Endpoint) -> None:
    thought = Reasoning("Hm.", "sig", origin="gemini")
    assert written(endpoint, ASKED, Turn("assistant", (thought, CALLED)), ANSWERED) == (None, ["effort"])


@pytest.mark.parametrize("endpoint", [OLDER, BEHIND_AWS])
def test_thoughts_that_came_back_go_on(endpoint: Endpoint) -> None:
    thought = Reasoning("Hm.", "sig", origin="bedrock" if endpoint is BEHIND_AWS else "anthropic_messages")
    thinking, dropped = written(endpoint, ASKED, Turn("assistant", (thought, CALLED)), ANSWERED)
    assert thinking["type"] == "enabled" and not dropped


@pytest.mark.parametrize("endpoint", [OLDER, BEHIND_AWS])
def test_a_new_question_is_thought_about_whatever_came_before(endpoint: Endpoint) -> None:
    done = (ASKED, Turn("assistant", (CALLED,)), ANSWERED, Turn("assistant", (Text("Sun."),)), ASKED)
    thinking, dropped = written(endpoint, *done)
    assert thinking["type"] == "enabled" and not dropped


def test_newer_models_think_all_the_same() -> None:
    thinking, dropped = written(CLAUDE, ASKED, Turn("assistant", (CALLED,)), ANSWERED)
    assert thinking["type"] == "adaptive" and not dropped
