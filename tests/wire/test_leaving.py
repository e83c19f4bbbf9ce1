"""Callers who leave, and servers that are left: what runs is cancelled at once, or answered before the door closes."""

import asyncio

import pytest
from fake_upstream import Upstream, hangs, streams
from reaching import ASK, Reach
from serving import Serve, body_of, bound_socket, status_of, until

from intertie.config.snapshot import ServerLimits
from intertie.wire.relay import PassThrough, Stream
from intertie.wire.server import Reply, Request

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Waiting:
    """An application that waits until it is let go, and remembers how it ended."""

    def __init__(self, begin: bool = False) -> None:
        self.go, self.begun, self.cancelled = asyncio.Event(), 0, 0
        self._begin = begin

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.begun += 1
        if self._begin:
            reply.start(200, b"")
            reply.write(b"begun")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if not reply.gone:
                reply.finish(b"event: error\n\n")
            raise
        if reply.started:
            reply.finish(b" and done")
        else:
            reply.send(200, b"", b"done")


@pytest.mark.parametrize("way", ["close", "abort", "half-close"])
@pytest.mark.parametrize("begin", [False, True])
async def test_a_caller_who_leaves_cancels_the_task_at_once(serve: Serve, way: str, begin: bool) -> None:
    app = Waiting(begin)
    serving = await serve(app)
    caller = await serving.caller()
    caller.send(GET)
    await until(lambda: app.begun == 1)
    {"close": caller.writer.close, "abort": caller.writer.transport.abort, "half-close": caller.writer.write_eof}[way]()
    await until(lambda: app.cancelled == 1, seconds=0.1)
    await until(lambda: serving.server.in_flight == 0 and serving.server.connections == 0)
    assert serving.crashes == []
    caller.writer.transport.abort()


async def test_who_leaves_before_the_task_has_begun_leaves_nothing_behind(serve: Serve) -> None:
    app = Waiting()
    serving = await serve(app)
    for _ in range(50):
        caller = await serving.caller()
        caller.send(GET)
        caller.writer.write_eof()
        await until(lambda: serving.server.connections == 0)
        caller.writer.transport.abort()
    await until(lambda: serving.server.in_flight == 0)
    assert app.begun == app.cancelled


async def test_leaving_drops_the_requests_that_wait(serve: Serve) -> None:
    app = Waiting()
    serving = await serve(app)
    caller = await serving.caller()
    caller.send(GET * 10)
    await until(lambda: app.begun == 1)
    caller.writer.transport.abort()
    await until(lambda: serving.server.connections == 0)
    await asyncio.sleep(0.02)
    assert app.begun == app.cancelled == 1


async def test_what_an_answered_request_still_does_is_not_cancelled(serve: Serve) -> None:
    settled = asyncio.Event()

    async def settle_afterwards(request: Request, reply: Reply) -> None:
        reply.send(200, b"", b"")
        await asyncio.sleep(0.1)
        settled.set()

    serving = await serve(settle_afterwards)
    await serving.ask(GET)
    await until(lambda: serving.server.connections == 0)
    assert serving.server.in_flight == 1
    await until(settled.is_set)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_caller_who_leaves_closes_the_upstream_connection(
    serve: Serve, upstream: Upstream, reach: Reach, begun: bool
) -> None:
    endpoint = await upstream(streams([b"data: x\n\n"] * 1000, gap_s=0.02) if begun else hangs)
    pool = reach(endpoint.port)

    async def relay(request: Request, reply: Reply) -> None:
        connection = await pool.connect()
        loop = asyncio.get_running_loop()
        sink = Stream(loop, reply, connection, PassThrough(), lambda at: (200, b""), 1000)
        connection.exchange(ASK, sink, 9, 9)
        try:
            await sink.done
        except asyncio.CancelledError:
            connection.cancel()
            raise

    serving = await serve(relay)
    caller = await serving.caller()
    caller.send(GET)
    await until(lambda: len(endpoint.visits) == 1)
    if begun:
        await caller.head()
    caller.writer.transport.abort()
    await until(lambda: pool.open == 0, seconds=0.1)
    await until(lambda: endpoint.left == 1, seconds=0.2)


async def test_a_drain_lets_requests_end_and_closes_with_their_answers(serve: Serve) -> None:
    app = Waiting(begin=True)
    serving = await serve(app)
    callers = [await serving.caller() for _ in range(20)]
    for caller in callers:
        caller.send(GET)
    await until(lambda: app.begun == 20)
    closing = asyncio.ensure_future(serving.server.close(5.0))
    await asyncio.sleep(0.02)
    with pytest.raises(ConnectionError):
        await serving.caller()
    app.go.set()
    for caller in callers:
        assert body_of(await caller.rest()) == b"5\r\nbegun\r\n9\r\n and done\r\n0\r\n\r\n"
    assert await closing is True
    assert app.cancelled == 0


async def test_while_draining_an_idle_connection_may_ask_once_more(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        caller.send(GET)
        assert b"connection: close" not in await caller.answer()
        serving.server.drain()
        caller.send(GET)
        assert b"connection: close\r\n" in await caller.rest()


async def test_after_the_drain_limit_the_application_has_its_last_words(serve: Serve) -> None:
    app = Waiting(begin=True)
    serving = await serve(app)
    async with await serving.caller() as caller:
        caller.send(GET)
        await until(lambda: app.begun == 1)
        assert await serving.server.close(0.1) is False
        assert body_of(await caller.rest()) == b"5\r\nbegun\r\ne\r\nevent: error\n\n\r\n0\r\n\r\n"
    assert app.cancelled == 1


async def test_after_the_drain_limit_an_unanswered_request_is_refused(serve: Serve) -> None:
    async def for_ever(request: Request, reply: Reply) -> None:
        await asyncio.Event().wait()

    serving = await serve(for_ever)
    async with await serving.caller() as caller:
        caller.send(GET)
        await until(lambda: serving.server.in_flight == 1)
        assert await serving.server.close(0.05) is False
        answer = await caller.rest()
        assert (status_of(answer), body_of(answer)) == (503, b"draining: the gateway is being stopped")
    assert serving.crashes == []


async def test_whoever_does_not_read_the_end_is_cut_at_last(serve: Serve) -> None:
    async def much(request: Request, reply: Reply) -> None:
        reply.send(200, b"", b"x" * 30_000_000)

    serving = await serve(much, limits=ServerLimits())
    (await serving.caller(limit=1000)).send(GET)
    await until(lambda: len(serving.app.requests) == 1)
    assert await serving.server.close(0.1) is False
    assert serving.server.connections == 0


async def test_an_idle_server_closes_at_once(serve: Serve) -> None:
    serving = await serve()
    loop = asyncio.get_running_loop()
    async with await serving.caller() as caller:
        caller.send(GET)
        await caller.answer()
        began = loop.time()
        assert await serving.server.close(600.0) is True
        assert loop.time() - began < 0.5
        assert await caller.rest() == b""


async def test_one_server_listens_on_several_sockets(serve: Serve) -> None:
    serving = await serve()
    second = bound_socket()
    port = second.getsockname()[1]
    await serving.server.listen(second)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
    writer.transport.abort()
