"""An endpoint that a test scripts, byte by byte, and what it saw of the gateway."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from intertie.wire.tasks import Tasks

EVENTS = b"content-type: text/event-stream\r\n"
JSON = b"content-type: application/json\r\n"
DONE = b"data: [DONE]\n\n"


class Line(asyncio.Protocol):
    """One connection of the gateway to this endpoint. `lost` is set when the gateway has closed it."""

    def __init__(self, endpoint: "Scripted") -> None:
        self._endpoint = endpoint
        self._buffer = bytearray()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._endpoint.lines.append(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not gap:
            return
        fields = head.split(b"\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        size = int(headers.get(b"content-length", b"0"))
        if len(rest) < size:
            return
        del self._buffer[: len(head) + 4 + size]
        visit = Visit(self, head, headers, rest[:size])
        self._endpoint.visits.append(visit)
        self._endpoint.tasks.start(self._endpoint.script(visit))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class Visit:
    """One request as the endpoint sees it, and what it can do about it."""

    def __init__(self, line: Line, head: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        self.line, self.head, self.headers, self.body = line, head, headers, body

    @property
    def asked(self) -> dict[str, Any]:
        """The body, understood."""
        return json.loads(self.body)

    def write(self, data: bytes) -> None:
        """Bytes as they are; nothing where the gateway has left."""
        if not self.line.lost.is_set():
            self.line.transport.write(data)

    def answer(self, status: int, body: bytes, headers: bytes = JSON) -> None:
        """A whole answer."""
        head = b"HTTP/1.1 %d Said\r\n%bcontent-length: %d\r\n\r\n" % (status, headers, len(body))
        self.write(head + body)

    def begin(self, status: int = 200, headers: bytes = EVENTS) -> None:
        """The head of a chunked answer."""
        self.write(b"HTTP/1.1 %d Said\r\n%btransfer-encoding: chunked\r\n\r\n" % (status, headers))

    def say(self, data: bytes) -> None:
        """One chunk."""
        self.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """The end of a chunked answer."""
        self.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Close the connection without a word."""
        self.line.transport.abort()

    def reset(self) -> None:
        """Close so that the kernel sends RST."""
        connection = self.line.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.transport.abort()


Script = Callable[[Visit], Awaitable[None]]


class Scripted:
    """See the module. `visits` are the requests that came, `lines` all connections ever made; `script` may change."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.visits: list[Visit] = []
        self.lines: list[Line] = []
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(self.crashes.append)
        self.port = 0

    @property
    def open(self) -> int:
        """Connections open now."""
        return sum(not line.lost.is_set() for line in self.lines)

    async def visited(self, count: int = 1) -> Visit:
        """Wait for so many requests; the last one."""
        await until(lambda: len(self.visits) >= count)
        return self.visits[count - 1]


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Scripted]:
    """A scripted endpoint for as long as the block lasts; fails the test if a script crashed."""
    endpoint = Scripted(script)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(endpoint), "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for line in endpoint.lines:
            line.transport.abort()
        await endpoint.tasks.close(1.0)
    assert not endpoint.crashes, endpoint.crashes


def says(status: int, body: bytes, headers: bytes = JSON) -> Script:
    """A script that gives one whole answer."""

    async def script(visit: Visit) -> None:
        visit.answer(status, body, headers)

    return script


def streams(*events: bytes) -> Script:
    """A script that gives one streamed answer, event by event."""

    async def script(visit: Visit) -> None:
        await spoken(visit, *events)
        visit.end()

    return script


async def spoken(visit: Visit, *events: bytes) -> None:
    """Begin a stream and say so much of it, with a pause behind each event so that it is read by itself."""
    visit.begin()
    for event in events:
        visit.say(event)
        await asyncio.sleep(0.003)


async def hang(visit: Visit) -> None:
    """Never answer; ends when the gateway leaves."""
    await visit.line.lost.wait()


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait until something is so."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "it did not become so in time"
        await asyncio.sleep(0.005)


def token(text: str, index: int = 0, **more: object) -> bytes:
    """One chunk of a chat stream as an event."""
    choice = {"index": index, "delta": {"content": text}, "finish_reason": None}
    return event(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    )


def closing(reason: str = "stop") -> bytes:
    """The chunk that says why the answer ends."""
    choice = {"index": 0, "delta": {}, "finish_reason": reason}
    return event({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def usage(prompt: int = 9, completion: int = 5) -> bytes:
    """The usage chunk."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return event({**frame, "choices": [], "usage": counts})


def event(data: object) -> bytes:
    """A value as a server-sent event."""
    return b"data: " + json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def completion(text: str = "Hello.", **more: object) -> bytes:
    """A whole chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    counts = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    frame = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return json.dumps({**frame, "usage": counts, **more}).encode()


def free_port() -> int:
    """A port of the loopback interface at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
