"""Anthropic's SDK for Python."""

import anthropic
import pytest
from anthropic_client import client
from stage import CALL, CALLS, CITY, NAMES, PLACE, QUESTION, each_model

TOOLS = [{"name": name, "description": "Tells.", "input_schema": PLACE} for name in NAMES]


def asked(model, question, **more):
    return {"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": question}], **more}


def ask(model, question, **more):
    return client.messages.create(**asked(model, question, **more))


def calls_of(message):
    return [block for block in message.content if block.type == "tool_use"]


def results_for(calls):
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "ok"} for call in calls],
    }


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@each_model
def test_plain(model):
    answer = ask(model, QUESTION, system="Be short.")
    assert text_of(answer) and answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


@each_model
def test_stream(model):
    with client.messages.stream(**asked(model, QUESTION)) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    whole = ask(model, QUESTION)
    assert "".join(pieces) == text_of(final) == text_of(whole) and len(pieces) > 3
    assert final.usage.output_tokens == whole.usage.output_tokens


@each_model
def test_tools(model):
    answer = ask(model, CALL, tools=TOOLS)
    (call,) = calls_of(answer)
    assert (call.name, answer.stop_reason) == ("get_weather", "tool_use") and set(call.input) == {"city"}
    turns = [{"role": "user", "content": CALL}, {"role": "assistant", "content": answer.content}, results_for([call])]
    assert text_of(client.messages.create(model=model, max_tokens=2000, messages=turns, tools=TOOLS))


@each_model
def test_parallel(model):
    with client.messages.stream(**asked(model, CALLS, tools=TOOLS)) as stream:
        answer = stream.get_final_message()
    calls = calls_of(answer)
    assert [call.name for call in calls] == NAMES and all(set(call.input) == {"city"} for call in calls)
    turns = [{"role": "user", "content": CALLS}, {"role": "assistant", "content": answer.content}, results_for(calls)]
    assert text_of(client.messages.create(model=model, max_tokens=2000, messages=turns, tools=TOOLS))


@each_model
def test_structured(model):
    answer = ask(model, QUESTION, output_config={"format": {"type": "json_schema", "schema": CITY}})
    assert '"population"' in text_of(answer)


@each_model
def test_errors(model):
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(model, QUESTION, tools=TOOLS, tool_choice={"type": "tool", "name": "no_such_tool"})
    assert refused.value.body["type"] == "error" and "no_such_tool" in refused.value.message


@each_model
def test_leaving(model):
    stream = ask(model, QUESTION + " {{sim tokens=2000}}", stream=True)
    next(iter(stream))
    stream.close()


def test_unknown_models():
    with pytest.raises(anthropic.NotFoundError):
        ask("nobody", QUESTION)


def test_list():
    assert "openai_chat" in [one.id for one in client.models.list()]
