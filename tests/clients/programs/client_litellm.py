"""LiteLLM's SDK, speaking OpenAI's and Anthropic's dialect to the gateway."""

import json

import litellm
import pytest
from litellm_client import ask, ask_as_anthropic
from pydantic import BaseModel
from stage import CALL, CALLS, NAMES, PLACE, QUESTION, each_model

KINDS = {"chat": ask, "messages": ask_as_anthropic}
each_kind = pytest.mark.parametrize("kind", KINDS)
TOOLS = [{"type": "function", "function": {"name": name, "parameters": PLACE}} for name in NAMES]


class City(BaseModel):
    name: str
    population: int


def said(text):
    return [{"role": "user", "content": text}]


@each_kind
@each_model
def test_plain(kind, model):
    answer = KINDS[kind](model, messages=said(QUESTION))
    assert answer.choices[0].message.content and answer.usage.completion_tokens > 0


@each_kind
@each_model
def test_stream(kind, model):
    chunks = list(KINDS[kind](model, messages=said(QUESTION), stream=True))
    whole = KINDS[kind](model, messages=said(QUESTION)).choices[0].message.content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


@each_kind
@each_model
@pytest.mark.parametrize(("question", "names"), [(CALL, NAMES[:1]), (CALLS, NAMES)], ids=["one", "parallel"])
def test_tools(kind, model, question, names):
    message = KINDS[kind](model, messages=said(question), tools=TOOLS).choices[0].message
    assert [call.function.name for call in message.tool_calls] == names
    assert all(set(json.loads(call.function.arguments)) == {"city"} for call in message.tool_calls)
    results = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in message.tool_calls]
    answer = KINDS[kind](model, messages=[*said(question), message.model_dump(), *results], tools=TOOLS)
    assert answer.choices[0].message.content


@each_kind
@each_model
def test_structured(kind, model):
    answer = KINDS[kind](model, messages=said(QUESTION), response_format=City)
    assert City.model_validate_json(answer.choices[0].message.content)


@each_kind
def test_unknown_models(kind):
    with pytest.raises(litellm.NotFoundError):
        KINDS[kind]("nobody", messages=said(QUESTION))
