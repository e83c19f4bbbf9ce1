"""What the server and its application exchange: a request, whole, and the answer that is due.

An application gets one `Request` and one `Reply` per task. The reply writes straight to the caller's transport; nothing
waits for a coroutine to be woken. Who asked for a WebSocket gets it by `switch`, or a plain answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from intertie.config.snapshot import ServerLimits, SocketLimits
from intertie.core.faults import Draining, Fault, InvalidRequest
from intertie.wire.framing import BODILESS, status_line
from intertie.wire.websocket import WebSocket

Rendered = tuple[int, bytes, bytes]
"""Status, header lines (each ending in CRLF), body."""

ONE_WRITE: Final = 128 * 1024  # up to here head and body are copied together; above, they go to the kernel as a list

CHUNKED: Final = 0
UNTIL_CLOSE: Final = 1  # an HTTP/1.0 caller: the end of the connection is the end of the body
HEAD_ONLY: Final = 2  # the answer to HEAD

DEFECT: Final = Fault("the gateway failed to answer; this is a defect, and it was reported")


class Request(msgspec.Struct):
    """One request, complete and unambiguously framed.

    `path` is in origin form, without the query; `headers` have lower-case names, repeats joined with `, `; `peer` is
    the caller's address; `received` the monotonic time when the head was complete.
    """

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    peer: str
    received: float


class Application(Protocol):
    """What the server serves."""

    def screen(self, request: Request) -> Rendered | None:
        """Refuse a large, chunked or expecting request by its head alone, before its body is read; None lets it in."""
        ...

    def __call__(self, request: Request, reply: "Reply") -> Awaitable[None]:
        """Answer one request. Cancelled when the caller leaves before the reply is finished."""
        ...

    def render(self, fault: Fault) -> Rendered:
        """How a fault looks in the application's own format."""
        ...


class Screened(Exception):
    """Stops the parser: the application refused by the head alone."""

    def __init__(self, rendered: Rendered) -> None:
        super().__init__()
        self.rendered = rendered


class Port:
    """What all connections of one server share: application, limits, what is under way, whether it is being left.

    `connections` counts all that are open, of which some have become `sockets`.
    """

    __slots__ = (
        "app", "connections", "date_line", "draining", "emptied", "limits", "loop", "on_crash", "replies", "sockets"
    )  # fmt: skip

    def __init__(self, app: Application, limits: ServerLimits, on_crash: Callable[[BaseException], None]) -> None:
        self.app, self.limits, self.on_crash = app, limits, on_crash
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.replies: set[Reply] = set()
        self.sockets: set[WebSocket] = set()
        self.connections = 0
        self.draining = False
        self.date_line = b""
        self.emptied: asyncio.Future[None] | None = None

    def refusal(self, cause: BaseException | None, malformed: str) -> Rendered:
        """How a request is answered whose reading was stopped, by this cause or by the parser itself."""
        if isinstance(cause, Screened):
            return cause.rendered
        if isinstance(cause, Fault) or cause is None:
            return self.app.render(cause or InvalidRequest(malformed))
        self.on_crash(cause)
        return self.app.render(Fault("the gateway failed to read the request; this is a defect"))

    def lost(self, socket: WebSocket | None = None) -> None:
        """A connection is gone."""
        self.connections -= 1
        if socket is not None:
            self.sockets.discard(socket)
        if self.emptied is not None and not self.connections and not self.emptied.done():
            self.emptied.set_result(None)


class Outlet(Protocol):
    """Where an answer goes: to a caller's connection (`Reply`), or wherever else somebody waits for it.

    Either `send`, or `start`, `write`… and `finish`. `gone` tells that nobody takes it any more: then nothing is
    written, and the exchange was cancelled.
    """

    started: bool
    gone: bool

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer; `headers` are ready lines."""
        ...

    def start(self, status: int, headers: bytes) -> None:
        """Begin an answer that comes in pieces."""
        ...

    def write(self, data: bytes) -> None:
        """One piece."""
        ...

    def finish(self, data: bytes = b"") -> None:
        """The last piece, and the end."""
        ...

    def watch_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Ask to be told when too much waits to be taken, and when it is taken."""
        ...


class Reply:
    """The answer due to one request, an `Outlet`; beside its ways to end, `abort` cuts it.

    Writing to a caller who has left (`gone`) does nothing. `started` and `finished` say how far it got. `hand_over` is
    set where an upgrade was asked for: it gives the connection away, with what came behind the head.
    """

    __slots__ = (
        "_answered", "_framing", "_head", "_on_pause", "_on_resume", "_paused", "_port", "_transport", "_watched",
        "finished", "gone", "hand_over", "keep_alive", "started", "task",
    )  # fmt: skip

    def __init__(
        self,
        port: Port,
        transport: asyncio.WriteTransport,
        answered: "Callable[[Reply], None]",
        framing: int,
        keep_alive: bool,
    ) -> None:
        self._port = port
        self._transport = transport
        self._answered = answered
        self._framing = framing
        self._head = b""
        self.keep_alive = keep_alive
        self._paused = self._watched = self.started = self.finished = self.gone = False
        self.hand_over: Callable[[], tuple[asyncio.Transport, bytes]] | None = None
        self._on_pause: Callable[[], None] | None = None
        self._on_resume: Callable[[], None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def connection(self) -> asyncio.WriteTransport:
        """The caller's connection, to tell one from another."""
        return self._transport

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer in one write; `headers` are ready lines, without Content-Length and Date."""
        assert not self.started, "one answer to one request"
        self.started = self.finished = True
        if not self.gone:
            first, date, last = status_line(status), self._port.date_line, self._connection_line()
            length = len(body)
            if self._framing == HEAD_ONLY:
                body = b""
            if status in BODILESS:
                self._transport.write(b"%b%b%b%b\r\n" % (first, date, headers, last))
            elif length <= ONE_WRITE:
                self._transport.write(
                    b"%b%b%bcontent-length: %d\r\n%b\r\n%b" % (first, date, headers, length, last, body)
                )
            else:
                head = b"%b%b%bcontent-length: %d\r\n%b\r\n" % (first, date, headers, length, last)
                self._transport.writelines((head, body))
        self._answered(self)

    def switch(self, headers: bytes, limits: SocketLimits) -> WebSocket:
        """Answer 101: from now on the connection is a WebSocket, not yet listened to. The task may go on.

        Raises InvalidRequest where no upgrade was asked for, and Draining.
        """
        port = self._port
        if self.hand_over is None or self._framing != CHUNKED or self.gone:
            raise InvalidRequest("This is reached by a WebSocket over HTTP/1.1: a GET that asks for an upgrade.")
        if port.draining:
            raise Draining("The gateway is being stopped.")
        assert not self.started, "one answer to one request"
        self.started = self.finished = True
        transport, early = self.hand_over()
        socket = WebSocket(limits, port.lost)
        port.sockets.add(socket)
        transport.write(b"%b%b%b\r\n" % (status_line(101), port.date_line, headers))
        socket.take(transport, early)
        return socket

    def start(self, status: int, headers: bytes) -> None:
        """Begin a chunked answer. The head leaves with the first bytes written, at the latest in this loop round."""
        assert not self.started, "one answer to one request"
        self.started = True
        if self._framing == CHUNKED:
            headers += b"transfer-encoding: chunked\r\n"
        elif self._framing == UNTIL_CLOSE:
            self.keep_alive = False
        self._head = b"%b%b%b%b\r\n" % (status_line(status), self._port.date_line, headers, self._connection_line())
        self._port.loop.call_soon(self._flush)

    def write(self, data: bytes) -> None:
        """One chunk."""
        if self.gone or self.finished or not data:
            return
        if self._framing == CHUNKED:
            data = b"%b%x\r\n%b\r\n" % (self._head, len(data), data)
        elif self._framing == UNTIL_CLOSE:
            data = self._head + data
        else:
            data = self._head
        self._head = b""
        self._transport.write(data)

    def finish(self, data: bytes = b"") -> None:
        """The last chunk and the end of the answer, in one write."""
        assert self.started, "an answer must begin before it ends"
        if self.finished:
            return
        self._end()
        if not self.gone:
            if self._framing == CHUNKED:
                last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
                self._transport.write(self._head + last)
            else:
                self._transport.write(self._head + (data if self._framing == UNTIL_CLOSE else b""))
            self._head = b""
        self._answered(self)

    def abort(self) -> None:
        """Cut the connection, so that the caller sees a truncated answer."""
        self._end()
        if not self.gone:
            self.gone = True
            self._transport.abort()

    def watch_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Ask to be told when the caller reads too slowly, and when it has caught up."""
        self._on_pause, self._on_resume = pause, resume
        if self._paused:
            pause()

    # --- called by the connection --------------------------------------------------------------------------------

    def pause(self) -> None:
        """The caller reads too slowly."""
        self._paused = True
        if self._on_pause is not None:
            self._on_pause()

    def resume(self) -> None:
        """The caller has caught up."""
        self._paused = False
        if self._on_resume is not None:
            self._on_resume()

    def leave(self) -> None:
        """The caller has left: cancel the task, unless the answer was already whole."""
        self.gone = True
        self._on_pause = self._on_resume = None
        if not self.finished:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the application's task."""
        if self.task is not None:
            self.watch_task()
            self.task.cancel()

    def watch_task(self) -> None:
        """The task is about to end early; see to it, once, that nobody is left without an answer."""
        if self.task is not None and not self._watched:
            self._watched = True
            self.task.add_done_callback(self._task_over)

    def fail(self, fault: Fault = DEFECT) -> None:
        """Answer with a fault, or cut what has begun."""
        if self.started or self.gone:
            self.abort()
        else:
            self.keep_alive = False
            self.send(*self._port.app.render(fault))

    def _end(self) -> None:
        self.finished = True
        self._on_pause = self._on_resume = None

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._port.replies.discard(self)
        self.task = None  # it may hold the frame that holds this
        crash = None if task.cancelled() else task.exception()
        if crash is not None:
            self._port.on_crash(crash)
        if not self.finished:
            self.fail(DEFECT if crash is not None else Draining("the gateway is being stopped"))

    def _connection_line(self) -> bytes:
        if self._port.draining or not self.keep_alive:
            self.keep_alive = False
            return b"connection: close\r\n"
        return b"" if self._framing != UNTIL_CLOSE else b"connection: keep-alive\r\n"

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self.gone:
            self._transport.write(head)
