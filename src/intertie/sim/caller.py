"""A simulated caller: one keep-alive HTTP/1.1 connection that sends a request and tells what came back, and when.

It measures the gateway from outside, so it shares no code with the gateway's own transport (`wire`): a fault there
cannot hide itself here. Everything happens in callbacks; the caller must cost less than what it measures.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

import httptools

from intertie.core.endpoint import Origin

DATA = b"data:"
DONE = b"[DONE]"
_ENDS = (DONE, b'"message_stop"')  # of OpenAI's and of Anthropic's streams
TAIL_BYTES = 4096


class Reply:
    """One answer. Times are `time.perf_counter` seconds; `due` is when the request should have left.

    `fault` is empty, `closed` (the connection ended before the answer did) or `garbled` (it was not HTTP); `events`
    counts server-sent events, `[DONE]` included; `first` is the moment of the first event, or of the first body byte
    of an answer that is no stream; `tail` holds the last bytes of the body.
    """

    __slots__ = ("due", "ended", "events", "fault", "first", "gaps", "headers", "size", "status", "tail")

    def __init__(self, due: float) -> None:
        self.due = due
        self.first = self.ended = 0.0
        self.status = self.events = self.size = 0
        self.headers: dict[bytes, bytes] = {}
        self.gaps: list[float] = []
        self.tail = b""
        self.fault = ""

    @property
    def streamed(self) -> bool:
        """Whether the answer is an event stream."""
        return self.headers.get(b"content-type", b"").startswith(b"text/event-stream")

    @property
    def truncated(self) -> bool:
        """Whether a stream began and ended without its dialect's own end."""
        return self.streamed and not any(end in self.tail[-64:] for end in _ENDS)

    @property
    def chunks(self) -> int:
        """Server-sent events that carry something: all but `[DONE]`."""
        return self.events - (self.events > 0 and not self.truncated)

    def header(self, name: str) -> str:
        """A header's value, or the empty string; `name` in lower case."""
        return self.headers.get(name.encode(), b"").decode("latin-1")


class CallerConnection(asyncio.Protocol):
    """One connection; `ended(connection, reply)` is called at the end of each answer, for better or worse.

    After it, `free` says whether the connection may carry the next request. Made by `connect`.
    """

    def __init__(self, ended: Callable[["CallerConnection", Reply], None], tail_bytes: int = TAIL_BYTES) -> None:
        self._ended, self._tail_bytes = ended, tail_bytes
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._carry = b""
        self._last = 0.0

    @property
    def free(self) -> bool:
        """Whether the connection is open and no answer is outstanding."""
        return self._transport is not None and self._reply is None

    def send(self, request: bytes, due: float | None = None) -> None:
        """Send one whole request; `due` is when it should have left (now, if not given)."""
        assert self._transport is not None and self._reply is None
        self._reply = Reply(time.perf_counter() if due is None else due)
        self._transport.write(request)

    def close(self) -> Reply | None:
        """Leave at once. An answer that had not ended is returned as far as it came; `ended` is not called for it."""
        reply, self._reply = self._reply, None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        return reply

    def attach(self, transport: asyncio.WriteTransport) -> None:
        """The connection stands."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side left; what was outstanding ends as a fault."""
        self._transport = None
        self._end("closed")

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.abort()
                self._transport = None
            self._end("garbled")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        if self._reply is not None:
            self._reply.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The status is known."""
        if self._reply is not None:
            self._reply.status = self._parser.get_status_code()
            self._carry, self._last = b"", 0.0

    def on_body(self, body: bytes) -> None:
        """A piece of the body: count its events, whatever way they are cut."""
        reply = self._reply
        if reply is None:
            return
        reply.size += len(body)
        piece = self._carry + body
        events = piece.count(DATA)
        if events or not reply.first:
            self._mark(reply, events)
        self._carry = piece[1 - len(DATA) :]
        tail = reply.tail + body if reply.tail else body
        reply.tail = tail[-self._tail_bytes :]

    def _mark(self, reply: Reply, events: int) -> None:
        now = time.perf_counter()
        if events:
            if self._last:
                reply.gaps.append(now - self._last)
            if not reply.events:
                reply.first = now
            self._last = now
            reply.events += events
        elif not reply.streamed:
            reply.first = now

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._reply is not None and self._reply.status >= 200:
            if not self._parser.should_keep_alive() and self._transport is not None:
                self._transport.close()
                self._transport = None
            self._end("")

    def _end(self, fault: str) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.ended = time.perf_counter()
            reply.fault = fault
            self._parser = self._parser if not fault else httptools.HttpResponseParser(self)
            self._ended(self, reply)


async def connect(
    origin: Origin, ended: Callable[[CallerConnection, Reply], None], tail_bytes: int = TAIL_BYTES
) -> CallerConnection:
    """Open one connection to `origin`; raises OSError if nobody is there."""
    transport, caller = await asyncio.get_running_loop().create_connection(
        lambda: CallerConnection(ended, tail_bytes),
        origin.host,
        origin.port,
        ssl=ssl.create_default_context() if origin.scheme == "https" else None,
    )
    caller.attach(transport)
    return caller


async def until(due: float) -> None:
    """Wait until `time.perf_counter` reads `due`, never less: a timer of the loop may be a millisecond early."""
    left = due - time.perf_counter()
    while left > 0:
        await asyncio.sleep(left)
        left = due - time.perf_counter()


def encode_request(path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of a POST request with a JSON body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\n{lines}content-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body
