"""Connections that are gone are freed at once, without waiting for the collector."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from fake_upstream import Upstream, says, streams
from reaching import ASK, Reach, ask
from serving import Serve, until

from intertie.wire.caller import Caller
from intertie.wire.client import Connection
from intertie.wire.relay import PassThrough, Stream
from intertie.wire.reply import Reply, Request

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living(*kinds: type) -> int:
    return sum(isinstance(one, kinds) for one in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
async def test_callers_are_freed_when_they_leave(serve: Serve) -> None:
    async def wait_or_answer(request: Request, reply: Reply) -> None:
        if len(serving.app.requests) % 3 == 0:
            await asyncio.sleep(10)
        reply.send(200, b"", b"")

    serving = await serve(wait_or_answer)
    for _ in range(30):
        async with await serving.caller() as caller:
            caller.send(GET)
            await until(lambda: len(serving.app.requests) > 0)
            await asyncio.sleep(0.002)
    await until(lambda: serving.server.connections == 0 and serving.server.in_flight == 0)
    serving.app.requests.clear()
    await asyncio.sleep(0.01)
    assert living(Caller, Reply, Request) == 0


@pytest.mark.usefixtures("uncollected")
async def test_upstream_connections_are_freed_when_they_close(serve: Serve, upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"ok", b"connection: close"))
    pool = reach(endpoint.port)
    for _ in range(20):
        await ask(pool)
    await until(lambda: pool.open == 0)
    endpoint = await upstream(streams([b"data: x\n\n"] * 50))
    second = reach(endpoint.port)

    async def relay(request: Request, reply: Reply) -> None:
        connection = await second.connect()
        sink = Stream(asyncio.get_running_loop(), reply, connection, PassThrough(), lambda at: (200, b""), 1000)
        connection.exchange(ASK, sink, 3, 3)
        reply.finish((await sink.done).tail)

    serving = await serve(relay)
    for _ in range(5):
        async with await serving.caller() as caller:
            caller.send(GET)
            await caller.reader.readuntil(b"\r\n0\r\n\r\n")
    await second.close()
    await until(lambda: second.open == 0 and serving.server.connections == 0)
    serving.app.requests.clear()
    await asyncio.sleep(0.01)
    assert living(Connection, Stream, Caller, Reply) == 0
