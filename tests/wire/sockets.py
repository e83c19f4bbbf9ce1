"""WebSockets under test: a server that echoes and remembers, and a caller who speaks frames by hand."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from serving import Caller, Serving

from intertie.config.snapshot import ServerLimits, SocketLimits
from intertie.core.faults import Fault
from intertie.wire.frames import CLOSE, FrameReader, Message, frame, read_close
from intertie.wire.server import Reply, Request
from intertie.wire.upgrade import is_asked, offered, welcome
from intertie.wire.websocket import WebSocket

HELLO = (
    b"GET /socket HTTP/1.1\r\nhost: gateway\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


class Echo:
    """The ear of a server's socket: says everything again."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.told: list[tuple[str, object]] = []
        self.gone: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def on_message(self, data: bytes, text: bool) -> None:
        self.told.append(("text" if text else "binary", data))
        self.socket.send(data, text=text)

    def on_flow(self, clear: bool) -> None:
        self.told.append(("flow", clear))
        if clear:
            self.socket.go_on()
        else:
            self.socket.hold()

    def on_leave(self, why: str) -> None:
        self.told.append(("leave", why))
        self.socket.close(1012, why)

    def on_gone(self, code: int, why: str) -> None:
        self.told.append(("gone", code))
        self.gone.set_result((code, why))


class Sockets:
    """The application: every request that asks for a socket gets an echo, after `before` has been waited for."""

    def __init__(
        self, limits: SocketLimits | None = None, before: Callable[[Request], Awaitable[None]] | None = None
    ) -> None:
        self.limits, self._before = limits or SocketLimits(), before
        self.ears: list[Echo] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        if not is_asked(request):
            reply.send(200, b"", request.method.encode() + b" " + request.body)
            return
        try:
            if self._before is not None:
                await self._before(request)
            names = offered(request)
            socket = reply.switch(welcome(request, names[0] if names else b""), self.limits)
        except Fault as fault:
            reply.send(fault.status, b"", str(fault).encode())
            return
        ear = Echo(socket)
        self.ears.append(ear)
        socket.listen(ear)
        try:
            await ear.gone
        except asyncio.CancelledError:
            socket.close(1001)


class RawSocket:
    """A caller in frames."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.reader = FrameReader(masked=False, longest=1 << 26)

    async def open(self, more: bytes = b"", behind: bytes = b"") -> bytes:
        """Shake hands; the head of the answer."""
        self.caller.send(HELLO + more + b"\r\n" + behind)
        return await self.caller.head()

    def say(self, kind: int, data: bytes) -> None:
        self.caller.send(frame(kind, data, os.urandom(4)))

    async def next(self, seconds: float = 3.0) -> Message | None:
        """The next message or control frame; None when the server has closed."""
        while True:
            if (message := self.reader.next()) is not None:
                return message
            data = await asyncio.wait_for(self.caller.reader.read(1 << 16), seconds)
            if not data:
                return None
            self.reader.feed(data)

    async def farewell(self, seconds: float = 3.0) -> int:
        """What the server says when it closes, whatever comes before; 0 if nothing."""
        while (message := await self.next(seconds)) is not None:
            if message.kind == CLOSE:
                return read_close(message.data)[0]
        return 0


async def opened(
    serve: Callable[..., Awaitable[Serving]], app: Sockets, more: bytes = b""
) -> tuple[Serving, RawSocket]:
    """A server with this application, and a caller who has shaken hands with it."""
    serving = await serve(app, ServerLimits())
    raw = RawSocket(await serving.caller(1 << 24))
    assert (await raw.open(more)).startswith(b"HTTP/1.1 101 ")
    return serving, raw
