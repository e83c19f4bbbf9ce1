"""What answers tell of an account's limits steers the requests that follow; a 429 is no failure."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rawcaller import ask
from scripted import DONE, JSON, Scripted, Visit, closing, completion, says, scripted, streams, token
from world import PRICE, World, endpoint, gateway, snapshot

from intertie.core.money import Price

DEAR = Price(PRICE.input * 90, PRICE.output * 90, PRICE.cached * 90)
SPENT = b"x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1m0s\r\n"


@pytest.fixture
async def first() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion(), JSON + SPENT)) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, first: Scripted) -> AsyncIterator[World]:
    """The first endpoint is so much cheaper that it is always chosen while it may serve."""

    async def second(visit: Visit) -> None:
        stream = visit.asked.get("stream")
        await (streams(token("Hi"), closing(), DONE) if stream else says(200, completion()))(visit)

    async with scripted(second) as dear:
        whole = snapshot([endpoint("a", first.port), endpoint("b", dear.port, price=DEAR)])
        async with gateway(tmp_path, whole) as world:
            yield world


async def _spent_stream(visit: Visit) -> None:
    visit.begin(headers=b"content-type: text/event-stream\r\n" + SPENT)
    visit.say(token("Hi") + closing() + DONE)
    visit.end()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_tells_of_the_last_unit_sends_the_next_request_elsewhere(
    world: World, first: Scripted, stream: bool
) -> None:
    if stream:
        first.script = _spent_stream
    places = [(await ask(world.url, {"stream": stream})).headers["x-intertie-endpoint"] for _ in range(2)]
    assert places == ["a", "b"]
    assert len(first.visits) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_tells_limits_too_and_leaves_the_endpoint_well(
    world: World, first: Scripted, stream: bool
) -> None:
    first.script = says(429, b"{}", JSON + SPENT + b"retry-after-ms: 1\r\n")
    told = await ask(world.url, {"stream": stream})
    state = world.live.states["a"]
    assert told.headers["x-intertie-endpoint"] == "b"
    assert state.limits is not None
    assert state.limits.part_left(0.0) == 0.0
    assert state.breaker.closed
    assert state.latency_penalty == 0


async def test_nothing_is_passed_on_of_what_the_account_has_left(world: World) -> None:
    """Wire fact 15: the account's limits are not the caller's."""
    told = await ask(world.url)
    assert told.status == 200
    assert not [name for name in told.headers if name.startswith("x-ratelimit")]
