"""Our WebSockets against those of the `websockets` library, on both sides, plain and over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from reaching import dialer
from serving import Serve, until
from sockets import Sockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from intertie.config.snapshot import ServerLimits, SocketLimits, UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.wire.frames import BINARY, TEXT, FrameReader, Message, frame
from intertie.wire.pool import Pool
from intertie.wire.tls import client_context
from intertie.wire.upgrade import open_socket
from intertie.wire.websocket import Hearing

HEAD = b"GET /echo HTTP/1.1\r\nhost: up\r\n"
SIZES = (0, 1, 125, 126, 4_095, 4_096, 65_535, 65_536, 3_000_000)


@given(st.lists(st.one_of(st.text(), st.binary()), max_size=8), st.booleans())
def test_what_one_writes_the_other_reads(sent: list[str | bytes], from_caller: bool) -> None:
    theirs = Protocol(SERVER if from_caller else CLIENT, state=OPEN)
    key = b"\x11\x22\x33\x44" if from_caller else b""
    for one in sent:
        data = one.encode() if isinstance(one, str) else one
        theirs.receive_data(frame(TEXT if isinstance(one, str) else BINARY, data, key))
    heard = [event for event in theirs.events_received() if isinstance(event, Frame)]
    assert [one.data for one in heard] == [one.encode() if isinstance(one, str) else one for one in sent]
    assert all((one.opcode is Opcode.TEXT) == isinstance(said, str) for one, said in zip(heard, sent, strict=True))
    for one in sent:
        (theirs.send_text if isinstance(one, str) else theirs.send_binary)(
            one.encode() if isinstance(one, str) else one
        )
    ours = FrameReader(masked=not from_caller, longest=1 << 20)
    for data in theirs.data_to_send():
        ours.feed(data)
    for one in sent:
        kind, data = (TEXT, one.encode()) if isinstance(one, str) else (BINARY, one)
        assert ours.next() == Message(kind, data)
    assert ours.next() is None


def pieces(size: int) -> Iterable[bytes]:
    """A message in parts of growing size."""
    step = 1
    while size > 0:
        yield b"x" * min(step, size)
        size, step = size - step, step * 7


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_their_client_speaks_with_our_server(serve: Serve, authority: trustme.CA, secure: bool) -> None:
    app = Sockets(SocketLimits(max_message_bytes=3_000_000, ping_s=0.2))
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    serving = await serve(app, ServerLimits(), tls=server_tls(authority) if secure else None)
    url = f"{'wss' if secure else 'ws'}://localhost:{serving.port}/echo"
    async with connect(url, ssl=tls if secure else None, max_size=None, subprotocols=["realtime"]) as theirs:
        assert theirs.subprotocol == "realtime"
        for size in SIZES:
            await theirs.send("x" * size)
            assert await theirs.recv() == "x" * size
        await theirs.send(pieces(1_000_000))
        assert await theirs.recv() == b"x" * 1_000_000
        await (await theirs.ping())
        await asyncio.sleep(0.5)  # it answers our pings
        await theirs.send("still there")
        assert await theirs.recv() == "still there"
        with pytest.raises(ConnectionClosed) as caught:
            await theirs.send("x" * 3_000_001)
            await theirs.recv()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
    await until(lambda: serving.server.connections == 0)


@pytest.fixture
async def echo(authority: trustme.CA, request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool to an echo of the `websockets` library."""

    async def answer(theirs: ServerConnection) -> None:
        async for message in theirs:
            if message == "go":
                await theirs.close(4001, "gone")
            await theirs.send(message if len(message) < 500_000 else pieces(len(message)))

    secure = request.param == "TLS"
    tls = client_context()
    authority.configure_trust(tls)
    async with serve_websockets(
        answer, "127.0.0.1", 0, ssl=server_tls(authority) if secure else None, max_size=None, ping_interval=0.1
    ) as server:
        origin = Origin("https" if secure else "http", "localhost", server.sockets[0].getsockname()[1])
        pool = Pool(origin, UpstreamLimits(), max_connections=2, dialer=dialer(tls=tls))
        yield pool
        await pool.close()


@pytest.mark.parametrize("echo", ["plain", "TLS"], indirect=True)
async def test_our_client_speaks_with_their_server(echo: Pool) -> None:
    socket = await open_socket(echo, HEAD, SocketLimits(ping_s=0.2), 3.0)
    ear = Hearing()
    socket.listen(ear)
    for size in SIZES:
        socket.send(b"x" * size, text=size < 500_000)
    await until(lambda: sum(kind != "flow" for kind, _ in ear.told) == len(SIZES))
    heard = [(kind, data) for kind, data in ear.told if kind != "flow"]
    assert heard == [("text" if size < 500_000 else "binary", b"x" * size) for size in SIZES]
    await asyncio.sleep(0.5)
    assert not ear.gone.is_set(), "we answer pings, and they ours"
    socket.send(b"go")
    await asyncio.wait_for(ear.gone.wait(), 1)
    assert ear.told[-1] == ("gone", 4001)
    await until(lambda: echo.open == 0)


@pytest.mark.parametrize("echo", ["plain"], indirect=True)
async def test_our_farewell_is_theirs_too(echo: Pool) -> None:
    socket = await open_socket(echo, HEAD, SocketLimits(), 3.0)
    ear = Hearing()
    socket.listen(ear)
    socket.close(1000, "done")
    assert ear.told == [("gone", 1000)]
    await until(lambda: echo.open == 0, 1.0)
