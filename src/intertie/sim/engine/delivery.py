"""One answer on its way to the caller: over the path, and spoiled where a fault struck."""

import asyncio
import socket
import struct
from functools import partial

from intertie.core.clock import Clock
from intertie.core.faults import Fault
from intertie.sim.engine.dialect import Refusal, Speech
from intertie.sim.engine.faults import EngineFault
from intertie.sim.engine.path import Path
from intertie.wire.reply import Reply

PAGE = b"<!doctype html><title>simulated</title><p>A web page where an answer should be (simulated fault).</p>"

_BREATH_S = 0.002  # lets what was written leave before the connection is cut


class Delivery:
    """Carries what the engine answers to one request. `over` completes when the last byte was handed to the transport.

    `status` is what the caller was (or will be) told; 0 while nothing was. `name` is the request's id.
    """

    def __init__(self, reply: Reply, path: Path, clock: Clock, speech: Speech, name: str, server: bytes) -> None:
        self._reply, self._path, self._clock, self._speech, self._name = reply, path, clock, speech, name
        self._headers = b"%bx-request-id: %b\r\n" % (server, name.encode("latin-1")) if name else server
        self._way, self._since = path.one_way(), clock.monotonic()
        self._chunks = 0
        self._silent = False
        self.fault: EngineFault | None = None
        self.status = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
        """The whole answer."""
        self.status = status
        headers = b"content-type: %b\r\n%b" % (content_type, self._headers)
        self._path.carry(self._delay(), partial(self._send, status, headers, body))

    def refuse(self, fault: Fault) -> None:
        """An error as the whole answer."""
        told: Refusal = self._speech.refusal(fault, self._name)
        self._headers += told.headers
        self.send(told.status, told.body)

    def start(self) -> None:
        """The head of a stream."""
        self.status = 200
        lines = b"content-type: %b\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n" % self._speech.stream_type
        self._path.carry(self._delay(), partial(self._reply.start, 200, lines + self._headers))

    def write(self, chunk: bytes) -> None:
        """One chunk of a stream."""
        delay = self._delay()
        if delay > 0 or self.fault is not None:
            self._path.carry(delay, partial(self._write, chunk, None))
        else:
            self._reply.write(chunk)

    def finish(self, chunk: bytes, done: bytes) -> None:
        """The last chunk of a stream; `done` is the dialect's own end of it."""
        self._path.carry(self._delay(), partial(self._write, chunk, done))

    def strike(self, streamed: bool) -> bool:
        """Let the fault answer instead of the engine; False if this fault only spoils what the engine answers."""
        fault = self.fault
        if fault is None:
            return False
        match fault.kind:
            case "hang":
                pass  # `over` never completes; the caller has to leave
            case "rst":
                self._path.carry(self._delay(), self._reset)
            case "html":
                self.send(200, PAGE, b"text/html; charset=utf-8")
            case "status":
                if fault.retry_after is not None:
                    self._headers += b"retry-after: %g\r\n" % fault.retry_after
                self.refuse(_simulated(int(fault.number)))
            case "error_in_200":
                self._err(_simulated(500), streamed)
            case _:
                return False
        return True

    def _err(self, fault: Fault, streamed: bool) -> None:
        """Tell an error under status 200."""
        if streamed:
            self.start()
            self._path.carry(self._delay(), partial(self._end_with, self._speech.broke(fault)))
        else:
            self.send(200, self._speech.refusal(fault, self._name).body)

    def _delay(self) -> float:
        """Seconds on the way; a slow engine adds its share of the time since the request came."""
        if self.fault is not None and self.fault.kind == "slow":
            return self._way + (self.fault.number - 1) * (self._clock.monotonic() - self._since)
        return self._way

    def _send(self, status: int, headers: bytes, body: bytes) -> None:
        kind = self.fault.kind if self.fault is not None else ""
        if kind in ("cut", "hang_stream"):
            self._reply.start(status, headers)
            self._reply.write(body[: len(body) // 2])
            if kind == "cut":
                self._path.carry(_BREATH_S, self._cut)
        else:
            self._reply.send(status, headers, body[: len(body) // 2] if kind == "malformed" else body)
            self._end()

    def _write(self, chunk: bytes, done: bytes | None) -> None:
        """A chunk; the last one brings `done` with it."""
        if self._silent or (self.fault is not None and self._spoiled(self.fault)):
            return
        self._chunks += 1
        if done is None:
            self._reply.write(chunk)
        else:
            self._end_with(chunk if self.fault is not None and self.fault.kind == "no_done" else chunk + done)

    def _spoiled(self, fault: EngineFault) -> bool:
        """Whether the fault swallows this chunk and all that follow."""
        if fault.kind == "malformed" and self._chunks == fault.number:
            self._reply.write(self._speech.garbage)
        self._silent = fault.kind in ("cut", "hang_stream") and self._chunks >= fault.number
        if self._silent and fault.kind == "cut":
            self._cut()
        return self._silent

    def _end_with(self, chunk: bytes) -> None:
        self._reply.finish(chunk)
        self._end()

    def _reset(self) -> None:
        """Close so that the kernel sends RST: no time to linger (socket(7), SO_LINGER)."""
        connection = self._reply.connection.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._cut()

    def _cut(self) -> None:
        self._reply.abort()
        self._end()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


def _simulated(status: int) -> Fault:
    """The fault's message names it as simulated, so that nobody searches for a real one."""
    fault = Fault(
        f"simulated fault: status {status}", code="rate_limit_exceeded" if status == 429 else "simulated_fault"
    )
    fault.status = status
    return fault
