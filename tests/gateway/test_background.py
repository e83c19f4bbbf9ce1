"""Responses made in the background, with OpenAI's client: whoever asked leaves, and comes back for them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, NotFoundError, RateLimitError
from rawcaller import RawCaller
from scripted import Scripted, Visit, hang, says, scripted, spoken, until
from speaking import COLLEAGUE, KEYS, OTHER, chunked, speaks, streamed
from world import World, endpoint, gateway, snapshot

from intertie.core.keeping import KeptRecord
from intertie.core.principal import Meter
from intertie.gateway.making import Makings
from intertie.wire.tasks import Tasks

ASKED: dict[str, Any] = {"model": "m", "input": "first", "background": True}
RUNNING = ("queued", "in_progress")


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(speaks()) as one:
        yield one


@pytest.fixture(params=["openai_responses", "openai_chat"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    one = endpoint("a", upstream.port, dialect=request.param)
    async with gateway(tmp_path, snapshot([one], keys=KEYS)) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncOpenAI]:
    async with world.sdk() as sdk:
        yield sdk


async def ended(client: AsyncOpenAI, name: str) -> Any:
    """Come back until it has ended."""
    for _ in range(300):
        one = await client.responses.retrieve(name)
        if one.status not in RUNNING:
            return one
        await asyncio.sleep(0.01)
    raise AssertionError(f"{name} did not end in time")


async def test_a_caller_is_told_at_once_and_comes_back(world: World, client: AsyncOpenAI, upstream: Scripted) -> None:
    gate = asyncio.Event()
    upstream.script = speaks(gate=gate)
    one = await client.responses.create(**ASKED)
    assert (one.id, one.status, one.background, one.output) == ("resp_w1_1", "queued", True, [])
    await upstream.visited()
    assert (await client.responses.retrieve(one.id)).status == "in_progress"
    with pytest.raises(BadRequestError, match="in_progress"):
        await client.responses.create(model="m", input="x", previous_response_id=one.id)
    gate.set()
    done = await ended(client, one.id)
    assert (done.id, done.status, done.background, done.output_text) == (one.id, "completed", True, "1 said")
    row = await world.ended(1)
    assert (row.outcome, row.usage.completion, row.stream) == ("served", 5, False)
    two = await client.responses.create(model="m", input="second", previous_response_id=one.id)
    assert two.output_text == "3 said"


async def test_it_is_made_although_its_caller_has_left(world: World, upstream: Scripted) -> None:
    gate = asyncio.Event()
    upstream.script = speaks(gate=gate)
    async with world.sdk() as client:
        one = await client.responses.create(**ASKED)
    gate.set()
    await world.ended(1)
    async with world.sdk(COLLEAGUE) as client:
        assert (await ended(client, one.id)).output_text == "1 said"


async def test_cancelling_ends_the_endpoints_work_and_what_was_used_is_paid(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    upstream.script = hang
    one = await client.responses.create(**ASKED)
    visit = await upstream.visited()
    async with world.sdk(OTHER) as stranger:
        with pytest.raises(NotFoundError):
            await stranger.responses.cancel(one.id)
    assert (await client.responses.cancel(one.id)).status == "cancelled"
    world.live.makings.stop(one.id)  # as the control process then tells the worker that makes it
    await asyncio.wait_for(visit.line.lost.wait(), 2.0)
    row = await world.ended(1)
    assert row.outcome == "left" and row.usage.prompt > 0
    await until(lambda: not world.live.makings)
    for again in (await client.responses.retrieve(one.id), await client.responses.cancel(one.id)):
        assert (again.status, again.output) == ("cancelled", [])


async def test_it_is_too_late_to_cancel_what_has_ended(client: AsyncOpenAI) -> None:
    one = await client.responses.create(**ASKED)
    done = await ended(client, one.id)
    assert (await client.responses.cancel(one.id)).to_dict() == done.to_dict()
    plain = await client.responses.create(model="m", input="x", store=True)
    with pytest.raises(BadRequestError, match="in the background"):
        await client.responses.cancel(plain.id)


async def test_what_fails_is_told_to_whoever_comes_back(world: World, client: AsyncOpenAI, upstream: Scripted) -> None:
    upstream.script = says(500, b'{"error":{"message":"secret of the endpoint"}}')
    one = await client.responses.create(**ASKED)
    failed = await ended(client, one.id)
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert "secret" not in failed.to_json()
    assert (await world.ended(1)).outcome == "failed"


async def test_whoever_is_refused_is_told_so_at_once(tmp_path: Path, upstream: Scripted) -> None:
    budget = Meter("b", "usd", 10, "group devs")
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], [budget])) as world, world.sdk() as client:
        with pytest.raises(RateLimitError) as caught:
            await client.responses.create(**ASKED)
        assert caught.value.code == "budget_exhausted"
        for wrong in ({"store": False}, {"previous_response_id": "resp_w1_1"}, {"extra_body": {"background": "yes"}}):
            with pytest.raises(BadRequestError):
                await client.responses.create(**ASKED | wrong)
        with pytest.raises(NotFoundError):
            await client.responses.create(**ASKED | {"model": "other"})
        assert not world.shelf.kept and not world.live.makings and not upstream.visits


async def test_a_stream_can_be_left_and_followed_from_any_event(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    gate = asyncio.Event()
    upstream.script = speaks("one ", "two ", "three", pause_s=0.003, gate=gate)
    first: list[Any] = []
    async with await client.responses.create(**ASKED, stream=True) as stream:
        async for event in stream:
            first.append(event)
            if event.type == "response.output_text.delta":
                break
    name, seen = first[0].response.id, first[-1].sequence_number
    async with world.sdk(COLLEAGUE) as colleague:
        resumed = await colleague.responses.retrieve(name, stream=True, starting_after=seen)
        gate.set()  # it goes on while it is made
        rest = [event async for event in resumed]
    numbers = [event.sequence_number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type == "response.completed" and rest[-1].response.output_text == "one two three"
    assert rest[-1].response.id == name and rest[-1].response.background is True
    assert (await world.ended(1)).outcome == "served"
    await until(lambda: not world.live.makings)
    for after in (0, seen, numbers[-1] - 1, numbers[-1]):
        stream = await client.responses.retrieve(name, stream=True, starting_after=after)
        assert [event.sequence_number async for event in stream] == numbers[after + 1 :]
    whole = await client.responses.retrieve(name, stream=True)
    assert [event.sequence_number async for event in whole] == numbers


async def test_a_stream_made_by_another_worker_is_told_when_it_is_whole(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    gate = asyncio.Event()
    upstream.script = speaks("one", gate=gate)
    async with await client.responses.create(**ASKED, stream=True) as stream:
        created = await anext(aiter(stream))
    makings, world.live.makings = world.live.makings, Makings(Tasks(world.crashes.append))
    resumed = await client.responses.retrieve(created.response.id, stream=True)
    gate.set()
    assert [event async for event in resumed][-1].response.output_text == "one"
    world.live.makings = makings
    with pytest.raises(BadRequestError, match="no stream"):
        await client.responses.retrieve((await client.responses.create(**ASKED)).id, stream=True)


async def test_a_stream_that_breaks_tells_its_followers_and_has_failed(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    async def breaks(visit: Visit) -> None:
        told = streamed("one") if b"/responses" in visit.head else chunked("one")
        await spoken(visit, *told[:2])
        await gate.wait()
        visit.cut()

    gate = asyncio.Event()
    upstream.script = breaks
    stream = await client.responses.create(**ASKED, stream=True)
    events: list[Any] = []
    with pytest.raises(APIError, match="endpoint"):
        async for event in stream:
            events.append(event)
            gate.set()
    done = await ended(client, events[0].response.id)
    assert done.status == "failed"
    with pytest.raises(BadRequestError, match="no stream"):
        await client.responses.retrieve(done.id, stream=True)


async def test_what_is_deleted_while_it_is_made_stays_deleted(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    gate = asyncio.Event()
    upstream.script = speaks(gate=gate)
    one = await client.responses.create(**ASKED)
    await upstream.visited()
    await client.responses.delete(one.id)
    gate.set()
    await until(lambda: not world.live.makings)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(one.id)


async def test_the_dead_leave_responses_that_have_failed(world: World, client: AsyncOpenAI, upstream: Scripted) -> None:
    upstream.script = hang
    one = await client.responses.create(**ASKED)
    keep, record = world.shelf.kept[one.id]
    world.shelf.kept[one.id] = keep, KeptRecord("lost", record.body)
    lost = await client.responses.retrieve(one.id)
    assert (lost.status, lost.error.code) == ("failed", "server_error")


async def test_at_the_end_of_a_worker_what_is_not_made_has_failed(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    upstream.script = hang
    one = await client.responses.create(**ASKED)
    await upstream.visited()
    await world.live.makings.close(2.0)
    assert (await client.responses.retrieve(one.id)).status == "failed"
    assert (await world.ended(1)).outcome == "failed"


async def test_what_came_of_it_waits_for_someone_to_keep_it(
    world: World, client: AsyncOpenAI, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.gateway.archive.PATIENCE_S", 0.02)
    monkeypatch.setattr("intertie.gateway.keep._AGAIN_S", 0.02)
    gate = asyncio.Event()
    upstream.script = speaks(gate=gate)
    one = await client.responses.create(**ASKED)
    await upstream.visited()
    world.live.archive.on_link(False)
    gate.set()
    await world.ended(1)
    await asyncio.sleep(0.1)
    assert world.live.makings
    world.live.archive.on_link(True)
    assert (await ended(client, one.id)).status == "completed"


@pytest.mark.parametrize("wish", [b'"\xff"', b"[" * 20_000 + b"]" * 20_000])
async def test_what_cannot_be_read_is_the_callers_fault(world: World, wish: bytes) -> None:
    async with RawCaller(world.url) as caller:
        caller.post(b'{"model":"m","input":"x","background":' + wish + b"}", "/v1/responses")
        assert (await caller.answer()).status == 400
