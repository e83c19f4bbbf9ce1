"""SIGHUP in the real thing: every worker is replaced, no request fails, no counter goes back, no lease is lost."""

import asyncio
import signal
from pathlib import Path

from serving_world import OTHER_KEY, QUICK, Load, Serving, ask, chat, config, engines, worker_of
from supervised import eventually


async def test_no_request_fails_while_the_workers_are_rolled(tmp_path: Path) -> None:
    narrow = [{"on": "key:other", "rpm": 48}]
    async with engines(tmp_path, QUICK) as upstream, Serving(tmp_path, config(upstream, limits=narrow)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        before = await gateway.pids("worker")
        few = [await ask(gateway.data, key=OTHER_KEY) for _ in range(4)]
        counted: list[int] = []
        async with Load(gateway.data, chat(20, stream=True), every_s=0.05) as load:
            for time in (1, 2):
                await asyncio.sleep(0.3)
                gateway.send(signal.SIGHUP)
                while len(gateway.named("rolled")) < time:
                    counted.append(await gateway.counted())
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
        after = await gateway.pids("worker")
        assert len(after) == 2 and not set(after) & set(before)
        assert load.failed == [] and len(load.answers) > 60
        assert all(answer.is_whole_stream for answer in load.answers)
        # What the old workers had borrowed of a narrow limit and not used is there for the new ones at once.
        few += [await ask(gateway.data, key=OTHER_KEY) for _ in range(44)]
        assert [answer.status for answer in few] == [200] * 48
        assert (await ask(gateway.data, key=OTHER_KEY)).status == 429
        assert len({worker_of(answer) for answer in load.answers}) >= 3
        assert counted == sorted(counted)
        answers = [*load.answers, *few]
        rows = await gateway.closed(len(answers))
        assert set(rows) == {answer.id for answer in answers}

        async def all_counted() -> bool:
            return await gateway.counted() == len(answers) + 1  # the refused

        await eventually(all_counted)
        assert (await gateway.verdict()).sound
        assert await gateway.stop() == 0
        assert await gateway.account() == (10**15, (20 * len(load.answers) + 48) * 10**9, 0)
    assert gateway.named("child_died") == [] and gateway.named("crash") == []
