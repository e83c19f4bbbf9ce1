"""SIGHUP: new code and settings without a failed request."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from supervised import Connection, Supervised, fetch, service, settings

_ASK_EVERY_S = 0.05  # 20 requests a second of each kind


async def _load(ask: Callable[[], Awaitable[tuple[int, bytes]]], until: asyncio.Event) -> list[int]:
    statuses: list[int] = []
    while not until.is_set():
        statuses.append((await ask())[0])
        await asyncio.sleep(_ASK_EVERY_S)
    return statuses


async def test_no_request_fails_while_the_workers_are_rolled(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        await running.until("child_ready", count=3)
        before, control = await running.pids("worker"), await running.pids("control")
        enough = asyncio.Event()
        kept = [Connection(running.data) for _ in range(4)]
        loads = [asyncio.ensure_future(_load(lambda: fetch(running.data, "/fast"), enough))]
        loads += [asyncio.ensure_future(_load(lambda one=one: one.get("/fast"), enough)) for one in kept]
        stream = asyncio.ensure_future(fetch(running.data, "/stream?2"))
        for time in (1, 2):
            await asyncio.sleep(0.3)
            running.send(signal.SIGHUP)
            await running.until("rolled", count=time)
        await asyncio.sleep(0.5)
        enough.set()
        statuses = [status for load in loads for status in await load]
        for one in kept:
            one.close()
        assert (await stream)[1].endswith(b"data: [DONE]\n\n")
        await running.until("child_ended", count=4)
        after = await running.pids("worker")
        assert len(after) == 2 and not set(after) & set(before)
        assert await running.pids("control") == control
    assert (tmp_path / "control.notes").read_text().split().count("reload") == 2
    assert len(statuses) > 60 and set(statuses) == {200}


async def test_new_code_that_does_not_start_leaves_the_old_workers_at_work(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    async with Supervised(service(tmp_path, worker_settings=settings(broken=str(broken)))) as running:
        await running.until("child_ready", count=3)
        before = await running.pids("worker")
        broken.touch()
        running.send(signal.SIGHUP)
        given_up = await running.until("roll_given_up")
        assert given_up["replaced"] == 0
        assert await running.pids("worker") == before
        assert (await fetch(running.data, "/fast"))[0] == 200 and (await fetch(running.health, "/readyz"))[0] == 200


async def test_a_worker_that_somebody_else_tells_to_drain_is_replaced_at_once(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, workers=1)) as running:
        await running.until("ready")
        (before,) = await running.pids("worker")
        stream = asyncio.ensure_future(fetch(running.data, "/stream?2"))
        await asyncio.sleep(0.2)
        os.kill(before, signal.SIGTERM)
        await asyncio.sleep(0.1)  # it has stopped accepting; the next one is still starting
        status, pid = await fetch(running.data, "/fast")
        assert status == 200 and int(pid) != before and not stream.done()
        assert (await stream)[1].endswith(b"data: [DONE]\n\n")
        assert [one["child"] for one in running.named("child_died")] == []


async def test_sigterm_during_a_roll_ends_everything(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        await running.until("ready")
        running.send(signal.SIGHUP)
        await running.until("rolling")
        await asyncio.sleep(0.05)
        running.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
