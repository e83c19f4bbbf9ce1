"""WebSockets to endpoints that are scripted byte by byte: what is no handshake, what breaks the protocol, the place."""

import asyncio
import re
from base64 import b64encode
from hashlib import sha1

import pytest
from fake_upstream import Step, Upstream, Visit, hangs, says
from reaching import Reach
from serving import until

from intertie.config.snapshot import SocketLimits, UpstreamLimits
from intertie.core.faults import ConnectFailed, Fault, FirstByteLate, UpstreamBusy, UpstreamGarbled, UpstreamRefused
from intertie.wire.frames import BINARY, TEXT, FrameReader, Message, frame
from intertie.wire.pool import Pool
from intertie.wire.upgrade import open_socket
from intertie.wire.websocket import Hearing, WebSocket

HEAD = b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: up\r\n"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accepts(
    *frames: bytes, more: bytes = b"", accept: bytes | None = None, switch: bytes = b"Upgrade: websocket\r\n"
) -> Step:
    """Shake hands, with these frames in the same write; stay until the other side closes."""

    async def step(visit: Visit) -> None:
        found = re.search(rb"sec-websocket-key: (\S+)", visit.head)
        assert found is not None
        answer = accept or b64encode(sha1(found[1] + GUID).digest())
        lines = b"connection: Upgrade\r\n%bsec-websocket-accept: %b\r\n%b\r\n" % (switch, answer, more)
        await visit.send(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"".join(frames))
        visit.heard = await visit.reader.read()

    return step


async def reached(pool: Pool, timeout_s: float = 3.0, **options: object) -> tuple[WebSocket, Hearing]:
    socket = await open_socket(pool, HEAD, SocketLimits(), timeout_s, **options)
    ear = Hearing()
    socket.listen(ear)
    return socket, ear


async def test_an_endpoint_is_greeted_and_what_it_says_at_once_is_heard(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(accepts(frame(TEXT, b"hello"), frame(BINARY, b"\x00")))
    pool = reach(endpoint.port)
    socket, ear = await reached(pool)
    socket.send(b"at last")
    await until(lambda: len(ear.told) == 2)
    assert ear.told == [("text", b"hello"), ("binary", b"\x00")]
    assert (pool.open, pool.in_flight) == (1, 1)
    socket.leave()
    await until(lambda: pool.open == 0)
    head = endpoint.visits[0].head
    assert head.startswith(HEAD) and b"sec-websocket-version: 13" in head and b"extensions" not in head
    reader = FrameReader(masked=True, longest=100)
    await until(lambda: endpoint.left == 1 or endpoint.visits[0].writer.is_closing())
    reader.feed(endpoint.visits[0].heard)
    assert reader.next() == Message(TEXT, b"at last"), "who calls masks"


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        pytest.param(says(401, b"no"), UpstreamRefused, id="refused"),
        pytest.param(says(429, b"later", b"retry-after: 3"), UpstreamBusy, id="busy"),
        pytest.param(says(200, b"hello"), UpstreamGarbled, id="plain HTTP"),
        pytest.param(accepts(accept=b"wrong"), UpstreamGarbled, id="another key"),
        pytest.param(accepts(switch=b""), UpstreamGarbled, id="no upgrade"),
        pytest.param(accepts(more=b"sec-websocket-protocol: soap\r\n"), UpstreamGarbled, id="another subprotocol"),
        pytest.param(accepts(more=b"sec-websocket-extensions: x\r\n"), UpstreamGarbled, id="an extension"),
        pytest.param(hangs, FirstByteLate, id="silence"),
    ],
)
async def test_what_is_no_handshake_is_a_fault_and_leaves_no_connection(
    upstream: Upstream, reach: Reach, step: Step, fault: type[Fault]
) -> None:
    pool = reach((await upstream(step)).port)
    with pytest.raises(fault):
        await reached(pool, 0.3)
    await until(lambda: pool.in_flight == 0)


async def test_a_subprotocol_that_was_offered_may_be_chosen(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(accepts(more=b"sec-websocket-protocol: realtime\r\n"))
    socket, _ = await reached(reach(endpoint.port), subprotocols=[b"realtime", b"other"])
    assert b"sec-websocket-protocol: realtime, other\r\n" in endpoint.visits[0].head
    socket.cut()


async def test_nobody_there_is_a_fault(reach: Reach) -> None:
    with pytest.raises(ConnectFailed):
        await reached(reach(1))


async def test_an_endpoint_that_breaks_the_protocol_is_left(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(accepts(frame(TEXT, b"fine"), frame(TEXT, b"masked", b"\x01\x02\x03\x04")))
    pool = reach(endpoint.port)
    _, ear = await reached(pool)
    await asyncio.wait_for(ear.gone.wait(), 1)
    assert ear.told == [("text", b"fine"), ("gone", 1002)]
    await until(lambda: pool.open == 0)


async def test_who_leaves_while_the_endpoint_thinks_leaves_no_connection(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(hangs)
    pool = reach(endpoint.port)
    opening = asyncio.ensure_future(reached(pool))
    await until(lambda: pool.in_flight == 1 and endpoint.visits != [])
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: pool.open == 0 and endpoint.left == 1)


async def test_a_socket_keeps_its_place_among_the_connections(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(accepts())
    pool = reach(endpoint.port, UpstreamLimits(connect_timeout_s=0.2), max_connections=1)
    socket, _ = await reached(pool)
    with pytest.raises(UpstreamBusy):
        await pool.connect()
    socket.cut()
    second, _ = await reached(pool)
    second.cut()
