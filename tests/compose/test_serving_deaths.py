"""kill -9 in the real thing: who is left serves on, who died is replaced, and the books agree with the engines' own."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from serving_world import SLOW, Load, Row, Serving, chat, config, engines
from supervised import ended, eventually

from intertie.sim.engine.journal import Entry

_TOKENS = 50  # 0.1 s each, so that some are always under way
_CALLERS = 8


def _expect_the_same(rows: dict[str, Row], did: dict[str, Entry]) -> None:
    """Every request an engine worked on is in the ledger, once, with the engine's own token counts if it was served."""
    assert set(did) <= set(rows)
    for name, row in rows.items():
        if row.outcome == "served":
            entry = did[name]
            assert (row.prompt, row.cached, row.completion) == (
                entry.prompt_tokens, entry.cached_tokens, entry.completion_tokens,
            )  # fmt: skip
            assert entry.aborted_at is None and not row.estimated


@pytest.mark.parametrize("victim", ["worker-0", "control"])
async def test_after_a_kill_the_others_serve_the_dead_are_replaced_and_the_books_are_exact(
    tmp_path: Path, victim: str
) -> None:
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        (killed,) = await gateway.pids(victim)
        async with Load(gateway.data, chat(_TOKENS, stream=True), every_s=0.01, kept=_CALLERS - 1) as load:
            await asyncio.sleep(0.5)
            os.kill(killed, signal.SIGKILL)
            await gateway.until("child_died")
            await gateway.all_ready()
            failed, answered = len(load.failed), len(load.answers)
            await asyncio.sleep(0.5)
        assert len(load.failed) == failed <= (0 if victim == "control" else _CALLERS)
        assert len(load.answers) > answered + 10
        rows = await gateway.closed(len(load.answers), within_s=5)
        assert {row.outcome for row in rows.values()} <= {"served", "interrupted"}
        interrupted = [row.cost_nano for row in rows.values() if row.outcome == "interrupted"]
        assert interrupted == [_TOKENS * 10**9] * len(interrupted) and len(interrupted) <= failed
        assert {answer.id for answer in load.answers} <= {name for name, row in rows.items() if row.outcome == "served"}
        _expect_the_same(rows, upstream.did())

        async def returned() -> bool:
            return len(await gateway.lending()) <= 2 and (await gateway.verdict()).sound

        await eventually(returned, within_s=5)
        if victim == "control":  # what a killed worker had counted in its last second is lost

            async def all_counted() -> bool:
                return await gateway.counted() == len(rows)

            await eventually(all_counted)
        assert await gateway.stop() == 0
        rows = await gateway.ledger()
        assert await gateway.account() == (10**15, sum(row.cost_nano or 0 for row in rows.values()), 0)
        assert (await gateway.verdict()).open_requests == 0 and (await gateway.verdict()).sound
    assert [one["child"] for one in gateway.named("child_died")] == [victim]
    assert gateway.named("crash") == []


async def test_when_the_supervisor_is_killed_streams_end_whole_and_are_booked_before_the_last_process_goes(
    tmp_path: Path,
) -> None:
    async with engines(tmp_path, SLOW) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        children = await gateway.pids("")
        streams = await gateway.open_streams(tokens=40, count=10)
        gateway.send(signal.SIGKILL)
        answers = await asyncio.gather(*streams)
        assert all(answer.is_whole_stream for answer in answers)
        await ended(children)
        rows = await gateway.ledger()
        assert {name: row.outcome for name, row in rows.items()} == {answer.id: "served" for answer in answers}
        assert (await gateway.verdict()).sound and await gateway.account() == (10**15, 400 * 10**9, 0)
