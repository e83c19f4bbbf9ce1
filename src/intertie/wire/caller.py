"""One caller's connection: bytes in, requests to the application, one at a time and in order.

Its life: a head is read, then a body, then a task answers. Meanwhile the socket is still read, so that a caller who
leaves is noticed at once, and what comes is held, up to a bound. `deadline` is its only clock: the server's sweep
calls `expire` once it has passed.
"""

import asyncio
import math
from collections.abc import Callable
from time import monotonic
from typing import Final, cast

import httptools

from intertie.core.faults import Fault, InvalidRequest, Overloaded, TooSlow
from intertie.wire import framing
from intertie.wire.framing import method_name, read_head
from intertie.wire.intake import SCREENED, Intake
from intertie.wire.reply import CHUNKED, HEAD_ONLY, UNTIL_CLOSE, Port, Rendered, Reply, Request, Screened

HELD: Final = 1024 * 1024  # bytes that may wait behind a request under way before reading pauses
QUEUED: Final = 256  # complete requests in one burst; more is no pipelining but a flood
OVERFLOW: Final = 128  # connections above the limit that are told so; the rest are cut
LINGER_S: Final = 2.0
DRAIN_IDLE_S: Final = 5.0

HEAD: Final = 0  # between requests, or in a head
BODY: Final = 1
LINGER: Final = 2  # refused: the answer is out; what still comes is thrown away until the caller closes
CLOSED: Final = 3  # closing, as soon as what was written is sent


class Caller(asyncio.Protocol):
    """The server's side of one connection."""

    __slots__ = (
        "_blocked", "_callers", "_continue", "_feed", "_headers", "_held", "_intake", "_keep_alive", "_parser",
        "_peer", "_phase", "_port", "_queue", "_raw", "_refusal", "_repeats", "_reply", "_request", "_stuck",
        "_target", "_transport", "_version", "deadline", "on_body",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(self, port: Port, callers: "set[Caller]") -> None:
        self._port, self._callers = port, callers
        self._intake = Intake(port.limits)
        self.on_body = self._intake.parts.append  # called by the parser without a Python frame in between
        self._parser = httptools.HttpRequestParser(self)
        self._feed: Callable[[bytes], None] = self._parser.feed_data
        self._phase = HEAD
        self._raw = self._repeats = self._stuck = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._request: Request | None = None
        self._reply: Reply | None = None
        self._refusal: Rendered | None = None
        self._queue: list[tuple[Request, Reply]] = []
        self._held = bytearray()
        self._version, self._peer = "1.1", ""
        self._keep_alive, self._continue = True, False
        self._blocked = False  # what comes must wait: for an answer, for its turn, or for the caller to read
        self.deadline = math.inf

    # --- called by the transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or say that there are too many."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports inherit from none
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._callers.add(self)
        port = self._port
        port.connections += 1
        self.deadline = port.loop.time() + port.limits.header_timeout_s
        excess = port.connections - port.limits.max_connections
        if excess > OVERFLOW:
            self.cut()
        elif excess > 0:
            self._refuse(port.app.render(Overloaded("too many connections")))

    def data_received(self, data: bytes) -> None:
        """Parse, or hold what comes while a request is under way."""
        if self._blocked:
            self._hold(data)
            return
        self._raw += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as stop:
            self._go_on_after_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError as error:
            self._stop(error)
        else:
            if not self._blocked:
                self._progress(len(data))

    def eof_received(self) -> None:
        """A caller who closes his side has left."""
        self._leave()
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: cancel what runs for it."""
        self._phase = CLOSED
        self._leave()
        self._callers.discard(self)
        del self._parser, self._feed  # they hold this object: memory need not wait for the collector
        self._port.lost()

    def pause_writing(self) -> None:
        """The caller reads too slowly: tell whoever produces, begin nothing new, and watch that it reads at all."""
        self._blocked = True
        self._stuck = self._transport.get_write_buffer_size()
        self.deadline = self._port.loop.time() + self._port.limits.write_stall_s
        if self._reply is not None:
            self._reply.pause()

    def resume_writing(self) -> None:
        """The caller has caught up."""
        self._stuck = 0
        if self._reply is not None:
            self.deadline = math.inf
            self._reply.resume()
        else:
            self._next()

    # --- called by the parser ------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """The target, maybe in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; after the body they are trailers, and are dropped."""
        name = name.lower()
        headers = self._headers
        if name in headers:
            self._repeat(name, value.rstrip())
        else:
            headers[name] = value.rstrip()

    def on_headers_complete(self) -> None:
        """The head is whole: refuse what is ambiguous, too large, or unwelcome."""
        port, parser, headers = self._port, self._parser, self._headers
        self._version = version = parser.get_http_version()
        if self._raw > port.limits.max_header_bytes or len(headers) + self._repeats > port.limits.max_headers:
            framing.check_head_size(self._target, headers, self._repeats, port.limits)
        method = method_name(parser.get_method())
        path, query, chunked = read_head(version, method, self._target, headers)
        self._keep_alive = parser.should_keep_alive()
        self._phase, self._headers, self._repeats = BODY, {}, 0
        self._request = request = Request(method, path, query, headers, b"", self._peer, monotonic())
        self._intake.expect(chunked)
        length = int(headers.get(b"content-length", 0))
        if length > self._intake.foreseen or chunked or b"expect" in headers or b"upgrade" in headers:
            self._foresee_body(request, length)

    def on_message_complete(self) -> None:
        """The request is whole: run it, or queue it behind the one under way."""
        if self._intake.owed:  # the parser stopped at an upgrade; the body is still to come
            return
        request = self._request
        assert request is not None
        request.body = self._intake.take()
        self._request = None
        self._target = b""
        self._phase = HEAD
        if self._headers:
            self._headers = {}
        form = HEAD_ONLY if request.method == "HEAD" else CHUNKED if self._version == "1.1" else UNTIL_CLOSE
        reply = Reply(self._port, self._transport, self._answered, form, self._keep_alive)
        if not self._blocked:
            self._run(request, reply)
        elif len(self._queue) < QUEUED:
            self._queue.append((request, reply))
        else:
            raise InvalidRequest("too many requests at once on one connection")

    # --- a request under way -------------------------------------------------------------------------------------

    def _run(self, request: Request, reply: Reply) -> None:
        port = self._port
        self._reply, self._blocked = reply, True
        self.deadline = math.inf
        port.replies.add(reply)
        reply.task = port.loop.create_task(self._serve(request, reply))

    async def _serve(self, request: Request, reply: Reply) -> None:
        returned = False
        try:
            await self._port.app(request, reply)
            returned = True
        finally:
            if not returned:
                reply.watch_task()
        self._port.replies.discard(reply)
        if not reply.finished:
            if not reply.gone:
                what = f"{request.method} {request.path.decode('latin-1')}"
                self._port.on_crash(RuntimeError(f"the application gave no answer to {what}"))
            reply.fail()

    def _answered(self, reply: Reply) -> None:
        """The last byte of an answer was written."""
        if reply is not self._reply:
            return
        self._reply = None
        if not reply.keep_alive:
            self.close()
        elif self._queue or self._held or self._target or self._stuck or self._refusal is not None:
            self._port.loop.call_soon(self._next)
        else:
            self._blocked = False
            self._raw = 0
            self._rest()

    def _next(self) -> None:
        """What has waited behind an answer, in its order."""
        if self._reply is not None or self._stuck or self._phase >= LINGER:
            return
        if self._queue:
            self._run(*self._queue.pop(0))
        elif self._refusal is not None:
            self._refuse(self._refusal)
        else:
            self._blocked = False
            if not self._target:
                self._raw = 0
            self._rest()
            if self._held:
                data, self._held = bytes(self._held), bytearray()
                if len(data) > HELD:
                    self._transport.resume_reading()
                self.data_received(data)

    def _rest(self) -> None:
        """Nothing is under way: set the clock for what is awaited now, the rest of a request or a new one."""
        port = self._port
        now, limits = port.loop.time(), port.limits
        if self._phase == BODY:
            self.deadline = now + limits.body_idle_timeout_s / 3
            self._intake.restart(now, self._raw)
            if self._continue:
                self._ask_for_body()
        elif self._target:
            self.deadline = now + limits.header_timeout_s
        else:
            self.deadline = now + (DRAIN_IDLE_S if port.draining else limits.keep_alive_s)

    def _hold(self, data: bytes) -> None:
        if self._phase < LINGER:
            self._held += data
            if len(self._held) > HELD:
                self._transport.pause_reading()

    # --- reading -------------------------------------------------------------------------------------------------

    def _repeat(self, name: bytes, value: bytes) -> None:
        if not framing.may_repeat(name):
            raise InvalidRequest(f"the header {name.decode('latin-1')} was sent twice")
        self._repeats += 1
        if self._repeats > self._port.limits.max_headers:
            raise framing.too_many_headers(self._port.limits)
        self._headers[name] += b", " + value

    def _progress(self, size: int) -> None:
        """Bytes came and the request is not whole: keep the clock and the bounds of what is awaited."""
        now, limits = self._port.loop.time(), self._port.limits
        if self._phase == BODY:
            try:
                if self._intake.arrived(now, self._raw):
                    self.deadline = now + limits.body_idle_timeout_s / 3
            except Fault as fault:
                self._refuse(self._port.app.render(fault))
        elif self._raw > limits.max_header_bytes:
            self._refuse(self._port.app.render(framing.too_large_head(limits)))
        elif self._raw == size:  # the first bytes of this head
            self.deadline = now + limits.header_timeout_s

    def _foresee_body(self, request: Request, length: int) -> None:
        """A body is announced: refuse it now if it is too large or unwelcome, or ask for it."""
        port, chunked = self._port, self._intake.chunked
        if length > port.limits.max_body_bytes:
            raise framing.too_large_body(port.limits)
        expects = self._version == "1.1" and request.headers.get(b"expect", b"").lower() == b"100-continue"
        if chunked or expects or length > SCREENED:
            rendered = port.app.screen(request)
            if rendered is not None:
                raise Screened(rendered)
        if self._parser.should_upgrade():
            if chunked:
                raise InvalidRequest("no upgrade is offered, and a chunked body cannot be read behind one")
            self._intake.owed = length
        if expects and (chunked or length):
            self._continue = True
            if not self._blocked:
                self._ask_for_body()

    def _ask_for_body(self) -> None:
        self._continue = False
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _go_on_after_upgrade(self, rest: bytes) -> None:
        """The parser stops behind a head that asks for an upgrade: unless it gets one, read on as if it had not."""
        if self._intake.owed:
            self._feed = self._read_owed
        elif (reply := self._queue[-1][1] if self._queue else self._reply) is not None:
            reply.hand_over = self._hand_over
        self._raw -= len(rest)
        if rest:
            self.data_received(rest)
        elif not self._blocked:
            self._progress(0)

    def _hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """The connection is no longer mine, nor what came behind the head."""
        self._phase, self._reply, self.deadline = CLOSED, None, math.inf
        self._callers.discard(self)
        del self._parser, self._feed
        return self._transport, bytes(self._held)

    def _read_owed(self, data: bytes) -> None:
        """The body of a request that asked for an upgrade, which the parser will not read."""
        intake = self._intake
        rest = data[intake.owed :]
        intake.parts.append(data[: intake.owed])
        intake.owed -= len(intake.parts[-1])
        if not intake.owed:
            self._feed = self._parser.feed_data
            self.on_message_complete()
            if rest:
                self._hold(rest)

    # --- endings -------------------------------------------------------------------------------------------------

    def _stop(self, error: httptools.HttpParserError) -> None:
        """The parser stopped: refuse what it read, in its turn if a request is still under way."""
        rendered = self._port.refusal(error.__context__, f"malformed HTTP: {error}")
        if self._blocked:
            self._refusal = rendered
        else:
            self._refuse(rendered)

    def _refuse(self, rendered: Rendered) -> None:
        """Answer without having read everything; then throw away what still comes, so that the answer is seen."""
        self._phase, self._blocked = LINGER, True
        self._held.clear()
        Reply(self._port, self._transport, self._linger, CHUNKED, keep_alive=False).send(*rendered)

    def _linger(self, reply: Reply) -> None:
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.deadline = self._port.loop.time() + LINGER_S

    def _leave(self) -> None:
        """Nobody reads any more: cancel the task under way, forget what has waited."""
        self._queue.clear()
        self._held.clear()
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.leave()

    def drain(self) -> None:
        """The server is being left: an idle connection is closed soon, a busy one with its answer."""
        if not self._blocked and self._phase == HEAD and not self._target:
            self.deadline = min(self.deadline, self._port.loop.time() + DRAIN_IDLE_S)

    def expire(self, now: float) -> None:
        """The deadline has passed: refuse, close, or cut; or look again later if there was progress after all."""
        limits, pending = self._port.limits, self._transport.get_write_buffer_size()
        if 0 < pending < self._stuck:
            self._stuck = pending
            self.deadline = now + limits.write_stall_s
        elif self._stuck or self._phase >= LINGER:
            self.cut()
        elif self._phase == BODY:
            try:
                self.deadline = self._intake.look(now, self._raw)
            except TooSlow as fault:
                self._refuse(self._port.app.render(fault))
        elif self._raw:
            fault = TooSlow(f"the headers took longer than {limits.header_timeout_s:g} s")
            self._refuse(self._port.app.render(fault))
        else:
            self.close()

    def close(self) -> None:
        """Close as soon as everything written is sent; cut if the caller stops reading it."""
        self._phase, self._blocked = CLOSED, True
        self._stuck = self._transport.get_write_buffer_size()
        self.deadline = self._port.loop.time() + self._port.limits.write_stall_s
        self._transport.close()

    def cut(self) -> None:
        """Close at once."""
        self._phase, self._blocked = CLOSED, True
        self.deadline = math.inf
        self._leave()
        self._transport.abort()
