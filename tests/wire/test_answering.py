"""What callers get: one answer per request, in order, on connections that last."""

import asyncio

import pytest
from serving import Serve, body_of, bound_socket, status_of

from intertie.config.snapshot import ServerLimits
from intertie.core.faults import InvalidRequest
from intertie.wire.server import Always, Reply, Request, Server

HOST = b"Host: a\r\n"
GET = b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes, path: bytes = b"/x", *lines: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n" % (path, HOST, len(body))
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


async def events(request: Request, reply: Reply) -> None:
    reply.start(200, b"content-type: text/event-stream\r\n")
    for number in range(3):
        reply.write(b"data: %d\n\n" % number)
        await asyncio.sleep(0)
    reply.finish(b"data: [DONE]\n\n")


async def test_an_answer_says_what_http_wants(serve: Serve) -> None:
    serving = await serve()
    answer = await serving.ask(post(b"hello"))
    head, body = answer.split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert lines[1].startswith(b"date: ") and lines[1].endswith(b" GMT")
    assert lines[2:] == [b"content-type: text/plain", b"content-length: 14"]
    assert body == b"POST /x||hello"


async def test_a_connection_serves_many_requests(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        for number in range(50):
            caller.send(post(b"%d" % number))
            assert body_of(await caller.answer()) == b"POST /x||%d" % number
    assert serving.server.in_flight == 0


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(serve: Serve) -> None:
    running = most = 0

    async def slower_first(request: Request, reply: Reply) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02 / (1 + len(serving.app.requests)))
        reply.send(200, b"", request.path)
        running -= 1

    serving = await serve(slower_first)
    async with await serving.caller() as caller:
        caller.send(b"".join(post(b"x" * number, b"/%d" % number) for number in range(20)))
        await asyncio.sleep(0.03)
        caller.send(b"".join(post(b"y" * number, b"/%d" % number) for number in range(20, 40)))
        assert [body_of(await caller.answer()) for _ in range(40)] == [b"/%d" % number for number in range(40)]
    assert most == 1


async def test_a_malformed_request_in_a_pipeline_is_refused_in_its_turn(serve: Serve) -> None:
    async def later(request: Request, reply: Reply) -> None:
        await asyncio.sleep(0.02)
        reply.send(200, b"", request.path)

    serving = await serve(later)
    answer = await serving.say(GET + GET + b"GET /x HTTP/1.1\r\n\r\n" + GET)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
    assert len(serving.app.requests) == 2


async def test_a_flood_of_pipelined_requests_is_refused(serve: Serve) -> None:
    serving = await serve()
    answer = await serving.say(b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 3000, 10)
    assert 257 <= answer.count(b"HTTP/1.1 200") < 3000
    assert answer.count(b"HTTP/1.1 400") == 1


async def test_much_data_behind_a_request_under_way_waits_outside(serve: Serve) -> None:
    go = asyncio.Event()

    async def wait(request: Request, reply: Reply) -> None:
        await go.wait()
        reply.send(200, b"", b"%d" % len(request.body))

    serving = await serve(wait)
    async with await serving.caller() as caller:
        caller.send(post(b"") + post(b"z" * 20_000_000))
        await asyncio.sleep(0.3)
        assert caller.writer.transport.get_write_buffer_size() > 8_000_000  # the server has stopped reading
        go.set()
        assert body_of(await caller.answer()) == b"0"
        assert body_of(await caller.answer()) == b"20000000"


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536, 1_000_000, 30_000_000])
async def test_bodies_of_any_size_arrive_whole(serve: Serve, size: int) -> None:
    serving = await serve()
    body = bytes(range(256)) * (size // 256 + 1)
    answer = await serving.ask(post(body[:size]))
    assert body_of(answer) == b"POST /x||" + body[:size]


@pytest.mark.parametrize("step", [1_000, 70_000, 1_000_000])
async def test_chunked_bodies_arrive_whole(serve: Serve, step: int) -> None:
    serving = await serve()
    body = bytes(range(256)) * 20_000
    chunks = b"".join(
        b"%X\r\n%b\r\n" % (len(body[at : at + step]), body[at : at + step]) for at in range(0, len(body), step)
    )
    message = b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert body_of(await serving.ask(message + GET)) == b"POST /x||" + body


async def test_a_stream_is_chunked_and_ends(serve: Serve) -> None:
    serving = await serve(events)
    async with await serving.caller() as caller:
        caller.send(GET + GET)
        for _ in range(2):
            assert b"transfer-encoding: chunked\r\n" in await caller.head()
            wire = await caller.reader.readuntil(b"0\r\n\r\n")
            assert (
                wire
                == b"9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
            )


async def test_the_head_of_a_stream_leaves_before_its_first_chunk(serve: Serve) -> None:
    go = asyncio.Event()

    async def slowly(request: Request, reply: Reply) -> None:
        reply.start(200, b"")
        await go.wait()
        reply.finish(b"x")

    serving = await serve(slowly)
    async with await serving.caller() as caller:
        caller.send(GET)
        assert status_of(await caller.head()) == 200
        go.set()
        assert await caller.reader.readuntil(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"


async def test_http_1_0_gets_a_stream_until_the_end_of_the_connection(serve: Serve) -> None:
    serving = await serve(events)
    answer = await serving.say(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"transfer-encoding" not in answer
    assert b"connection: close\r\n" in answer
    assert body_of(answer).startswith(b"data: 0\n\n")
    assert answer.endswith(b"data: [DONE]\n\n")


async def test_http_1_0_may_keep_its_connection_for_whole_answers(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        caller.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive\r\n" in await caller.answer()
        caller.send(b"GET /x HTTP/1.0\r\n\r\n")
        assert b"connection: close\r\n" in await caller.rest()


async def test_who_asks_to_close_is_closed(serve: Serve) -> None:
    serving = await serve()
    answer = await serving.say(b"GET /x HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n" + GET)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer


async def test_head_has_a_length_and_no_body(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        caller.send(b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\n" + GET)
        assert b"content-length: 9\r\n" in await caller.head()
        assert body_of(await caller.answer()) == b"GET /x||"


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(serve: Serve, status: int) -> None:
    async def nothing(request: Request, reply: Reply) -> None:
        reply.send(status, b"", b"ignored")

    serving = await serve(nothing)
    async with await serving.caller() as caller:
        caller.send(GET + GET)
        assert [status_of(await caller.head()) for _ in range(2)] == [status, status]


async def test_the_body_is_asked_for_when_the_caller_waits(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        caller.send(b"POST /x HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert await caller.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.send(b"hello")
        assert body_of(await caller.answer()) == b"POST /x||hello"


async def test_behind_a_request_under_way_the_body_is_asked_for_in_turn(serve: Serve) -> None:
    async def later(request: Request, reply: Reply) -> None:
        await asyncio.sleep(0.05)
        reply.send(200, b"", request.body)

    serving = await serve(later)
    async with await serving.caller() as caller:
        caller.send(GET + b"POST /x HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert status_of(await caller.answer()) == 200
        assert await caller.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.send(b"hello")
        assert body_of(await caller.answer()) == b"hello"


async def test_the_application_may_refuse_a_large_body_unread(serve: Serve) -> None:
    serving = await serve(screen=lambda request: (401, b"", b"who are you?"))
    for head in (
        b"Content-Length: 30000000",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue\r\nContent-Length: 1",
    ):
        answer = await serving.say(b"POST /x HTTP/1.1\r\n" + HOST + head + b"\r\n\r\n" + b"x" * 500_000)
        assert status_of(answer) == 401
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\nwho are you?")
    assert serving.app.requests == []
    assert status_of(await serving.ask(post(b"x" * 1000))) == 200
    assert len(serving.app.screened) == 3


async def test_an_application_that_fails_is_reported_and_the_caller_told(serve: Serve) -> None:
    async def fail(request: Request, reply: Reply) -> None:
        if request.path == b"/late":
            reply.start(200, b"")
            reply.write(b"begun")
        if request.path != b"/silent":
            raise ZeroDivisionError

    serving = await serve(fail)
    assert status_of(await serving.say(post(b"", b"/early"))) == 500
    assert status_of(await serving.say(post(b"", b"/silent"))) == 500
    async with await serving.caller() as caller:
        caller.send(post(b"", b"/late"))
        with pytest.raises(ConnectionError):
            assert not (await caller.rest()).endswith(b"0\r\n\r\n")
            raise ConnectionResetError
    assert [type(crash) for crash in serving.crashes] == [ZeroDivisionError, RuntimeError, ZeroDivisionError]
    assert serving.server.in_flight == 0


async def test_a_fault_of_the_application_itself_is_its_own_to_answer(serve: Serve) -> None:
    async def refuse(request: Request, reply: Reply) -> None:
        raise InvalidRequest("should have been rendered")

    serving = await serve(refuse)
    assert status_of(await serving.say(GET)) == 500
    assert len(serving.crashes) == 1


async def test_thousands_of_requests_a_second() -> None:
    server, sock = (
        Server(Always(200, b"content-type: text/plain\r\n", b"hello"), ServerLimits(), [].append),
        bound_socket(),
    )
    await server.listen(sock)
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    loop = asyncio.get_running_loop()
    began, left = loop.time(), 6_000
    while left:
        writer.write(GET * 100)
        for _ in range(100):
            await reader.readuntil(b"\r\n\r\nhello")
        left -= 100
    assert loop.time() - began < 3.0
    writer.transport.abort()
    assert await server.close(1.0)
