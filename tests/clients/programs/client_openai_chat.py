"""OpenAI's SDK for Python, speaking chat completions."""

import json

import openai
import pytest
from openai_client import client
from pydantic import BaseModel
from stage import CALL, CALLS, NAMES, PLACE, QUESTION, each_model

TOOLS = [{"type": "function", "function": {"name": name, "parameters": PLACE}} for name in NAMES]


class City(BaseModel):
    name: str
    population: int


def ask(model, question, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], **more)


@each_model
def test_plain(model):
    answer = ask(model, QUESTION, temperature=0.2, max_completion_tokens=400)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


@each_model
def test_stream(model):
    chunks = list(ask(model, QUESTION, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = ask(model, QUESTION)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 3


@each_model
def test_tools(model):
    message = ask(model, CALL, tools=TOOLS).choices[0].message
    (call,) = message.tool_calls
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    turns = [{"role": "user", "content": CALL}, message, result]
    answer = client.chat.completions.create(model=model, messages=turns, tools=TOOLS)
    assert answer.choices[0].message.content


@each_model
def test_parallel(model):
    with client.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": CALLS}], tools=TOOLS
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.name for call in message.tool_calls] == NAMES
    assert all(json.loads(call.function.arguments)["city"] for call in message.tool_calls)
    results = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in message.tool_calls]
    calls = [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls]
    turns = [{"role": "user", "content": CALLS}, {"role": "assistant", "tool_calls": calls}, *results]
    assert client.chat.completions.create(model=model, messages=turns, tools=TOOLS).choices[0].message.content


@each_model
def test_structured(model):
    turns = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.parse(model=model, messages=turns, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


@each_model
def test_errors(model):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(model, QUESTION, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "no_such_tool"}})
    assert "tool" in refused.value.message and refused.value.param.startswith("tool_choice")


@each_model
def test_leaving(model):
    stream = ask(model, QUESTION + " {{sim tokens=2000}}", stream=True)
    next(iter(stream))
    stream.close()


def test_unknown_models():
    with pytest.raises(openai.NotFoundError) as refused:
        ask("nobody", QUESTION)
    assert refused.value.code == "model_not_found"


def test_list():
    assert "openai_chat" in [one.id for one in client.models.list()]
