"""The same gateway with its books in PostgreSQL."""

import json
import os
import signal
from pathlib import Path

from serving_world import Serving, ask, chat, config, engines

from postgres import NewUrl


async def test_requests_are_booked_and_the_budget_holds_in_postgresql_too(tmp_path: Path, postgres: NewUrl) -> None:
    async with (
        engines(tmp_path) as upstream,
        Serving(tmp_path, config(upstream, usd=20), database=postgres()) as gateway,
    ):
        await gateway.until("ready")
        await gateway.all_ready()
        answers = [await ask(gateway.data, chat(5, stream=number == 1)) for number in range(3)]
        (worker,) = await gateway.pids("worker-0")
        os.kill(worker, signal.SIGKILL)
        answers.append(await ask(gateway.data, chat(5)))
        assert [answer.status for answer in answers] == [200] * 4
        rows = await gateway.closed(4)
        over = await ask(gateway.data, chat(5))
        assert over.status == 429 and json.loads(over.body)["error"]["code"] == "budget_exhausted"
        assert set(rows) == {answer.id for answer in answers}
        assert await gateway.stop() == 0
        assert await gateway.account() == (20 * 10**9, 20 * 10**9, 0) and (await gateway.verdict()).sound
        assert json.loads(await gateway.command("ledger", "verify", "--json"))["sound"]
    assert gateway.named("crash") == []
