"""OpenAI's SDK for Python, speaking Responses."""

import json

import openai
import pytest
from openai_client import client
from pydantic import BaseModel
from stage import CALL, CALLS, NAMES, PLACE, QUESTION, each_model

TOOLS = [{"type": "function", "name": name, "parameters": PLACE, "strict": False} for name in NAMES]


class City(BaseModel):
    name: str
    population: int


def ask(model, question, **more):
    return client.responses.create(model=model, input=question, store=False, **more)


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def results_for(calls):
    return [{"type": "function_call_output", "call_id": call.call_id, "output": "ok"} for call in calls]


@each_model
def test_plain(model):
    answer = ask(model, QUESTION, instructions="Be short.", max_output_tokens=400)
    assert answer.output_text and answer.status == "completed"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


@each_model
def test_stream(model):
    with client.responses.stream(model=model, input=QUESTION, store=False) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    whole = ask(model, QUESTION)
    assert text == final.output_text == whole.output_text
    assert final.usage.output_tokens == whole.usage.output_tokens


@each_model
def test_tools(model):
    answer = ask(model, CALL, tools=TOOLS)
    (call,) = calls_of(answer)
    assert call.name == "get_weather" and set(json.loads(call.arguments)) == {"city"}
    turns = [{"role": "user", "content": CALL}, *answer.output, *results_for([call])]
    assert ask(model, turns, tools=TOOLS).output_text


@each_model
def test_parallel(model):
    with client.responses.stream(model=model, input=CALLS, tools=TOOLS, store=False) as stream:
        answer = stream.get_final_response()
    calls = calls_of(answer)
    assert [call.name for call in calls] == NAMES
    items = [item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in answer.output]
    turns = [{"role": "user", "content": CALLS}, *items, *results_for(calls)]
    assert ask(model, turns, tools=TOOLS).output_text


@each_model
def test_structured(model):
    answer = client.responses.parse(model=model, input=QUESTION, text_format=City, store=False)
    assert isinstance(answer.output_parsed, City)


@each_model
def test_errors(model):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(model, [{"type": "function_call_output", "call_id": "call_none", "output": "ok"}])
    assert "call_none" in refused.value.message


@each_model
def test_leaving(model):
    stream = ask(model, QUESTION + " {{sim tokens=2000}}", stream=True)
    next(iter(stream))
    stream.close()
