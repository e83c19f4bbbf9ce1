"""A server with an application that tests script, and callers that speak to it in raw bytes."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from intertie.config.snapshot import ServerLimits
from intertie.core.faults import Fault
from intertie.wire.server import Rendered, Reply, Request, Server

Answer = Callable[[Request, Reply], Awaitable[None]]


async def echo(request: Request, reply: Reply) -> None:
    """Say what was understood, and repeat the body."""
    line = f"{request.method} {request.path.decode()}".encode()
    reply.send(200, b"content-type: text/plain\r\n", line + b"|" + request.query + b"|" + request.body)


class Scripted:
    """The application: answers by a function; faults are told by their code."""

    def __init__(self, answer: Answer, screen: Callable[[Request], Rendered | None] | None) -> None:
        self._answer = answer
        self._screen = screen
        self.requests: list[Request] = []
        self.screened: list[Request] = []

    def screen(self, request: Request) -> Rendered | None:
        self.screened.append(request)
        return self._screen(request) if self._screen is not None else None

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.requests.append(request)
        await self._answer(request, reply)

    def render(self, fault: Fault) -> Rendered:
        return fault.status, b"content-type: text/plain\r\n", f"{fault.code}: {fault}".encode()


class Serving:
    """One server under test. `crashes` is what the application let out."""

    def __init__(self, server: Server, app: Scripted, port: int, crashes: list[BaseException]) -> None:
        self.server, self.app, self.port, self.crashes = server, app, port, crashes
        self.callers: list[Caller] = []

    @classmethod
    async def start(
        cls,
        answer: Answer | None,
        limits: ServerLimits,
        screen: Callable[[Request], Rendered | None] | None = None,
        tls: ssl.SSLContext | None = None,
        sock: socket.socket | None = None,
    ) -> "Serving":
        crashes: list[BaseException] = []
        app = Scripted(answer or echo, screen)
        server = Server(app, limits, crashes.append)
        sock = sock or bound_socket()
        await server.listen(sock, tls)
        return cls(server, app, sock.getsockname()[1], crashes)

    async def caller(self, limit: int = 1 << 16) -> "Caller":
        """Connect; no more than about `limit` bytes are read before they are asked for."""
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port, limit=limit))
        self.callers.append(caller)
        return caller

    async def say(self, message: bytes, seconds: float = 3.0) -> bytes:
        """Connect, send, and read until the server closes."""
        async with await self.caller() as caller:
            caller.send(message)
            return await caller.rest(seconds)

    async def ask(self, message: bytes) -> bytes:
        """Connect, send, and read one answer with a known length."""
        async with await self.caller() as caller:
            caller.send(message)
            return await caller.answer()


Serve = Callable[..., Awaitable[Serving]]


class Caller:
    """A caller in raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    def send(self, message: bytes) -> None:
        self.writer.write(message)

    async def head(self) -> bytes:
        """An answer's head, with its empty line."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 3)

    async def answer(self) -> bytes:
        """One answer: head and as much body as it announces."""
        head = await self.head()
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        return head + await asyncio.wait_for(self.reader.readexactly(int(length.partition(b":")[2])), 3)

    async def rest(self, seconds: float = 3.0) -> bytes:
        """Everything until the server closes. Raises TimeoutError if it does not."""
        return await asyncio.wait_for(self.reader.read(), seconds)


def bound_socket() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def status_of(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait until something is so."""
    for _ in range(int(seconds / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError
