"""instructor over OpenAI's and Anthropic's SDK: answers of a type."""

import pytest
from instructor_client import anthropic, openai
from pydantic import BaseModel
from stage import QUESTION, each_model

KINDS = {"chat": openai, "messages": anthropic}
each_kind = pytest.mark.parametrize("kind", KINDS)
ASKED = {"max_tokens": 2000, "messages": [{"role": "user", "content": QUESTION}]}


class City(BaseModel):
    """A city."""

    name: str
    population: int


@each_kind
@each_model
def test_structured(kind, model):
    assert isinstance(KINDS[kind].create(model=model, response_model=City, **ASKED), City)


@each_kind
@each_model
def test_stream(kind, model):
    *_, last = KINDS[kind].create_partial(model=model, response_model=City, **ASKED)
    assert isinstance(last.population, int)
