"""One connection to an endpoint: a message out, an answer in, told to a sink in callbacks.

Endpoints are not trusted more than callers: heads are bounded, framing is checked, and whatever does not fit ends the
connection. `deadline` is its only clock: the pool's sweep calls `expire` once it has passed.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from intertie.core.faults import (
    ConnectFailed,
    Fault,
    FirstByteLate,
    StaleConnection,
    StreamCut,
    StreamStalled,
    UpstreamFault,
    UpstreamGarbled,
)

MAX_HEAD: Final = 64 * 1024
MAX_HEADERS: Final = 256


class Sink(Protocol):
    """Who an answer is told to: `on_head` once, `on_body` any number of times, then one of `on_end` and `on_fault`.

    A sink may raise a Fault from `on_head` and `on_body`: the connection is closed, and the fault comes back through
    `on_fault`.
    """

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """The final status (never 1xx) and the headers, names in lower case."""
        ...

    def on_body(self, data: bytes) -> None:
        """Some of the body; everything that came in one read is told in one call."""
        ...

    def on_end(self) -> None:
        """The answer is whole."""
        ...

    def on_fault(self, fault: Fault) -> None:
        """The answer will not be whole."""
        ...


class Hearing:
    """A sink that remembers what it was told, in order; the fake that ships with `Sink`."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[bytes, bytes]] | bytes | Fault | None] = []
        self.over = asyncio.Event()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Remember the head."""
        self.told.append((status, headers))

    def on_body(self, data: bytes) -> None:
        """Remember a part."""
        self.told.append(data)

    def on_end(self) -> None:
        """Remember a good end as None."""
        self.told.append(None)
        self.over.set()

    def on_fault(self, fault: Fault) -> None:
        """Remember a bad end."""
        self.told.append(fault)
        self.over.set()


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. `reused` once it has answered; `closed` once it can no more.

    `on_free` is called when an answer is whole (see `keep_alive`), `on_lost` when the connection is gone; `prefix` is
    set where an HTTP proxy stands in between (see `through_proxy`). `switch` is set by whoever asks for an upgrade: at
    status 101 it is given the transport and what came behind the head, and owes this the `connection_lost`.
    """

    __slots__ = (
        "_complete", "_feed", "_head", "_headers", "_idle_s", "_loop", "_on_free", "_on_lost", "_parser", "_parts",
        "_paused", "_prefix", "_raw", "_sink", "_status", "_told", "_transport", "_until_eof",
        "closed", "deadline", "keep_alive", "on_body", "reused", "switch",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(
        self, on_free: "Callable[[Connection], None]", on_lost: "Callable[[Connection], None]", prefix: bytes = b""
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_free, self._on_lost = on_free, on_lost
        self._prefix = prefix
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # called by the parser without a Python frame in between
        self._parser = httptools.HttpResponseParser(self)
        self._feed: Callable[[bytes], None] = self._parser.feed_data
        self._headers: dict[bytes, bytes] = {}
        self._head = self._headers
        self._sink: Sink | None = None
        self._status = self._raw = 0
        self._idle_s = 0.0
        self._complete = self._told = self._until_eof = self._paused = False
        self.keep_alive = True
        self.closed = self.reused = False
        self.deadline = math.inf
        self.switch: Callable[[asyncio.Transport, bytes], None] | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The transport under this connection."""
        return self._transport

    def exchange(self, message: bytes | list[bytes], sink: Sink, first_byte_s: float, idle_s: float) -> None:
        """Send a request and tell `sink` its answer.

        A list is sent without being joined. `first_byte_s` bounds the wait for the head, `idle_s` each later silence.
        """
        assert self._sink is None, "one exchange at a time"
        self._sink = sink
        self._idle_s = idle_s
        self._status = self._raw = 0
        self._told = self._complete = self._until_eof = False
        self.deadline = self._loop.time() + first_byte_s
        if self.closed:
            self._loop.call_soon(self._lost_before_answer)
        elif self._prefix:
            self._transport.writelines(through_proxy(message, self._prefix))
        elif isinstance(message, bytes):
            self._transport.write(message)
        else:
            self._transport.writelines(message)

    def cancel(self) -> None:
        """Close at once; the sink hears nothing more."""
        self._sink = None
        self._close()

    def leave(self, sink: Sink) -> None:
        """The sink wants no more: close at once, unless its answer was whole: then another's may be under way."""
        if self._sink is sink:
            self.cancel()

    def pause(self) -> None:
        """Stop reading: whoever the answer is for cannot take more now. Its silence is not the endpoint's."""
        if not self._paused and self._sink is not None and not self.closed:
            self._paused = True
            self.deadline = math.inf
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._paused and not self.closed:
            self._paused = False
            self.deadline = self._loop.time() + self._idle_s
            self._transport.resume_reading()

    def rest(self, keep_alive_s: float) -> None:
        """Wait in the pool for the next exchange, so long at most."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self.deadline = self._loop.time() + keep_alive_s

    # --- called by the transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports inherit from none

    def data_received(self, data: bytes) -> None:
        """Parse, and tell the sink what was found."""
        sink = self._sink
        if sink is None:  # nobody asked: an answer to nothing, or to a cancelled exchange
            self._close()
            return
        if self._told and not self._paused:
            self.deadline = self._loop.time() + self._idle_s
        self._raw += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as stop:
            if self.switch is None or self._status != 101:
                self._fail(UpstreamGarbled("the endpoint switched protocols without being asked"))
            else:
                self._hand_over(sink, self.switch, data[stop.args[0] :])
            return
        except httptools.HttpParserError as error:
            if not self._complete:
                self._fail(_garbled(error))
                return
            self.keep_alive = False  # what follows a whole answer is nobody's
        self._tell(sink)

    def eof_received(self) -> None:
        """The endpoint closed: the end of a body that has no other end, else a cut."""
        if self._sink is not None and self._until_eof:
            self.keep_alive = False
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self.closed = True
        self.deadline = math.inf
        del self._parser, self._feed  # they hold this object: memory need not wait for the collector
        self._on_lost(self)
        if self._sink is not None:
            self._fail(self._cut())

    # --- called by the parser ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A message begins; one behind a whole answer is refused."""
        if self._complete:
            raise UpstreamGarbled("the endpoint answered more than it was asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; behind the body they are trailers, and are dropped."""
        name = name.lower()
        headers = self._headers
        if name in headers:
            if len(headers[name]) > MAX_HEAD:
                raise UpstreamGarbled("the endpoint's headers are too large")
            headers[name] += b", " + value.rstrip()
        else:
            headers[name] = value.rstrip()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        status, headers = self._parser.get_status_code(), self._headers
        if status == 101 and self.switch is None:
            raise UpstreamGarbled("the endpoint switched protocols without being asked")
        if status < 200 and status != 101:
            headers.clear()
            return
        if self._raw > MAX_HEAD or len(headers) > MAX_HEADERS:
            _check_head_size(headers)
        coding = headers.get(b"transfer-encoding")
        if coding is None:
            self._until_eof = b"content-length" not in headers and status not in (204, 304)
        elif coding.lower() != b"chunked":
            raise UpstreamGarbled("the endpoint's Transfer-Encoding is not `chunked`")
        self._status, self._head, self._headers = status, headers, {}

    def on_message_complete(self) -> None:
        """The message is whole; an interim one does not count."""
        if self._status:
            self._complete = True
            self.keep_alive = self._parser.should_keep_alive()

    # --- telling -------------------------------------------------------------------------------------------------

    def _tell(self, sink: Sink) -> None:
        try:
            if not self._told:
                if not self._status:
                    self._check_unfinished_head()
                    return
                self._told = True
                self.deadline = self._loop.time() + self._idle_s
                sink.on_head(self._status, self._head)
            parts = self._parts
            if parts:
                data = parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                if self._sink is not None:
                    sink.on_body(data)
        except Fault as fault:
            self._fail(fault)
            return
        if self._complete and self._sink is not None:
            self._finish()

    def _check_unfinished_head(self) -> None:
        if self._raw > MAX_HEAD:
            raise UpstreamGarbled("the endpoint's headers are too large")

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        if self._headers:
            self._headers = {}
        self._on_free(self)
        self.reused = True
        if sink is not None:
            sink.on_end()

    def _hand_over(self, sink: Sink, switch: Callable[[asyncio.Transport, bytes], None], rest: bytes) -> None:
        self._sink, self.deadline = None, math.inf
        sink.on_head(self._status, self._head)
        switch(self._transport, rest)
        sink.on_end()

    def _fail(self, fault: Fault) -> None:
        sink, self._sink = self._sink, None
        self._close()
        if sink is not None:
            sink.on_fault(fault)

    def _cut(self) -> UpstreamFault:
        if self._raw:
            return StreamCut("the endpoint closed the connection before its answer was whole")
        if self.reused:
            return StaleConnection("the endpoint had closed a kept connection")
        return ConnectFailed("the endpoint closed the connection without an answer")

    def _lost_before_answer(self) -> None:
        if self._sink is not None:
            self._fail(self._cut())

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self.deadline = math.inf
            self._transport.abort()

    def expire(self, now: float) -> None:
        """The deadline has passed: an idle connection is closed, a late answer is a fault."""
        if self._sink is None:
            self._close()
        elif self._told:
            self._fail(StreamStalled(f"the endpoint fell silent for {self._idle_s:g} s"))
        else:
            self._fail(FirstByteLate("the endpoint did not answer in time"))


def through_proxy(message: bytes | list[bytes], prefix: bytes) -> list[bytes]:
    """The message as an HTTP proxy wants it: the target in absolute form.

    `prefix` is `http://authority`, and behind a line end further header lines.
    """
    first, *rest = [message] if isinstance(message, bytes) else message
    origin, _, lines = prefix.partition(b"\r\n")
    method, _, tail = first.partition(b" ")
    target, _, tail = tail.partition(b"\r\n")
    return [b"%b %b%b\r\n%b" % (method, origin, target, lines), tail, *rest]


def _garbled(error: httptools.HttpParserError) -> Fault:
    cause = error.__context__
    return cause if isinstance(cause, Fault) else UpstreamGarbled(f"the endpoint's answer is not HTTP: {error}")


def _check_head_size(headers: dict[bytes, bytes]) -> None:
    size = sum(len(name) + len(value) + 4 for name, value in headers.items())
    if size > MAX_HEAD or len(headers) > MAX_HEADERS:
        raise UpstreamGarbled("the endpoint's headers are too large")
