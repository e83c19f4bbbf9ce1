"""An endpoint that does what a test tells it: each request is answered by the next step of its script."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence

Step = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One request as the endpoint sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
        self.reader, self.writer, self.head, self.body = reader, writer, head, body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class FakeUpstream:
    """The last step of the script is repeated. `left` counts connections that the other side closed."""

    def __init__(self, *script: Step) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.visits: list[Visit] = []
        self.accepted = self.left = self.port = 0

    async def start(self, tls: ssl.SSLContext | None = None) -> "FakeUpstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left += 1
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.transport.close()
            self._tasks.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            body = await reader.readexactly(int(length.partition(b":")[2]))
            visit = Visit(reader, writer, head, body)
            step = self._script[min(len(self.visits), len(self._script) - 1)]
            self.visits.append(visit)
            await step(visit)


Upstream = Callable[..., Awaitable[FakeUpstream]]


def says(status: int, body: bytes, *lines: bytes) -> Step:
    """A whole answer, with a length."""
    head = b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\n" % (status, len(body))
    return sends(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)


def sends(*parts: bytes, gap_s: float = 0.0) -> Step:
    """These bytes, and the connection stays open."""

    async def step(visit: Visit) -> None:
        for part in parts:
            await visit.send(part)
            await asyncio.sleep(gap_s)

    return step


def cuts(*parts: bytes, reset: bool = False) -> Step:
    """These bytes, and the connection is closed."""

    async def step(visit: Visit) -> None:
        await sends(*parts, gap_s=0.01)(visit)
        if reset:
            sock = visit.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            visit.writer.transport.abort()
        visit.writer.close()

    return step


def streams(events: Sequence[bytes], gap_s: float = 0.0) -> Step:
    """A chunked answer of server-sent events."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return sends(head, *(chunk(event) for event in events), b"0\r\n\r\n", gap_s=gap_s)


async def hangs(visit: Visit) -> None:
    """Nothing, until the other side closes."""
    await visit.reader.readexactly(1)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
