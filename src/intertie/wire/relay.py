"""Where an endpoint's answer goes: collected whole, or relayed chunk by chunk without waking a coroutine."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import msgspec

from intertie.core.answers import fault_of
from intertie.core.faults import Fault, UpstreamGarbled
from intertie.wire.client import Connection, Sink
from intertie.wire.reply import Outlet


class Answer(msgspec.Struct):
    """An endpoint's answer, whole. `first_byte` and `ended` are monotonic seconds."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    first_byte: float
    ended: float


class StreamEnd(msgspec.Struct):
    """A relayed stream ended well. `tail` is held back: whoever settles the bill sends it. Times are monotonic."""

    tail: bytes
    first_byte: float
    ended: float


class Collect:
    """A sink that collects an answer whole; `answered` resolves to it, or raises the fault."""

    __slots__ = ("_first_byte", "_headers", "_left", "_loop", "_parts", "_status", "answered")

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int) -> None:
        self._loop, self._left = loop, max_bytes
        self._status, self._first_byte = 0, 0.0
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self.answered: asyncio.Future[Answer] = loop.create_future()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head."""
        self._status, self._headers, self._first_byte = status, headers, monotonic()

    def on_body(self, data: bytes) -> None:
        """Keep a part. Raises UpstreamGarbled when it is too much."""
        self._left -= len(data)
        if self._left < 0:
            raise UpstreamGarbled("the endpoint's answer is larger than allowed")
        self._parts.append(data)

    def on_end(self) -> None:
        """Hand over what was collected."""
        if not self.answered.done():
            parts = self._parts
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            self.answered.set_result(Answer(self._status, self._headers, body, self._first_byte, monotonic()))

    def on_fault(self, fault: Fault) -> None:
        """Hand over the fault."""
        if not self.answered.done():
            self.answered.set_exception(fault)
            self.answered.exception()  # heard: who waited may have been cancelled in the same moment


class Filter(Protocol):
    """Stands between an endpoint's stream and its caller: it watches, may hold back, and knows the dialect's end."""

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now. May raise a Fault, which ends the stream."""
        ...

    def ended(self) -> bytes:
        """The message ended cleanly: the tail held back. Raises StreamCut if the dialect's own end was missing."""
        ...


class PassThrough:
    """The filter that does nothing; the fake that ships with `Filter`."""

    def feed(self, data: bytes) -> bytes:
        """Everything, at once."""
        return data

    def ended(self) -> bytes:
        """Nothing was held back."""
        return b""


class Stream:
    """A sink that relays a 2xx answer to a caller. Any other answer is collected and raised through `done`.

    `begin` is called with the monotonic time of the first byte when there is something to pass on, and gives status and
    header lines; from then on the stream is `committed`. `done` resolves at the end, before the tail is sent. `headers`
    are those of the answer's head, empty until it came.
    """

    __slots__ = (
        "_begin", "_collect", "_connection", "_filter", "_first_byte", "_loop", "_max_error_bytes", "_reply",
        "committed", "done", "headers",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reply: Outlet,
        connection: Connection,
        through: Filter,
        begin: Callable[[float], tuple[int, bytes]],
        max_error_bytes: int,
    ) -> None:
        self._loop, self._reply, self._connection, self._filter = loop, reply, connection, through
        self._begin, self._max_error_bytes = begin, max_error_bytes
        self._collect: Collect | None = None
        self._first_byte = 0.0
        self.headers: dict[bytes, bytes] = {}
        self.committed = False
        self.done: asyncio.Future[StreamEnd] = loop.create_future()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Relay what is well, collect what is not."""
        self.headers = headers
        if not 200 <= status < 300:
            self._collect = Collect(self._loop, self._max_error_bytes)
            self._collect.on_head(status, headers)

    def on_body(self, data: bytes) -> None:
        """The hot path of a stream: filter, and write to the caller's transport."""
        if self._collect is not None:
            self._collect.on_body(data)
            return
        if not self._first_byte:
            self._first_byte = monotonic()
        data = self._filter.feed(data)
        if data:
            if not self.committed:
                self._commit()
            self._reply.write(data)

    def on_end(self) -> None:
        """The message ended: find out whether the dialect agrees."""
        if self.done.done():
            return
        if self._collect is not None:
            self._collect.on_end()
            answer = self._collect.answered.result()
            self.on_fault(fault_of(answer.status, answer.headers, answer.body))
            return
        try:
            tail = self._filter.ended()
        except Fault as fault:
            self.on_fault(fault)
        else:
            now = monotonic()
            self.done.set_result(StreamEnd(tail, self._first_byte or now, now))

    def on_fault(self, fault: Fault) -> None:
        """It ended badly."""
        if not self.done.done():
            self.done.set_exception(fault)
            self.done.exception()  # heard: who waited may have been cancelled in the same moment

    def _commit(self) -> None:
        self.committed = True
        self._reply.start(*self._begin(self._first_byte))
        self._reply.watch_flow(self._pause, self._resume)

    def _pause(self) -> None:
        if not self.done.done():  # afterwards the connection serves somebody else
            self._connection.pause()

    def _resume(self) -> None:
        if not self.done.done():
            self._connection.resume()


_: tuple[type[Sink], type[Sink], type[Filter]] = (Collect, Stream, PassThrough)
