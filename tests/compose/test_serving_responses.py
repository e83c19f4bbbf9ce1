"""Kept responses in the real thing: over workers, over deaths of the control process and of workers, over the end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError
from serving_world import KEY, OTHER_KEY, QUICK, SLOW, Serving, config, engines
from sqlalchemy import select
from supervised import eventually

from intertie.core.ids import parse_request_id
from intertie.sim.engine.batching import EngineSpeed
from intertie.store import schema

LATE = EngineSpeed(prefill_tps=1_000_000, step_s=2.0, sequence_s=0.0, overhead_s=0.0, slots=128)
LONG: dict[str, Any] = {"model": "m", "input": "Tell me about the sea.", "background": True, "max_output_tokens": 400}
SHORT: dict[str, Any] = {"model": "m", "max_output_tokens": 5}
RUNNING = ("queued", "in_progress")


@asynccontextmanager
async def serving(
    folder: Path, speed: EngineSpeed = QUICK, database: str = "", **changes: Any
) -> AsyncIterator[Serving]:
    async with (
        engines(folder, speed) as upstream,
        Serving(folder, config(upstream, **changes), database=database) as gateway,
    ):
        await gateway.until("ready")
        await gateway.all_ready()
        yield gateway


def sdk(gateway: Serving, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.data}/v1", api_key=key, max_retries=0)


async def retrieve(gateway: Serving, name: str) -> Any:
    """On a connection of its own, so that any worker may answer."""
    async with sdk(gateway) as client:
        return await client.responses.retrieve(name)


async def ended(gateway: Serving, name: str) -> Any:
    last: Any = None

    async def is_over() -> bool:
        nonlocal last
        last = await retrieve(gateway, name)
        return last.status not in RUNNING

    await eventually(is_over)
    return last


def worker_of(name: str) -> str:
    return parse_request_id(name.replace("resp_", "req_"))[0]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_conversations_go_on_over_workers_and_over_the_death_of_the_control_process(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    address = request.getfixturevalue("postgres")() if kind == "postgresql" else ""
    groups = [{"name": "devs"}, {"name": "ops"}]
    keys = [
        {"name": "dev", "value": "env:DEV_KEY", "group": "devs"},
        {"name": "other", "value": "env:OTHER_KEY", "group": "ops"},
    ]
    async with serving(tmp_path, database=address, groups=groups, keys=keys) as gateway:
        previous: str | None = None
        names: list[str] = []
        for number in range(8):
            async with sdk(gateway) as client:
                asked = {"input": f"question {number}", "store": True, "previous_response_id": previous}
                answer = await client.responses.create(**SHORT, **asked)
            previous = answer.id
            names.append(answer.id)
            if number == 4:
                (control,) = await gateway.pids("control")
                os.kill(control, signal.SIGKILL)
        assert len({worker_of(name) for name in names}) == 2
        async with sdk(gateway) as client:
            items = [item async for item in client.responses.input_items.list(names[-1], order="asc", limit=100)]
            asked = [item.content[0].text for item in items if item.role == "user"]
            assert asked == [f"question {number}" for number in range(8)] and len(items) == 15
            stream = await client.responses.create(**SHORT, input="more", previous_response_id=previous, stream=True)
            last = [event async for event in stream][-1]
            assert (await client.responses.retrieve(last.response.id)).output_text == last.response.output_text
        async with sdk(gateway, OTHER_KEY) as stranger:
            with pytest.raises(NotFoundError):
                await stranger.responses.retrieve(names[0])
        await gateway.all_ready()
        assert await gateway.stop() == 0
        assert len(await gateway.read(select(schema.response.c.id).where(schema.response.c.state == "done"))) == 9


async def test_what_the_killed_were_making_has_failed_and_is_paid_for(tmp_path: Path) -> None:
    async with serving(tmp_path, LATE) as gateway:
        async with sdk(gateway) as client:
            one = await client.responses.create(**LONG)
        assert (await retrieve(gateway, one.id)).status == "in_progress"
        os.kill(_makers(await gateway.pids("worker"))[worker_of(one.id)], signal.SIGKILL)
        lost = await ended(gateway, one.id)
        assert (lost.status, lost.error.code) == ("failed", "server_error")
        rows = await gateway.closed(1)
        assert [row.outcome for row in rows.values()] == ["interrupted"]


async def test_whoever_cancels_need_not_meet_the_worker_that_makes_it(tmp_path: Path) -> None:
    async with serving(tmp_path, LATE) as gateway:
        async with sdk(gateway) as client:
            made = [await client.responses.create(**LONG) for _ in range(2)]
        for one in made:
            async with sdk(gateway) as client:
                assert (await client.responses.cancel(one.id)).status == "cancelled"
        rows = await gateway.closed(2)
        assert {row.outcome for row in rows.values()} == {"left"}
        assert [(await retrieve(gateway, one.id)).status for one in made] == ["cancelled"] * 2
        assert (await gateway.verdict()).sound


async def test_what_is_being_made_is_made_before_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, SLOW) as gateway:
        async with sdk(gateway) as client:
            one = await client.responses.create(**LONG | {"max_output_tokens": 40})
        await asyncio.sleep(0.2)
        assert await gateway.stop() == 0
        rows = await gateway.read(select(schema.response.c.id, schema.response.c.state, schema.response.c.worker))
        assert rows == [(one.id, "done", None)]
        assert [row.outcome for row in (await gateway.ledger()).values()] == ["served"]


async def test_what_is_not_made_when_time_is_over_has_failed(tmp_path: Path) -> None:
    limits = {"workers": 2, "drain_s": 0.5}
    async with serving(tmp_path, LATE, gateway=limits) as gateway:
        async with sdk(gateway) as client:
            one = await client.responses.create(**LONG)
        assert await gateway.stop() == 0
        rows = await gateway.read(select(schema.response.c.id, schema.response.c.state, schema.response.c.body))
        assert [(name, state) for name, state, _ in rows] == [(one.id, "done")] and b'"failed"' in rows[0][2]


def _makers(pids: list[int]) -> dict[str, int]:
    """Each worker's process, found by the lock it holds."""
    found: dict[str, int] = {}
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = descriptor.readlink()
            if target.suffix == ".lock" and target.parent.name == "journal":
                found[target.stem] = pid
    return found
