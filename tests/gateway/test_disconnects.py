"""A caller who leaves: the endpoint is released at once, the books say what was used, and nothing stays held.

Wire facts 17 and 19: a disconnect cancels the upstream, is settled all the same, and is logged as 499; where no usage
came, the gateway's own count stands in.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from rawcaller import CHAT, RawCaller, ask
from scripted import (
    DONE,
    Scripted,
    Visit,
    closing,
    completion,
    event,
    hang,
    says,
    scripted,
    spoken,
    token,
    until,
    usage,
)
from world import PRICE, World, endpoint, gateway, snapshot

from intertie.config.snapshot import UpstreamLimits
from intertie.core.principal import Meter
from intertie.core.record import Admitted, Settled
from intertie.core.usage import NOTHING, Usage
from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.fleet import running_engine
from intertie.sim.engine.journal import Entry
from intertie.sim.engine.options import EngineOptions
from intertie.wire.relay import Stream

BUDGET = Meter("budget", "usd", 10**9, "group devs")
CALLS = Meter("calls", "concurrent", 64, "group devs")
STREAM = {"stream": True, "max_tokens": 50}
OPENING = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(hang) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    place = endpoint("a", upstream.port, max_connections=2)
    async with gateway(tmp_path, snapshot([place], [BUDGET, CALLS])) as world:
        yield world


def prompt_of(world: World, body: bytes) -> int:
    """The gateway's own estimate of a prompt's tokens."""
    return len(json.dumps(json.loads(body), separators=(",", ":"))) // 4 + 1


async def left(world: World, upstream: Scripted, count: int = 1) -> Settled:
    """The endpoint is released within a second; then the row of a caller who left, and every hold is free."""
    await until(lambda: upstream.open == 0, 1.0)
    row = await world.ended(count)
    assert (row.outcome, row.status, row.fault) == ("left", 499, "caller_left")
    spent = sum(row.cost_nano or 0 for row in world.settled())
    assert world.room(BUDGET) == BUDGET.cap - spent
    assert world.room(CALLS) == CALLS.cap
    assert world.live.states["a"].latency_penalty == 0
    assert world.live.states["a"].in_flight == 0
    line = (await world.logged(count))[-1]
    assert (line["outcome"], line["status"]) == ("left", 499)
    return row


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_before_the_first_byte_pays_the_prompt(world: World, upstream: Scripted, stream: bool) -> None:
    async with RawCaller(world.url) as caller:
        caller.post({"stream": stream, "max_tokens": 50})
        visit = await upstream.visited()
        assert world.room(BUDGET) < BUDGET.cap
        assert world.room(CALLS) == CALLS.cap - 1
    row = await left(world, upstream)
    assert row.usage.completion == 0
    assert row.usage.estimated
    assert abs(row.usage.prompt - prompt_of(world, visit.body)) <= 12
    assert row.cost_nano == PRICE.of(row.usage)


async def test_leaving_while_waiting_for_a_connection_pays_nothing(world: World, upstream: Scripted) -> None:
    """An endpoint that was not asked is not paid."""
    async with RawCaller(world.url) as one, RawCaller(world.url) as two:
        one.post(STREAM)
        two.post(STREAM)
        await upstream.visited(2)
        async with RawCaller(world.url) as third:
            third.post(STREAM)
            await until(lambda: world.live.lanes["a"].pool.waiting == 1)
        await until(lambda: len(world.settled()) == 1)
        row = world.settled()[0]
        assert (row.outcome, row.usage, row.cost_nano) == ("left", NOTHING, 0)
        assert upstream.open == 2
    await left(world, upstream, 3)


async def test_leaving_while_the_lender_is_asked_leaves_no_trace_in_the_books(world: World, upstream: Scripted) -> None:
    world.live.wallet.on_link(False)
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await until(lambda: world.live.in_flight == 1)
    await until(lambda: world.live.in_flight == 0, 1.0)
    assert not world.rows()
    world.live.wallet.on_link(True)
    upstream.script = says(200, completion())
    assert (await ask(world.url)).status == 200
    assert world.room(CALLS) == CALLS.cap


async def test_leaving_in_the_middle_pays_what_was_delivered(world: World, upstream: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, OPENING, token("one "), token("two "), token("three "))
        await visit.line.lost.wait()

    upstream.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        assert [await caller.chunk() for _ in range(4)][-1] == token("three ")
    row = await left(world, upstream)
    assert (row.usage.completion, row.usage.estimated) == (3, True)
    assert row.ttft_s >= 0


async def test_leaving_at_the_last_chunk_pays_the_endpoints_own_figures(world: World, upstream: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("one"), closing(), usage(9, 5))
        await visit.line.lost.wait()

    upstream.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        assert await caller.chunk() == token("one")
        assert await caller.chunk() == closing()
        await asyncio.sleep(0.02)
    assert (await left(world, upstream)).usage == Usage(9, 5)


async def test_leaving_with_the_end_held_back_is_leaving(world: World, upstream: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("one"), usage(9, 5), DONE)
        await visit.line.lost.wait()

    upstream.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        await caller.chunk()
        await asyncio.sleep(0.02)
    assert (await left(world, upstream)).usage == Usage(9, 5)


async def test_a_caller_who_stops_reading_stops_the_endpoint_too(world: World, upstream: Scripted) -> None:
    """Backpressure goes both ways, so a reader who leaves does not leave megabytes behind."""
    said = 0

    async def script(visit: Visit) -> None:
        nonlocal said
        visit.begin()
        while not visit.line.lost.is_set() and said < 5_000:
            visit.say(token("x" * 20_000))
            said += 1
            await until(lambda: visit.line.lost.is_set() or visit.line.transport.get_write_buffer_size() < 100_000)

    upstream.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        await caller.head()
        caller.writer.transport.pause_reading()
        stuck = -1
        while stuck < said < 4_000:
            stuck = said
            await asyncio.sleep(0.3)
        assert stuck == said
    row = await left(world, upstream)
    assert 0 < row.usage.completion <= said


async def test_one_who_leaves_takes_nobody_elses_connection(tmp_path: Path, upstream: Scripted) -> None:
    """The answer becomes whole and its caller leaves in one moment, in which the connection is lent to the next."""
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port, max_connections=1)])) as world:
        for count in range(1, 6):
            upstream.script = hang
            async with RawCaller(world.url) as first, RawCaller(world.url) as second:
                first.post({"user": "first"})
                visit = await upstream.visited(len(upstream.visits) + 1)
                second.post({"user": "second"})
                await until(lambda: world.live.lanes["a"].pool.waiting == 1)
                upstream.script = says(200, completion())
                answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(completion()), completion())
                os.write(visit.line.transport.get_extra_info("socket").fileno(), answer)  # in one turn of the loop
                with socket.socket(fileno=os.dup(first.writer.get_extra_info("socket").fileno())) as leaving:
                    leaving.shutdown(socket.SHUT_WR)
                assert (await second.answer()).status == 200
            await until(lambda: world.live.in_flight == 0)
            assert len(world.settled()) == 2 * count


async def test_a_slow_reader_leaves_no_connection_paused(
    tmp_path: Path, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who is too slow for the very last chunk pauses a connection that the next one gets."""
    begun, end = asyncio.Event(), b"%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE)
    relayed = Stream.on_body

    def on_body(stream: Stream, data: bytes) -> None:
        relayed(stream, data)
        if DONE in data:
            stream._reply.pause()

    async def script(visit: Visit) -> None:
        visit.begin()
        visit.say(token("Hi"))
        await begun.wait()
        visit.write(end)

    monkeypatch.setattr(Stream, "on_body", on_body)
    upstream.script = script
    whole = snapshot([endpoint("a", upstream.port, max_connections=1)], upstream=UpstreamLimits(answer_timeout_s=1))
    async with gateway(tmp_path, whole) as world, RawCaller(world.url) as slow, RawCaller(world.url) as next_one:
        slow.post(STREAM)
        await slow.head()
        next_one.post()
        await until(lambda: world.live.lanes["a"].pool.waiting == 1)
        upstream.script = says(200, completion())
        begun.set()
        assert (await next_one.answer()).status == 200


@pytest.mark.parametrize("seed", [20261120, 2])
async def test_two_hundred_random_cuts_leave_exact_books(tmp_path: Path, seed: int) -> None:
    """Each admitted request is settled once, for no less than its caller saw and no more than the engine generated."""
    lots = Random(seed)
    speed = EngineSpeed(prefill_tps=100_000, step_s=0.002, sequence_s=0.0, overhead_s=0.002)
    options = EngineOptions(port=0, model=("m",), speed=speed, journal=str(tmp_path / "engine.jsonl"))
    seen: dict[str, int] = {}
    async with (
        running_engine(options) as engine,
        gateway(tmp_path, snapshot([endpoint("a", engine.port)], [BUDGET, CALLS])) as world,
    ):

        async def one(patience: float) -> None:
            async with RawCaller(world.url) as caller:
                caller.post({**STREAM, "intertie_sim": {"output_tokens": 30}})
                try:
                    async with asyncio.timeout(patience):
                        told = await caller.head()
                        name = told.headers["x-request-id"]
                        seen[name] = 0
                        while chunk := await caller.chunk():
                            seen[name] += chunk.count(b'"content":"') - chunk.count(b'"content":""')
                except TimeoutError:
                    pass

        for _ in range(10):
            await asyncio.gather(*[one(lots.uniform(0.001, 0.09)) for _ in range(20)])
        await until(lambda: world.live.in_flight == 0, 1.0)
        rows = world.rows()
        settled = {f"req_w1_{row.sequence}": row for row in rows if isinstance(row, Settled)}
        admitted = [row.sequence for row in rows if isinstance(row, Admitted)]
        assert len(settled) == len(admitted) == len(rows) / 2
        assert world.room(CALLS) == CALLS.cap
        assert world.room(BUDGET) == BUDGET.cap - sum(row.cost_nano or 0 for row in settled.values())
        await asyncio.sleep(0.1)  # the engine writes down what it hears of at the same moment
        truth = _entries(tmp_path / "engine.jsonl")
    assert sum(row.outcome == "left" for row in settled.values()) > 100
    assert {row.outcome for row in settled.values()} <= {"left", "served"}
    for name, row in settled.items():
        generated = truth[name].completion_tokens if name in truth else 0
        assert seen.get(name, 0) <= row.usage.completion <= generated, (name, row, truth.get(name))


def _entries(journal: Path) -> dict[str, Entry]:
    entries = [msgspec.json.decode(line, type=Entry) for line in journal.read_bytes().splitlines()]
    return {entry.request_id: entry for entry in entries}


def test_the_path_is_the_chat_path() -> None:
    assert CHAT.endswith("/chat/completions")
