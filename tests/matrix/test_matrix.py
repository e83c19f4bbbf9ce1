"""Every client against every endpoint's dialect, in every way: docs/reference/dialects.md is what came of it."""

from collections.abc import AsyncIterator

import pytest
from matrix_cases import CASES, Cell
from matrix_page import Page, parse, render
from matrix_wishes import WISHES
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
async def test_a_client_can_do_all_it_does(
    world: MatrixWorld, client: Client, upstream: str, case: str, page: Page
) -> None:
    await CASES[case](Cell(client, upstream, world))
    page.came_of_it(client.dialect, upstream, case, "yes")


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(("dialect", "wish"), [(said, name) for name, wish in WISHES.items() for said in wish.said])
async def test_a_wish_is_granted_or_refused_by_its_name(
    world: MatrixWorld, client: Client, upstream: str, wish: str, page: Page
) -> None:
    outcome = await WISHES[wish].outcome(Cell(client, upstream, world))
    page.came_of_it(client.dialect, upstream, wish, outcome)


def test_the_page_says_nothing_else(page: Page) -> None:
    assert render(parse(page.text)) == page.text
