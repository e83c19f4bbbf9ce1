"""pydantic-ai with its three models."""

import asyncio

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai_client import models
from stage import CALL, CALLS, QUESTION, each_model

KINDS = ["chat", "responses", "messages"]
each_kind = pytest.mark.parametrize("kind", KINDS)


class City(BaseModel):
    name: str
    population: int


def agent(kind, model, **more):
    return Agent(models(model)[KINDS.index(kind)], **more)


@each_kind
@each_model
def test_plain(kind, model):
    result = agent(kind, model).run_sync(QUESTION)
    assert result.output and result.usage.output_tokens > 0


@each_kind
@each_model
def test_stream(kind, model):
    async def streamed():
        async with agent(kind, model).run_stream(QUESTION) as result:
            return "".join([piece async for piece in result.stream_text(delta=True)])

    assert asyncio.run(streamed()) == agent(kind, model).run_sync(QUESTION).output


@each_kind
@each_model
@pytest.mark.parametrize(("question", "count"), [(CALL, 1), (CALLS, 2)], ids=["one", "parallel"])
def test_tools(kind, model, question, count):
    called = []

    def get_weather(city: str) -> str:
        called.append(city)
        return "sunny"

    def get_time(city: str) -> str:
        called.append(city)
        return "noon"

    result = agent(kind, model, tools=[get_weather, get_time]).run_sync(question)
    assert len(called) == count and result.output


@each_kind
@each_model
def test_structured(kind, model):
    assert isinstance(agent(kind, model, output_type=City).run_sync(QUESTION).output, City)
