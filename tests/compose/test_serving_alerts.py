"""Budgets in the real thing: people are told of each threshold once, and at 100 % it is over."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from serving_world import Serving, ask, chat, config, engines
from sqlalchemy import select
from supervised import eventually

from intertie.store import schema


class Webhook:
    """Takes alerts; the first post of all is refused, so that it comes again."""

    def __init__(self) -> None:
        self.told: list[dict[str, object]] = []
        self.refused = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        if self.refused:
            self.told.append(json.loads(body))
        status = b"204 No Content" if self.refused else b"503 Service Unavailable"
        self.refused += 1
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[Webhook, str]]:
    taker = Webhook()
    server = await asyncio.start_server(taker.take, "127.0.0.1", 0)
    async with server:
        yield taker, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"


async def test_each_threshold_is_told_once_by_webhook_and_event_even_over_the_death_of_the_control_process(
    tmp_path: Path,
) -> None:
    async with (
        webhook() as (taker, url),
        engines(tmp_path) as upstream,
        Serving(tmp_path, config(upstream, usd=100, alerts={"webhook": url})) as gateway,
    ):
        await gateway.until("ready")
        for _ in range(12):
            assert (await ask(gateway.data, chat(5))).status == 200

        async def told(count: int) -> bool:
            return len(taker.told) == count

        async def noted() -> bool:
            return len(await gateway.read(select(schema.alert).where(schema.alert.c.told.is_not(None)))) == 1

        await eventually(noted)
        assert await told(1)
        (control,) = await gateway.pids("control")
        os.kill(control, signal.SIGKILL)
        for _ in range(8):
            assert (await ask(gateway.data, chat(5))).status == 200
        await eventually(lambda: told(4))
        over = await ask(gateway.data, chat(5))
        assert over.status == 429 and over.headers["x-should-retry"] == "false"
        error = json.loads(over.body)["error"]
        assert error["code"] == "budget_exhausted" and "group devs" in error["message"]
        await gateway.closed(20)
        assert await gateway.account() == (100_000_000_000, 100_000_000_000, 0)
        assert await gateway.stop() == 0
    assert sorted(int(str(one["percent"])) for one in taker.told) == [50, 80, 90, 100]
    assert {(one["owner"], one["cap_usd"]) for one in taker.told} == {("group devs", "100.00")}
    events = [one["percent"] for one in gateway.named("budget_alert")]
    assert sorted(set(events)) == [50, 80, 90, 100] and len(events) == 4
