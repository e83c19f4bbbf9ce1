"""What a model behind Bedrock signed comes home through a caller who speaks another dialect, byte by byte."""

import json

import pytest
from aws_samples import USAGE, written

from intertie.dialects.bedrock.body_to_answer import body_to_answer
from intertie.dialects.registry import INBOUND

BLOCKS = [
    {"reasoningContent": {"reasoningText": {"text": "hm ☃", "signature": "c2ln+/=="}}},
    {"reasoningContent": {"redactedContent": "AAEC/+=="}},
    {"text": "Let me see."},
    {"toolUse": {"toolUseId": "tooluse_a", "name": "weather", "input": {"city": "Rome"}}},
]
ANSWER = {"output": {"message": {"role": "assistant", "content": BLOCKS}}, "stopReason": "tool_use", "usage": USAGE}


def anthropic(answer: dict) -> dict:
    result = {"type": "tool_result", "tool_use_id": "tooluse_a", "content": "22"}
    said = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": [result]}]
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}, *said], "tools": [tool]}


def openai(answer: dict) -> dict:
    said = [answer["choices"][0]["message"], {"role": "tool", "tool_call_id": "tooluse_a", "content": "22"}]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}, *said], "tools": [tool]}


def responses(answer: dict) -> dict:
    result = {"type": "function_call_output", "call_id": "tooluse_a", "output": "22"}
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
    return {"model": "m", "input": [{"role": "user", "content": "hi"}, *answer["output"], result], "tools": [tool]}


@pytest.mark.parametrize(
    ("dialect", "first", "again"),
    [
        (
            "anthropic_messages",
            {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
            anthropic,
        ),
        ("openai_chat", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, openai),
        ("openai_responses", {"model": "m", "input": "hi", "include": ["reasoning.encrypted_content"]}, responses),
    ],
)
def test_thoughts_come_home(dialect: str, first: dict, again: object) -> None:
    """Wire fact 12."""
    inbound = INBOUND[dialect]
    assert inbound.write is not None
    assert inbound.read is not None
    told = inbound.write(
        body_to_answer(json.dumps(ANSWER).encode()), inbound.peek("chat", json.dumps(first).encode(), "")
    )
    call = inbound.peek("chat", json.dumps(again(json.loads(told))).encode(), "")
    assert written(inbound.read(call))["messages"][1] == {"role": "assistant", "content": BLOCKS}
