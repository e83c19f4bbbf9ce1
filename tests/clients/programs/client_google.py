"""Google's SDK for Python."""

import pytest
from google.genai import errors, types
from google_client import client
from stage import CALL, CALLS, CITY, NAMES, PLACE, QUESTION, each_model

DECLARED = [{"name": name, "description": "Tells.", "parameters_json_schema": PLACE} for name in NAMES]
TOOLS = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=DECLARED)],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


def ask(model, contents, config=None):
    return client.models.generate_content(model=model, contents=contents, config=config)


def said(text):
    return types.Content(role="user", parts=[types.Part(text=text)])


def results_for(calls):
    parts = [types.Part.from_function_response(name=call.name, response={"result": "ok"}) for call in calls]
    return types.Content(role="user", parts=parts)


@each_model
def test_plain(model):
    answer = ask(model, QUESTION, {"system_instruction": "Be short.", "max_output_tokens": 400})
    assert answer.text and answer.candidates[0].finish_reason == "STOP"
    assert answer.usage_metadata.prompt_token_count > 0 and answer.usage_metadata.candidates_token_count > 0


@each_model
def test_stream(model):
    chunks = list(client.models.generate_content_stream(model=model, contents=QUESTION))
    whole = ask(model, QUESTION)
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata.candidates_token_count == whole.usage_metadata.candidates_token_count


@each_model
def test_tools(model):
    answer = ask(model, CALL, TOOLS)
    (call,) = answer.function_calls
    assert call.name == "get_weather" and set(call.args) == {"city"}
    assert ask(model, [said(CALL), answer.candidates[0].content, results_for([call])], TOOLS).text


@each_model
def test_parallel(model):
    answer = ask(model, CALLS, TOOLS)
    assert [call.name for call in answer.function_calls] == NAMES
    assert ask(model, [said(CALLS), answer.candidates[0].content, results_for(answer.function_calls)], TOOLS).text


@each_model
def test_structured(model):
    answer = ask(model, QUESTION, {"response_mime_type": "application/json", "response_json_schema": CITY})
    assert '"population"' in answer.text


def test_unknown_models():
    with pytest.raises(errors.ClientError) as refused:
        ask("nobody", QUESTION)
    assert refused.value.code == 404
