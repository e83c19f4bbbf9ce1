"""What the data port does not put up with: too much, too slow, too many, too long unread."""

import asyncio

import pytest
from serving import Serve, status_of, until

from intertie.config.snapshot import ServerLimits
from intertie.wire.server import Reply, Request

HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
HASTE = ServerLimits(
    header_timeout_s=0.3, body_idle_timeout_s=0.6, body_timeout_s=1.2, keep_alive_s=0.3, write_stall_s=0.5
)


def headers(count: int, size: int) -> bytes:
    return HEAD + b"".join(b"x-%d: %b\r\n" % (at, b"v" * size) for at in range(count)) + b"\r\n"


REFUSED_AT_ONCE = {
    "one long header": (431, HEAD + b"X: " + b"v" * 40_000 + b"\r\n\r\n"),
    "an endless header": (431, HEAD + b"X: " + b"v" * 40_000),
    "many headers": (431, headers(101, 1)),
    "many repeats": (431, HEAD + b"x: 1\r\n" * 120 + b"\r\n"),
    "very many headers": (431, headers(10_000, 1)),
    "a long target": (431, b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an announced body": (413, HEAD + b"Content-Length: 2000001\r\n\r\n"),
    "chunks": (413, CHUNKED + b"100000\r\n" + b"x" * 0x100000 + b"\r\n100000\r\n" + b"x" * 0x100000 + b"\r\n0\r\n\r\n"),
    "an endless chunk": (413, CHUNKED + b"ffffffffffffffff\r\n" + b"x" * 2_100_000),
    "tiny chunks": (400, CHUNKED + b"1\r\nx\r\n" * 100_000),
    "long chunk extensions": (400, CHUNKED + (b"1;" + b"e" * 5_000 + b"\r\nx\r\n") * 100),
    "long trailers": (400, CHUNKED + b"1\r\nx\r\n0\r\n" + b"t: " + b"v" * 200_000),
}


@pytest.mark.parametrize("name", REFUSED_AT_ONCE)
async def test_too_much_is_refused_at_once(serve: Serve, name: str) -> None:
    serving = await serve(limits=ServerLimits(max_body_bytes=2_000_000))
    status, message = REFUSED_AT_ONCE[name]
    answer = await serving.say(message)
    assert status_of(answer) == status
    assert b"connection: close\r\n" in answer
    assert serving.app.requests == []


async def test_what_is_just_within_the_limits_is_served(serve: Serve) -> None:
    serving = await serve(limits=ServerLimits(max_body_bytes=2_000_000))
    assert status_of(await serving.ask(headers(99, 1))) == 200
    assert status_of(await serving.ask(headers(90, 300))) == 200
    assert status_of(await serving.ask(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000)) == 200
    fair_chunks = CHUNKED + (b"10\r\n" + b"x" * 16 + b"\r\n") * 20_000 + b"0\r\n\r\n"
    assert status_of(await serving.ask(fair_chunks)) == 200


async def drip(serving_port: int, first: bytes, drop: bytes, every_s: float) -> tuple[bytes, float]:
    """Send a beginning, then a drop again and again; what is answered, and after how long."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", serving_port)
    began = loop.time()
    answer = asyncio.ensure_future(reader.read())
    writer.write(first)
    while not answer.done() and loop.time() - began < 5:
        await asyncio.wait([answer], timeout=every_s)
        if not answer.done():
            writer.write(drop)
    writer.transport.abort()
    return answer.result(), loop.time() - began


SLOW = {
    "a head that does not end": (HEAD, b"", 0.3),
    "a head that drips": (HEAD, b"x: y\r\n", 0.3),
    "a body that hardly begins": (HEAD + b"Content-Length: 10\r\n\r\nabc", b"", 0.2),
    "a body that stalls": (HEAD + b"Content-Length: 100000\r\n\r\n" + b"z" * 90_000, b"", 0.6),
    "a body that drips": (HEAD + b"Content-Length: 100000\r\n\r\n", b"z" * 10, 0.2),
    "chunks that drip": (CHUNKED, b"1\r\nz\r\n", 0.2),
    "a body that takes its time": (HEAD + b"Content-Length: 10000000\r\n\r\n", b"z" * 500, 1.2),
}


@pytest.mark.parametrize("name", SLOW)
async def test_who_sends_too_slowly_is_refused_in_time(serve: Serve, name: str) -> None:
    serving = await serve(limits=HASTE)
    first, drop, limit = SLOW[name]
    answer, seconds = await drip(serving.port, first, drop, 0.05)
    assert status_of(answer) == 408, answer
    assert limit <= seconds <= limit + 0.8
    await until(lambda: serving.server.connections == 0)


async def test_a_caller_who_says_nothing_is_closed_without_a_word(serve: Serve) -> None:
    serving = await serve(limits=HASTE)
    assert await serving.say(b"") == b""


async def test_an_idle_connection_is_closed(serve: Serve) -> None:
    serving = await serve(limits=HASTE)
    assert (await serving.say(GET)).count(b"HTTP/1.1") == 1


async def test_a_slow_answer_is_no_reason_to_close(serve: Serve) -> None:
    async def slowly(request: Request, reply: Reply) -> None:
        await asyncio.sleep(1.5)
        reply.send(200, b"", b"at last")

    serving = await serve(slowly, limits=HASTE)
    assert (await serving.ask(GET)).endswith(b"at last")


async def test_time_spent_behind_another_request_does_not_count(serve: Serve) -> None:
    async def slowly(request: Request, reply: Reply) -> None:
        await asyncio.sleep(0.8)
        reply.send(200, b"", request.body)

    serving = await serve(slowly, limits=HASTE)
    async with await serving.caller() as caller:
        caller.send(GET + HEAD + b"Content-Length: 5\r\n\r\nhel")
        await caller.answer()
        caller.send(b"lo")
        assert (await caller.answer()).endswith(b"hello")


async def test_too_many_connections_are_told_so(serve: Serve) -> None:
    serving = await serve(limits=ServerLimits(max_connections=3))
    callers = [await serving.caller() for _ in range(3)]
    for caller in callers:
        caller.send(GET)
        assert status_of(await caller.answer()) == 200
    assert status_of(await serving.say(GET)) == 503
    callers[0].writer.close()
    await until(lambda: serving.server.connections < 3)
    assert status_of(await serving.ask(GET)) == 200


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_caller_who_reads_nothing_is_cut(serve: Serve, streamed: bool) -> None:
    cancelled = asyncio.Event()

    async def much(request: Request, reply: Reply) -> None:
        if not streamed:
            reply.send(200, b"", b"x" * 30_000_000)
            return
        reply.start(200, b"")
        reply.write(b"x" * 30_000_000)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    serving = await serve(much, limits=HASTE)
    (await serving.caller(limit=1000)).send(GET)
    await until(lambda: serving.server.connections == 1)
    await until(lambda: serving.server.connections == 0 and serving.server.in_flight == 0)
    assert cancelled.is_set() == streamed


async def test_a_caller_who_reads_slowly_is_not_cut(serve: Serve) -> None:
    size = 8_000_000

    async def much(request: Request, reply: Reply) -> None:
        reply.send(200, b"connection: close\r\n", b"x" * size)

    serving = await serve(much, limits=HASTE)
    caller = await serving.caller(limit=1000)
    caller.send(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = 0
    while part := await asyncio.wait_for(caller.reader.read(400_000), 3):
        got += len(part)
        await asyncio.sleep(0.05)
    assert got > size


async def test_answers_that_nobody_reads_do_not_pile_up(serve: Serve) -> None:
    async def much(request: Request, reply: Reply) -> None:
        reply.send(200, b"", b"x" * 1_000_000)

    serving = await serve(much)
    caller = await serving.caller(limit=1000)
    for _ in range(10):
        caller.send(GET * 10)
        await asyncio.sleep(0.02)
    assert len(serving.app.requests) < 20  # kernel buffers take a few megabytes
    for _ in range(100):
        await caller.answer()
    assert len(serving.app.requests) == 100
