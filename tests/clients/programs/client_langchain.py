"""LangChain with its partner packages for OpenAI and Anthropic."""

import pytest
from langchain_client import chat_anthropic, chat_openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from stage import CALL, CALLS, NAMES, QUESTION, each_model

KINDS = {
    "chat": chat_openai,
    "responses": lambda model: chat_openai(model, use_responses_api=True),
    "messages": lambda model: chat_anthropic(model, max_tokens=2000),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


class City(BaseModel):
    """A city."""

    name: str
    population: int


@tool
def get_weather(city: str) -> str:
    """Tells the weather."""
    return "sunny"


@tool
def get_time(city: str) -> str:
    """Tells the time."""
    return "noon"


@each_kind
@each_model
def test_plain(kind, model):
    answer = KINDS[kind](model).invoke(QUESTION)
    assert answer.text and answer.usage_metadata["output_tokens"] > 0


@each_kind
@each_model
def test_stream(kind, model):
    chunks = list(KINDS[kind](model).stream(QUESTION))
    assert "".join(chunk.text for chunk in chunks) == KINDS[kind](model).invoke(QUESTION).text


@each_kind
@each_model
@pytest.mark.parametrize(("question", "names"), [(CALL, NAMES[:1]), (CALLS, NAMES)], ids=["one", "parallel"])
def test_tools(kind, model, question, names):
    chat = KINDS[kind](model).bind_tools([get_weather, get_time])
    asked = [HumanMessage(question)]
    answer = chat.invoke(asked)
    assert [call["name"] for call in answer.tool_calls] == names
    results = [ToolMessage("ok", tool_call_id=call["id"]) for call in answer.tool_calls]
    assert chat.invoke([*asked, answer, *results]).text


@each_kind
@each_model
def test_structured(kind, model):
    assert isinstance(KINDS[kind](model).with_structured_output(City).invoke(QUESTION), City)
