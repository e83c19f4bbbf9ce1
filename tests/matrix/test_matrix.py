"""Every client against every endpoint's dialect, in every way: docs/reference/dialects.md is what came of it."""

from collections.abc import AsyncIterator

import pytest
from matrix_cases import CASES, Cell
from matrix_words import Client
from matrix_world import KEY, UPSTREAMS, MatrixWorld
from speaks_anthropic import SpeaksAnthropic
from speaks_chat import SpeaksChat
from speaks_gemini import SpeaksGemini
from speaks_responses import SpeaksResponses

CLIENTS = {one.dialect: one for one in (SpeaksChat, SpeaksResponses, SpeaksAnthropic, SpeaksGemini)}


@pytest.fixture
async def client(world: MatrixWorld, dialect: str) -> AsyncIterator[Client]:
    speaking = CLIENTS[dialect](world.url, KEY)
    yield speaking
    await speaking.close()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("dialect", CLIENTS)
async def test_a_cell(world: MatrixWorld, client: Client, upstream: str, case: str) -> None:
    await CASES[case](Cell(client, upstream, world))
