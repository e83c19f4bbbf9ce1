"""The load generator tells the truth: what it counts is what the upstream served and what really went wrong."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

from bench.load import Tally, aim_at, chat_body, closed_loop, open_loop
from bench.upstream import completion, listen

from intertie.sim.caller import connect


@asynccontextmanager
async def an_upstream(interval_s=0.0):
    server = await listen("127.0.0.1", 0, interval_s)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def a_server_that(answers):
    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(1024)
                answers(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def served(url):
    replies = asyncio.Queue()
    aim = aim_at(url, {}, b"")
    caller = await connect(aim.origin, lambda _, reply: replies.put_nowait(reply))
    caller.send(b"GET /stats HTTP/1.1\r\nhost: x\r\n\r\n")
    reply = await replies.get()
    caller.close()
    return json.loads(reply.tail)


async def test_a_closed_loop_counts_what_the_upstream_served():
    async with an_upstream() as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(1024)), 4, 5.0, count=200)
        assert (tally.requests, tally.errors, len(tally.latencies)) == (200, {}, 200)
        assert (await served(url))["answers"] == 200


async def test_a_closed_loop_ends_when_its_time_is_up():
    async with an_upstream() as url:
        began = time.perf_counter()
        tally = await closed_loop(aim_at(url, {}, chat_body(1024)), 2, 0.3)
        assert 0.3 <= time.perf_counter() - began < 2.0
        assert tally.requests == (await served(url))["answers"] > 0


async def test_a_large_body_arrives_whole():
    async with an_upstream() as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(102_400)), 2, 5.0, count=10)
        assert (tally.requests, tally.errors) == (10, {})


async def test_streams_are_counted_chunk_by_chunk():
    async with an_upstream(interval_s=0.001) as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(1024, chunks=20)), 3, 5.0, count=6)
        stats = await served(url)
    assert stats["streams"] == 6
    assert stats["chunks"] == 6 * 20
    assert tally.chunks == 6 * 22  # the upstream adds one with the finish reason and one with the usage
    assert all(first <= whole for first, whole in zip(tally.first, tally.latencies, strict=True))
    assert len(tally.gaps) > 6


async def test_a_stream_sent_at_once_counts_the_same_chunks():
    async with an_upstream() as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(1024, chunks=200)), 2, 5.0, count=4)
    assert (tally.requests, tally.chunks, tally.errors) == (4, 4 * 202, {})


async def test_an_open_loop_keeps_its_rate():
    async with an_upstream() as url:
        tally = await open_loop(aim_at(url, {}, chat_body(1024)), 200.0, 0.5)
    assert 95 <= tally.requests <= 101
    assert len(tally.late) == tally.requests


async def test_an_open_loop_counts_latency_from_when_the_request_was_due():
    def slowly(writer):
        time.sleep(0.05)  # the whole server stalls, as a blocked event loop does
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async with a_server_that(slowly) as url:
        tally = await open_loop(aim_at(url, {}, chat_body(1024)), 100.0, 5.0, count=10, connections=1)
    # The tenth was due after 90 ms and answered after 500 ms: a generator that waits for its turn would say 50 ms.
    assert max(tally.latencies) > 0.35


async def test_a_stream_without_its_end_is_truncated():
    def cut(writer):
        event = b'data: {"choices":[]}\n\n'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event))

    async with a_server_that(cut) as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(1024, chunks=5)), 1, 5.0, count=3)
    assert (tally.requests, tally.errors) == (0, {"truncated": 3})


async def test_refusals_and_broken_connections_are_told_apart():
    def refuse(writer):
        writer.write(b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n")

    def leave(writer):
        writer.close()

    def garble(writer):
        writer.write(b"220 smtp ready\r\n")

    for answer, cause in ((refuse, "429"), (leave, "closed"), (garble, "garbled")):
        async with a_server_that(answer) as url:
            tally = await closed_loop(aim_at(url, {}, chat_body(1024)), 1, 5.0, count=3)
        assert (tally.requests, tally.errors) == (0, {cause: 3})


async def test_a_connection_closed_after_each_answer_is_opened_anew():
    def once(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    async with a_server_that(once) as url:
        tally = await closed_loop(aim_at(url, {}, chat_body(1024)), 2, 5.0, count=7)
    assert (tally.requests, tally.errors) == (7, {})


def test_a_body_has_exactly_the_size_asked_for():
    for size, chunks in ((1024, 0), (1024, 200), (102_400, 0)):
        body = chat_body(size, chunks)
        assert len(body) == size
        assert json.loads(body).get("stream", False) is bool(chunks)


def test_a_tally_without_answers_has_figures():
    assert Tally().figures()["requests_per_s"] == 0.0


def test_the_upstream_answers_six_hundred_bytes():
    assert len(completion()) == 600
