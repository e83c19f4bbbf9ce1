"""The end of the real thing: no stream is cut that can finish in time; one that cannot is told so, and is booked."""

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest
from serving_world import SLOW, Answer, Caller, Serving, chat, config, engines
from supervised import Refused, eventually, fetch


def _end_of(answer: Answer) -> dict[str, object]:
    """The last event of a stream that was cut; every event before it is well formed."""
    events = [event.removeprefix(b"data: ") for event in answer.body.split(b"\n\n")]
    assert events.pop() == b""
    return [json.loads(event) for event in events][-1]


async def test_fifty_open_streams_end_whole_after_sigterm_and_are_in_the_ledger(tmp_path: Path) -> None:
    async with engines(tmp_path, SLOW) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        streams = await gateway.open_streams(tokens=40)

        async def all_counted() -> bool:
            page = await gateway.metrics()
            names = ("intertie_streams_in_flight", "intertie_requests_in_flight")
            return [page[name, frozenset()] for name in names] == [50, 50]

        await eventually(all_counted)
        begun = time.monotonic()
        gateway.send(signal.SIGTERM)

        async def unready() -> bool:
            return not await gateway.is_ready()

        await eventually(unready)
        assert time.monotonic() - begun < 0.5 and not any(stream.done() for stream in streams)
        assert (await fetch(gateway.health, "/livez"))[0] == 200
        await asyncio.sleep(0.1)
        with pytest.raises(Refused):
            await Caller(gateway.data).ask(chat())
        answers = await asyncio.gather(*streams)
        assert all(answer.is_whole_stream for answer in answers)
        assert await gateway.ended() == 0
        rows = await gateway.ledger()
        assert set(rows) == {answer.id for answer in answers}
        assert {(row.outcome, row.completion) for row in rows.values()} == {("served", 40)}
        assert (await gateway.verdict()).sound and await gateway.account() == (10**15, 2_000 * 10**9, 0)
        order = [str(one["child"]) for one in gateway.named("child_ended")]
        assert order[-1] == "control" and len(order) == 3


async def test_streams_that_are_still_open_at_the_drain_limit_get_an_error_event_and_a_row(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    one, other = tmp_path_factory.mktemp("limit"), tmp_path_factory.mktemp("hurry")
    await asyncio.gather(_over_the_limit(one), _hurried(other))


async def _over_the_limit(folder: Path) -> None:
    async with engines(folder, SLOW) as upstream, Serving(folder, config(upstream), "--drain-s", "1") as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        streams = await gateway.open_streams(tokens=2_000)
        gateway.send(signal.SIGTERM)
        await _expect_all_told(gateway, await asyncio.gather(*streams))


async def _hurried(folder: Path) -> None:
    """The limit is twenty seconds; a second interrupt makes it three."""
    async with engines(folder, SLOW) as upstream, Serving(folder, config(upstream)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        streams = await gateway.open_streams(tokens=2_000, count=5)
        gateway.send(signal.SIGINT)
        await gateway.until("draining")
        gateway.send(signal.SIGINT)
        begun = time.monotonic()
        answers = await asyncio.gather(*streams)
        assert 2.5 < time.monotonic() - begun < 6
        await _expect_all_told(gateway, answers)


async def _expect_all_told(gateway: Serving, answers: list[Answer]) -> None:
    """Every stream ended with the error, every row says cut and what was delivered, and the money agrees."""
    assert gateway.named("drain_limit_over") and not gateway.named("child_killed")
    for answer in answers:
        assert answer.status == 200 and _end_of(answer)["error"]["code"] == "draining", answer.body[-300:]
    assert await gateway.ended() == 0
    rows = await gateway.ledger()
    assert set(rows) == {answer.id for answer in answers}
    assert {(row.outcome, row.fault) for row in rows.values()} == {("cut", "draining")}
    assert all(row.estimated and row.completion > 0 for row in rows.values())
    spent = sum(row.cost_nano or 0 for row in rows.values())
    assert spent == sum(row.completion for row in rows.values()) * 10**9
    assert (await gateway.verdict()).sound and await gateway.account() == (10**15, spent, 0)
