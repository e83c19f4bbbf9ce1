"""One end of a WebSocket, towards a caller or towards an endpoint: messages in callbacks, flow control, an end.

Its life: `take` a connection whose handshake is over, `listen` (until then nothing is read), `close` or be closed. What
befalls it is told once, by `Ear.on_gone`. One timer looks after it four times in each ping interval: a peer from whom
nothing comes is pinged, and given up after two intervals; one that does not read is given up after `stall_s`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from intertie.config.snapshot import SocketLimits
from intertie.wire.frames import (
    BINARY,
    CLOSE,
    LOST,
    NORMAL,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Message,
    Violation,
    close_data,
    frame,
    read_close,
)

CLOSING_S: Final = 2.0  # how long a peer has to answer a close frame
BATCH: Final = 256  # messages that are told in one turn of the loop; others have theirs in between

DRAIN: Final = "drain"
AGE: Final = "age"
IDLE: Final = "idle"


class Ear(Protocol):
    """Who a socket's messages are told to."""

    def on_message(self, data: bytes, text: bool) -> None:
        """A whole message; a text is valid UTF-8."""
        ...

    def on_flow(self, clear: bool) -> None:
        """The peer reads too slowly (False), or has caught up (True)."""
        ...

    def on_leave(self, why: str) -> None:
        """It is time to go (`DRAIN`, `AGE`, `IDLE`); told once of each. What is under way may be ended first."""
        ...

    def on_gone(self, code: int, why: str) -> None:
        """The socket is closed, or as good as: nothing can be sent, nothing more is told. `LOST` without a farewell."""
        ...


class Hearing:
    """An ear that remembers what it was told, in order; the fake that ships with `Ear`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.gone = asyncio.Event()

    def on_message(self, data: bytes, text: bool) -> None:
        """Remember a message."""
        self.told.append(("text" if text else "binary", data))

    def on_flow(self, clear: bool) -> None:
        """Remember how it flows."""
        self.told.append(("flow", clear))

    def on_leave(self, why: str) -> None:
        """Remember that it is time."""
        self.told.append(("leave", why))

    def on_gone(self, code: int, why: str) -> None:
        """Remember the end."""
        self.told.append(("gone", code))
        self.gone.set()


class WebSocket(asyncio.Protocol):
    """See the module. `mask` gives four unpredictable bytes for each frame of the side that must mask, a client's.

    `on_lost` is called when the connection under it is gone.
    """

    __slots__ = (
        "_born", "_clear", "_closing", "_ear", "_gone", "_heard", "_held", "_limits", "_loop", "_lost", "_mask",
        "_on_lost", "_pinged", "_reader", "_spoke", "_stuck", "_stuck_since", "_timer", "_told", "_transport",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(
        self, limits: SocketLimits, on_lost: "Callable[[WebSocket], None]", mask: Callable[[], bytes] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits, self._on_lost, self._mask = limits, on_lost, mask
        self._reader = FrameReader(masked=mask is None, longest=limits.max_message_bytes)
        self._ear: Ear | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._born = self._heard = self._spoke = self._loop.time()
        self._stuck, self._stuck_since = 0, 0.0
        self._clear = True
        self._held = self._pinged = self._closing = self._gone = False
        self._lost = True  # there is no connection before `take`
        self._told: set[str] = set()

    @property
    def open(self) -> bool:
        """Whether something can be sent."""
        return not (self._gone or self._lost)

    def take(self, transport: asyncio.Transport, early: bytes) -> None:
        """This connection is mine from now on; `early` came behind the handshake."""
        self._transport, self._lost = transport, False
        transport.set_protocol(self)
        transport.pause_reading()
        self._reader.feed(early)
        self._timer = self._loop.call_later(self._limits.ping_s / 4, self._look)

    def listen(self, ear: Ear) -> None:
        """Begin to read, and tell what comes; what came early is told in the next round of the loop."""
        self._ear = ear
        self._loop.call_soon(self._begin)

    def send(self, data: bytes, *, text: bool = True) -> None:
        """One message; nothing where nobody hears it any more."""
        if not self._gone:
            self._spoke = self._loop.time()
            self._write(TEXT if text else BINARY, data)

    def hold(self) -> None:
        """Read and tell no more for now: whoever the messages are for cannot take them."""
        if not self._held and not self._lost:
            self._held = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read and tell on, from the next round of the loop."""
        if self._held and not self._lost:
            self._held = False
            self._heard = self._loop.time()
            self._loop.call_soon(self._begin)

    def close(self, code: int = NORMAL, why: str = "") -> None:
        """Say farewell; nothing is told any more but that it is gone. The peer has 2 s to answer."""
        if not self._gone:
            self._closing = True
            self._bow_out(code, why)
            self.go_on()

    def leave(self, code: int = NORMAL, why: str = "") -> None:
        """Say farewell and close at once, whatever the peer has to say."""
        if not self._gone:
            self._bow_out(code, why)
            self._transport.close()

    def drain(self) -> None:
        """The server is being left."""
        self._tell_once(DRAIN)

    def cut(self) -> None:
        """Close without a farewell."""
        if not self._lost:
            self._end(LOST, "cut")
            self._transport.abort()

    # --- called by the transport ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard, self._pinged = self._loop.time(), False
        if not self._gone or self._closing:
            self._reader.feed(data)
            if not self._tell() and not self._lost:
                self._transport.pause_reading()
                self._loop.call_soon(self._begin)

    def eof_received(self) -> None:
        """The peer sends no more."""
        if self._gone:
            self._transport.close()
        else:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._end(LOST, "the connection was lost")
        self._on_lost(self)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._clear = False
        self._stuck, self._stuck_since = self._transport.get_write_buffer_size(), self._loop.time()
        if self._ear is not None and not self._gone:
            self._ear.on_flow(clear=False)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._clear = True
        if self._ear is not None and not self._gone:
            self._ear.on_flow(clear=True)

    # --- messages ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._held or self._lost or (self._gone and not self._closing):
            return
        if not self._clear and self._ear is not None and not self._gone:
            self._ear.on_flow(clear=False)
        if not self._tell():
            self._loop.call_soon(self._begin)
        elif not self._held and not self._lost:
            self._transport.resume_reading()

    def _tell(self) -> bool:
        """Tell what came, unless it is held; whether that was all for now."""
        try:
            for _ in range(BATCH):
                message = None if self._held else self._reader.next()
                if message is None:
                    return True
                self._one(message)
        except Violation as violation:
            if self._gone:
                self._transport.abort()  # it was asked to go, and answers nonsense
            else:
                self.leave(violation.code, violation.why)
            return True
        return False

    def _one(self, message: Message) -> None:
        kind, data = message
        if kind == CLOSE:
            self._closed_by_peer(data)
        elif self._gone:
            return
        elif kind == PING:
            if self._clear:  # who does not read gets no answer to pings either
                self._write(PONG, data)
        elif kind != PONG and self._ear is not None:
            self._spoke = self._heard
            self._ear.on_message(data, kind == TEXT)

    def _closed_by_peer(self, data: bytes) -> None:
        code, why = read_close(data)
        if not self._gone:
            self._write(CLOSE, data[:2])
            self._end(code, why)
        self._transport.close()

    def _bow_out(self, code: int, why: str) -> None:
        self._write(CLOSE, close_data(code, why))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(CLOSING_S, self.cut)
        self._end(code, why)

    def _write(self, kind: int, data: bytes) -> None:
        self._transport.write(frame(kind, data, self._mask() if self._mask is not None else b""))

    def _end(self, code: int, why: str) -> None:
        if self._gone:
            return
        self._gone = True
        if self._ear is not None:
            self._ear.on_gone(code, why)

    # --- the clock -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        now, limits = self._loop.time(), self._limits
        self._timer = self._loop.call_later(limits.ping_s / 4, self._look)
        if self._is_overdue(now):
            self.cut()
        elif not self._gone:
            if now - self._born >= limits.age_s:
                self._tell_once(AGE)
            elif now - self._spoke >= limits.idle_s:
                self._tell_once(IDLE)
            if self._clear and not self._held and not self._pinged and now - self._heard >= limits.ping_s:
                self._pinged = True
                self._write(PING, b"")

    def _is_overdue(self, now: float) -> bool:
        """Whether the peer does not read, or is not there."""
        if self._clear:
            return not self._held and now - self._heard >= 2 * self._limits.ping_s
        pending = self._transport.get_write_buffer_size()
        if pending < self._stuck:
            self._stuck, self._stuck_since = pending, now
        return now - self._stuck_since >= self._limits.stall_s

    def _tell_once(self, why: str) -> None:
        if why not in self._told and self._ear is not None and not self._gone:
            self._told.add(why)
            self._ear.on_leave(why)
