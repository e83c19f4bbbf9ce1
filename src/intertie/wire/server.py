"""The HTTP/1.1 server: listens, counts, sweeps its connections' deadlines, drains and closes."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from intertie.config.snapshot import ServerLimits
from intertie.core.clock import Clock, SystemClock
from intertie.core.faults import Fault
from intertie.wire.caller import Caller
from intertie.wire.frames import GOING_AWAY
from intertie.wire.reply import Application, Port, Rendered, Reply, Request

__all__ = ("Always", "Application", "Rendered", "Reply", "Request", "Server")

SWEEP_S: Final = 0.25
BACKLOG: Final = 4096
LAST_WORDS_S: Final = 2.0  # for tasks that were cancelled to say why, and for their bytes to leave


class Always:
    """An application that gives one answer to everything; the fake that ships with `Application`."""

    def __init__(self, status: int, headers: bytes, body: bytes) -> None:
        self._answer = status, headers, body

    def screen(self, request: Request) -> Rendered | None:
        """Every body is welcome."""
        return None

    async def __call__(self, request: Request, reply: Reply) -> None:
        """The one answer."""
        reply.send(*self._answer)

    def render(self, fault: Fault) -> Rendered:
        """A fault as plain text."""
        return fault.status, b"content-type: text/plain\r\n", fault.message.encode()


_: type[Application] = Always


class Server:
    """Serves one application on any number of listening sockets. Made on the running loop.

    `on_crash` hears of every exception that an application lets out.
    """

    def __init__(
        self,
        app: Application,
        limits: ServerLimits,
        on_crash: Callable[[BaseException], None],
        clock: Clock | None = None,
    ) -> None:
        self._port = Port(app, limits, on_crash)
        self._clock = clock or SystemClock()
        self._callers: set[Caller] = set()
        self._listeners: list[asyncio.AbstractServer] = []
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Requests whose task has not ended."""
        return len(self._port.replies)

    @property
    def connections(self) -> int:
        """Connections open, idle ones and WebSockets included."""
        return self._port.connections

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections from a bound socket, plain or with TLS."""
        limits = self._port.limits
        listener = await self._port.loop.create_server(
            self._caller,
            sock=sock,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=limits.header_timeout_s if tls else None,
        )
        self._listeners.append(listener)
        if self._sweeping is None:
            self._sweep()

    def stop_accepting(self) -> None:
        """Close the listening sockets of this process; connections live on."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def drain(self) -> None:
        """Stop accepting, close connections with their next answer, idle ones after 5 s; tell WebSockets to leave."""
        self.stop_accepting()
        self._port.draining = True
        for one in (*self._callers, *self._port.sockets):
            one.drain()

    async def close(self, timeout_s: float) -> bool:
        """Wait for the requests under way, at most `timeout_s`; then cancel them, and cut what is left.

        True if nothing was cut. A cancelled application has 2 s for its last words.
        """
        loop = self._port.loop
        until = loop.time() + timeout_s
        self.drain()
        whole = await self._tasks_over(until)
        if not whole:
            for reply in tuple(self._port.replies):
                reply.cancel()
            until = loop.time() + LAST_WORDS_S
            await self._tasks_over(until)
        for caller in tuple(self._callers):
            caller.close()
        for one in tuple(self._port.sockets):
            one.close(GOING_AWAY)
        emptied = await self._emptied(max(until - loop.time(), LAST_WORDS_S))
        for one in (*self._callers, *self._port.sockets):
            one.cut()
        await self._emptied(LAST_WORDS_S)
        if self._sweeping is not None:
            self._sweeping.cancel()
        return whole and emptied

    def _caller(self) -> Caller:
        return Caller(self._port, self._callers)

    def _sweep(self) -> None:
        loop = self._port.loop
        now = loop.time()
        self._port.date_line = f"date: {formatdate(self._clock.wall(), usegmt=True)}\r\n".encode()
        for caller in [one for one in self._callers if one.deadline <= now]:
            caller.expire(now)
        self._sweeping = loop.call_later(SWEEP_S, self._sweep)

    async def _tasks_over(self, until: float) -> bool:
        loop, replies = self._port.loop, self._port.replies
        while replies and (left := until - loop.time()) > 0:
            await asyncio.wait([one.task for one in replies if one.task is not None], timeout=left)
        return not replies

    async def _emptied(self, timeout_s: float) -> bool:
        if self._port.connections:
            self._port.emptied = self._port.loop.create_future()
            await asyncio.wait([self._port.emptied], timeout=timeout_s)
        return not self._port.connections
