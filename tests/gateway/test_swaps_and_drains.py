"""A new snapshot under load fails nobody; a server that is left lets answers end, or says that it was left."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rawcaller import RawCaller, ask, page
from scripted import DONE, Scripted, Visit, closing, completion, hang, says, scripted, spoken, streams, token, until
from world import PRICE, World, endpoint, gateway, snapshot

from intertie.config.snapshot import Route, UpstreamLimits
from intertie.core.faults import Fault
from intertie.core.principal import Meter

BUDGET = Meter("budget", "usd", 10**9, "group devs")
CALLS = Meter("calls", "concurrent", 64, "group devs")
STREAM = {"stream": True, "max_tokens": 50}


@pytest.fixture
async def first() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


@pytest.fixture
async def second() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


async def test_swapping_under_load_fails_nobody_and_keeps_connections(
    tmp_path: Path, first: Scripted, second: Scripted
) -> None:
    """What did not change keeps its connections; what comes and goes is used and finishes what it has."""
    stays, comes = endpoint("a", first.port), endpoint("b", second.port)
    told: list[tuple[int, bytes]] = []
    whole = token("Hi") + closing() + DONE

    async def script(visit: Visit) -> None:
        await (streams(token("Hi"), closing(), DONE) if visit.asked["stream"] else says(200, completion()))(visit)

    first.script = second.script = script
    async with gateway(tmp_path, snapshot([stays], [BUDGET, CALLS])) as world:

        async def caller(number: int) -> None:
            async with RawCaller(world.url) as line:
                while not over.is_set():
                    line.post({"stream": number % 2 == 0, "max_tokens": 5})
                    answer = await line.answer()
                    told.append((answer.status, answer.body))

        over = asyncio.Event()
        callers = asyncio.gather(*[caller(number) for number in range(8)])
        for version in range(2, 43):
            world.live.adopt(snapshot([stays, comes] if version % 2 else [stays], [BUDGET, CALLS], version=version))
            await asyncio.sleep(0.015)
        kept = len(first.lines)
        over.set()
        await callers
        await until(lambda: second.open == 0)
        assert len(world.settled()) == len(told)
        assert world.room(CALLS) == CALLS.cap
    assert len(told) > 100
    assert {status for status, _ in told} == {200}
    assert {body for _, body in told} == {whole, completion()}
    assert kept <= 8
    assert len(second.visits) > 5


async def test_a_removed_endpoint_finishes_what_it_has(tmp_path: Path, first: Scripted, second: Scripted) -> None:
    end = asyncio.Event()

    async def script(visit: Visit) -> None:
        await spoken(visit, token("one"))
        await end.wait()
        await spoken_on(visit, token("two"), closing(), DONE)

    first.script = script
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)])) as world, RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        assert await caller.chunk() == token("one")
        world.live.adopt(snapshot([endpoint("b", second.port)], version=2))
        assert (await ask(world.url)).headers["x-intertie-endpoint"] == "b"
        end.set()
        assert b"".join([await caller.chunk() for _ in range(3)]) == token("two") + closing() + DONE
        await until(lambda: first.open == 0)
        assert (await world.ended(2)).endpoint == "a"


async def spoken_on(visit: Visit, *events: bytes) -> None:
    for event in events:
        visit.say(event)
        await asyncio.sleep(0.003)
    visit.end()


async def test_a_request_keeps_the_snapshot_it_began_with_while_it_waits(
    tmp_path: Path, first: Scripted, second: Scripted
) -> None:
    """Its model may be gone by the time its hold is granted; it was admitted when it still was there."""
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)], [BUDGET])) as world, RawCaller(world.url) as one:
        world.live.wallet.on_link(False)
        one.post({"max_tokens": 5})
        await until(lambda: world.live.in_flight == 1)
        world.live.adopt(snapshot([endpoint("b", second.port, model="n")], version=2))
        world.live.wallet.on_link(True)
        told = await one.answer()
        assert (told.status, told.headers["x-intertie-endpoint"]) == (200, "a")
        assert (await world.ended()).cost_nano == PRICE.of(world.settled()[0].usage)
        assert (await ask(world.url)).status == 404


async def test_the_plan_of_a_request_outlives_its_snapshot(tmp_path: Path, first: Scripted, second: Scripted) -> None:
    first.script = hang
    dear = type(PRICE)(PRICE.input * 90, PRICE.output * 90, PRICE.cached * 90)
    places = [endpoint("a", first.port), endpoint("b", second.port, price=dear)]
    hurried = UpstreamLimits(answer_timeout_s=0.3)
    async with gateway(tmp_path, snapshot(places, upstream=hurried)) as world, RawCaller(world.url) as caller:
        caller.post()
        await first.visited()
        world.live.adopt(snapshot([endpoint("c", first.port)], version=2, upstream=hurried))
        told = await caller.answer()
        assert (told.status, told.headers["x-intertie-endpoint"]) == (200, "b")


async def test_a_new_credential_needs_new_connections(tmp_path: Path, first: Scripted) -> None:
    async with gateway(tmp_path, snapshot([endpoint("a", first.port, credential="one")])) as world:
        await ask(world.url)
        world.live.adopt(snapshot([endpoint("a", first.port, credential="two")], version=2))
        await ask(world.url)
        await until(lambda: first.open == 1)
    assert [visit.headers[b"authorization"] for visit in first.visits] == [b"Bearer one", b"Bearer two"]
    assert first.visits[0].line is not first.visits[1].line


async def test_a_snapshot_that_cannot_be_used_changes_nothing(tmp_path: Path, first: Scripted) -> None:
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)])) as world:
        lost = snapshot([endpoint("b", 1)], version=2, routes={"r": Route("r", ("nothing",))})
        with pytest.raises(Fault):
            world.live.adopt(lost)
        assert world.live.snapshot.version == 1
        assert (await ask(world.url)).headers["x-intertie-endpoint"] == "a"


@pytest.fixture
async def world(tmp_path: Path, first: Scripted) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)], [BUDGET, CALLS])) as world:
        yield world


@pytest.mark.parametrize("stream", [False, True])
async def test_who_still_waits_when_the_gateway_stops_is_told_so(world: World, first: Scripted, stream: bool) -> None:
    """A clean refusal that any client tries again, elsewhere: the connection is closed."""
    first.script = hang
    async with RawCaller(world.url) as caller:
        caller.post({"stream": stream, "max_tokens": 50})
        await first.visited()
        assert not await world.server.close(0.05)
        told = await caller.answer()
        assert await caller.reader.read() == b""
    assert (told.status, told.error["code"], told.headers["connection"]) == (503, "draining", "close")
    row = await world.ended()
    assert (row.outcome, row.status, row.fault) == ("failed", 503, "draining")
    assert row.usage.completion == 0
    assert (world.room(CALLS), first.open) == (CALLS.cap, 0)


async def test_a_stream_that_the_gateway_must_stop_ends_with_an_error_event(world: World, first: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("one "), token("two "))
        await visit.line.lost.wait()

    first.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        assert [await caller.chunk() for _ in range(2)] == [token("one "), token("two ")]
        assert not await world.server.close(0.05)
        error = await caller.chunk()
        assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "draining"
        assert await caller.chunk() == b""
    row = await world.ended()
    assert (row.outcome, row.fault, row.usage.completion) == ("cut", "draining", 2)
    assert world.room(BUDGET) == BUDGET.cap - PRICE.of(row.usage)
    assert world.live.states["a"].latency_penalty == 0


async def test_who_waits_for_the_lender_when_the_gateway_stops_is_told_so(world: World, first: Scripted) -> None:
    world.live.wallet.on_link(False)
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await until(lambda: world.live.in_flight == 1)
        await world.server.close(0.05)
        told = await caller.answer()
    assert (told.status, told.error["code"]) == (503, "draining")
    assert not world.rows()
    assert not first.visits


async def test_streams_that_can_end_in_time_end_whole_and_nobody_new_comes_in(world: World, first: Scripted) -> None:
    first.script = streams(*[token("x")] * 20, closing(), DONE)
    async with RawCaller(world.url) as caller, RawCaller(world.url) as idle:
        idle.get("/livez")
        await idle.answer()
        caller.post(STREAM)
        await caller.head()
        stopped = asyncio.ensure_future(world.server.close(5.0))
        body = b""
        while chunk := await caller.chunk():
            body += chunk
        assert body == token("x") * 20 + closing() + DONE
        assert await stopped
        with pytest.raises(ConnectionError):
            await page(world.url, "/livez")
    assert (await world.ended()).outcome == "served"
