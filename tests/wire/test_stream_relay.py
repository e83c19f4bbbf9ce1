"""Answers on their way from an endpoint to a caller."""

import asyncio
import resource
from collections.abc import Callable

import pytest
from fake_upstream import Step, Upstream, cuts, says, sends, streams
from reaching import ASK, Reach
from serving import Serve, status_of, until

from intertie.core.answers import fault_of, retry_after
from intertie.core.faults import Fault, StreamCut, UpstreamBusy, UpstreamError, UpstreamGarbled, UpstreamRefused
from intertie.wire.pool import Pool
from intertie.wire.relay import PassThrough, Stream, StreamEnd
from intertie.wire.server import Reply, Request

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = [b"data: %d\n\n" % number for number in range(200)]


class Demanding(PassThrough):
    """Holds back the end, and wants one."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        at = data.find(b"data: [DONE]")
        if at >= 0:
            data, self._tail = data[:at], data[at:]
        if data.startswith(b"nonsense"):
            raise UpstreamGarbled("not the dialect")
        return data

    def ended(self) -> bytes:
        if not self._tail:
            raise StreamCut("no end")
        return self._tail


class Relay:
    """An application that relays everything from one pool; `ends` collects how."""

    def __init__(self, pool: Pool, through: Callable[[], PassThrough] = PassThrough) -> None:
        self._pool, self._through = pool, through
        self.ends: list[StreamEnd | Fault] = []
        self.committed: list[bool] = []
        self.sinks: list[Stream] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        loop = asyncio.get_running_loop()
        connection = self._pool.idle() or await self._pool.connect()
        sink = Stream(loop, reply, connection, self._through(), lambda at: (200, b"x-first: yes\r\n"), 1000)
        self.sinks.append(sink)
        connection.exchange(ASK, sink, 3, 3)
        try:
            end = await sink.done
            self.ends.append(end)
            self.committed.append(sink.committed)
            if not sink.committed:
                reply.start(200, b"")
            reply.finish(end.tail)
        except Fault as fault:
            self.ends.append(fault)
            self.committed.append(sink.committed)
            if sink.committed:
                reply.finish(b"event: error\n\n")
            else:
                reply.send(502, b"", fault.code.encode())
        except asyncio.CancelledError:
            connection.cancel()
            raise


async def test_a_stream_passes_byte_for_byte_and_its_end_waits_for_the_books(
    serve: Serve, upstream: Upstream, reach: Reach
) -> None:
    endpoint = await upstream(streams([*EVENTS, b"data: [DONE]\n\n"]))
    app = Relay(reach(endpoint.port), Demanding)
    serving = await serve(app)
    for _ in range(3):
        async with await serving.caller() as caller:
            caller.send(GET)
            assert b"x-first: yes\r\n" in await caller.head()
            assert unchunk(await caller.reader.readuntil(b"\r\n0\r\n\r\n")) == b"".join(EVENTS) + b"data: [DONE]\n\n"
    end = app.ends[0]
    assert isinstance(end, StreamEnd)
    assert end.tail == b"data: [DONE]\n\n"
    assert 0 < end.first_byte <= end.ended
    assert endpoint.accepted == 1


async def test_an_endpoint_that_ends_without_the_dialects_end_is_cut(
    serve: Serve, upstream: Upstream, reach: Reach
) -> None:
    endpoint = await upstream(streams(EVENTS))
    app = Relay(reach(endpoint.port), Demanding)
    serving = await serve(app)
    async with await serving.caller() as caller:
        caller.send(GET)
        await caller.head()
        assert unchunk(await caller.reader.readuntil(b"\r\n0\r\n\r\n")) == b"".join(EVENTS) + b"event: error\n\n"
    assert [type(end) for end in app.ends] == [StreamCut]


UNWELL: dict[str, tuple[Step, type[Fault], bool]] = {
    "cut before the first byte": (cuts(OK + b"transfer-encoding: chunked\r\n\r\n"), StreamCut, False),
    "cut after the first byte": (cuts(OK + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n"), StreamCut, True),
    "nonsense": (says(200, b"nonsense"), UpstreamGarbled, False),
    "nonsense later": (sends(OK + b"content-length: 9\r\n\r\n", b"x", b"nonsense", gap_s=0.02), UpstreamGarbled, True),
    "a server error": (says(500, b"oh"), UpstreamError, False),
    "a long server error": (says(500, b"o" * 2_000), UpstreamGarbled, False),
    "busy": (says(429, b"later", b"retry-after: 2"), UpstreamBusy, False),
    "refused": (says(400, b"no"), UpstreamRefused, False),
    "a redirect": (says(302, b"", b"location: http://169.254.169.254/"), UpstreamGarbled, False),
}


@pytest.mark.parametrize("name", UNWELL)
async def test_faults_come_through_done(serve: Serve, upstream: Upstream, reach: Reach, name: str) -> None:
    step, fault, committed = UNWELL[name]
    endpoint = await upstream(step)
    app = Relay(reach(endpoint.port), Demanding)
    serving = await serve(app)
    async with await serving.caller() as caller:
        caller.send(GET)
        assert status_of(await caller.head()) == (200 if committed else 502)
        await until(lambda: len(app.ends) == 1)
    assert type(app.ends[0]) is fault
    assert app.committed == [committed]


async def test_a_stream_without_content_is_not_committed(serve: Serve, upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(streams([]))
    app = Relay(reach(endpoint.port))
    serving = await serve(app)
    async with await serving.caller() as caller:
        caller.send(GET)
        await caller.head()
    assert app.committed == [False]


async def test_a_slow_reader_holds_the_endpoint_back_and_memory_stays_flat(
    serve: Serve, upstream: Upstream, reach: Reach
) -> None:
    event, count = b"data: " + b"x" * 100_000 + b"\n\n", 600
    endpoint = await upstream(streams([event] * count))
    app = Relay(reach(endpoint.port))
    serving = await serve(app)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with await serving.caller() as caller:
        caller.send(GET)
        await asyncio.sleep(0.5)  # nobody reads: what is not in kernel buffers waits at the endpoint
        assert not app.ends
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB; the stream is 60 MB
        got = 0
        await caller.head()
        while got < count * len(event):
            got += len(await asyncio.wait_for(caller.reader.read(1 << 20), 3))
    await until(lambda: len(app.ends) == 1)
    assert isinstance(app.ends[0], StreamEnd)


async def test_a_slow_reader_is_not_the_endpoints_fault(serve: Serve, upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(streams([b"x" * 1_000_000] * 20))
    pool = reach(endpoint.port)
    ends: list[object] = []

    async def impatient(request: Request, reply: Reply) -> None:
        connection = await pool.connect()
        sink = Stream(asyncio.get_running_loop(), reply, connection, PassThrough(), lambda at: (200, b""), 1000)
        connection.exchange(ASK, sink, 0.3, 0.3)
        ends.append(await sink.done)
        reply.finish()

    serving = await serve(impatient)
    async with await serving.caller() as caller:
        caller.send(GET)
        await asyncio.sleep(1.0)
        assert ends == []
        body = await caller.reader.readuntil(b"\r\n\r\n")
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body = body[-7:] + await asyncio.wait_for(caller.reader.read(1 << 20), 3)
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("status", "headers", "fault", "wait"),
    [
        (301, {}, UpstreamGarbled, None),
        (400, {}, UpstreamRefused, None),
        (404, {b"retry-after": b"1"}, UpstreamRefused, 1.0),
        (429, {}, UpstreamBusy, None),
        (429, {b"retry-after-ms": b"250", b"retry-after": b"9"}, UpstreamBusy, 0.25),
        (500, {}, UpstreamError, None),
        (503, {}, UpstreamError, None),
        (503, {b"retry-after": b"1.5"}, UpstreamBusy, 1.5),
        (529, {}, UpstreamBusy, None),
    ],
)
def test_a_status_says_whose_fault_it_is(
    status: int, headers: dict[bytes, bytes], fault: type[Fault], wait: float | None
) -> None:
    found = fault_of(status, headers, b'{"error":{}}')
    assert type(found) is fault
    assert found.retry_after == wait
    if isinstance(found, UpstreamError):
        assert (found.upstream_status, found.body) == (status, b'{"error":{}}')


def test_retry_after_may_be_a_date() -> None:
    date = b"Fri, 20 Nov 2026 10:00:00 GMT"
    assert retry_after({b"retry-after": b"Fri, 20 Nov 2026 10:00:30 GMT", b"date": date}) == 30
    assert retry_after({b"retry-after": b"Fri, 20 Nov 2026 09:00:00 GMT", b"date": date}) == 0
    for nonsense in (b"", b"soon", b"-1", b"nan", b"inf", b"1e99", b"\xff"):
        assert retry_after({b"retry-after": nonsense, b"date": date}) is None


def unchunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body


class Flow:
    """A reply and a connection at once, as far as backpressure sees them."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, status: int, headers: bytes) -> None:
        self.told.append("start")

    def write(self, data: bytes) -> None:
        self.told.append("write")

    def watch_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.slow, self.quick = pause, resume

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


async def test_a_connection_that_serves_somebody_else_is_not_paused_any_more() -> None:
    flow = Flow()
    sink = Stream(asyncio.get_running_loop(), flow, flow, PassThrough(), lambda at: (200, b""), 1000)
    sink.on_head(200, {})
    sink.on_body(b"x")
    flow.slow()
    flow.quick()
    sink.on_end()
    flow.slow()
    flow.quick()
    assert flow.told == ["start", "write", "pause", "resume"]
