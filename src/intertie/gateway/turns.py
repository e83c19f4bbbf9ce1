"""Responses over a WebSocket: each message is one ordinary exchange, and what answers it comes as messages.

Turns of one strand (`stream_id`) are taken one after another, those of several at once. What was said before is kept
for as long as the socket lasts, unless the gateway keeps it longer anyway (`gateway.keep`): a turn can build on an
earlier one, whichever endpoint answered it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from intertie.core.faults import Draining, Fault, InvalidRequest
from intertie.core.ids import request_id, response_id
from intertie.dialects.json_body import write_fields
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.spoken import Asked, as_message, error_message, read_message, warmed
from intertie.dialects.openai_responses.stored import StoredResponse, expand, keep, response_in
from intertie.dialects.sse import data_of, events
from intertie.gateway.authenticate import authenticate
from intertie.gateway.door import Door
from intertie.gateway.exchange import exchange
from intertie.gateway.guard import guard
from intertie.gateway.live import Live
from intertie.gateway.observe import note
from intertie.gateway.passage import now
from intertie.gateway.respond import refusal
from intertie.wire.frames import DEFECT, GOING_AWAY, RESTART
from intertie.wire.server import Reply, Request
from intertie.wire.upgrade import welcome
from intertie.wire.websocket import AGE, DRAIN, WebSocket

MOST_STRANDS: Final = 16
"""Responses under way on one socket, as OpenAI allows."""
MOST_WAITING: Final = 256
"""Messages that wait on one strand, however small: each takes more memory than its bytes."""


async def take_turns(live: Live, request: Request, reply: Reply, door: Door) -> None:
    """Hold one caller's socket until it closes. Raises a Fault instead of opening it."""
    authenticate(live, request)
    socket = reply.switch(welcome(request), live.snapshot.websocket)
    await Turns(live, request, door, socket).run()


class Told:
    """An outlet that tells a stream's events as messages. `response` is the response they ended with, if they did."""

    def __init__(self, socket: WebSocket, asked: Asked) -> None:
        self._socket, self._asked = socket, asked
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self.started = self.gone = False
        self.response = b""

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """A refusal: what is asked for is always a stream."""
        self._socket.send(error_message(status, headers, body, self._asked.strand))

    def start(self, status: int, headers: bytes) -> None:
        """The stream begins; a message has no head."""
        self.started = True

    def write(self, data: bytes) -> None:
        """Whole events."""
        for event in events(data):
            if message := data_of(event):
                if not message.isascii():  # a text must be valid UTF-8, or the caller's side closes the socket
                    message = message.decode("utf-8", "replace").encode()
                self._socket.send(as_message(message, self._asked))

    def finish(self, data: bytes = b"") -> None:
        """The last event."""
        self.response = response_in(data)
        self.write(data)

    def watch_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Ask to be told when the caller reads too slowly, and when it has caught up."""
        self._pause, self._resume = pause, resume

    def flow(self, clear: bool) -> None:
        """The caller reads too slowly, or has caught up."""
        told = self._resume if clear else self._pause
        if told is not None:
            told()


class Turns:
    """One socket, its ear, and what is under way on it."""

    def __init__(self, live: Live, request: Request, door: Door, socket: WebSocket) -> None:
        self._live, self._request, self._door, self._socket = live, request, door, socket
        self._strands: dict[str, deque[tuple[Asked, int]]] = {}
        self._waiting = 0  # bytes
        self._told: set[Told] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: dict[str, StoredResponse] = {}
        self._kept_bytes = 0
        self._group = asyncio.TaskGroup()
        self._over = asyncio.Event()
        self._leaving: tuple[int, Fault] | None = None

    async def run(self) -> None:
        """Until the socket is gone and every turn has ended."""
        self._socket.listen(self)
        try:
            async with self._group:
                await self._over.wait()
        except asyncio.CancelledError:
            self._socket.close(GOING_AWAY, "the gateway is being stopped")
            raise
        finally:
            self._socket.close(DEFECT)  # does nothing where it is closed

    # --- called by the socket ------------------------------------------------------------------------------------

    def on_message(self, data: bytes, text: bool) -> None:
        """A turn is asked for: begin it, or let it wait for those before it."""
        try:
            if not text:
                raise InvalidRequest("Messages are JSON in text.", code="invalid_json")
            asked = read_message(data)
        except Fault as fault:
            self._refuse(fault, "")
            return
        if asked.refused:
            self._socket.send(asked.refused)
        elif (fault := self._unwelcome(asked, len(data))) is not None:
            self._refuse(fault, asked.strand)
        elif asked.strand in self._strands:
            self._strands[asked.strand].append((asked, len(data)))
            self._waiting += len(data)
        else:
            self._strands[asked.strand] = deque([(asked, len(data))])
            self._waiting += len(data)
            task = self._group.create_task(self._work(asked.strand))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def on_flow(self, clear: bool) -> None:
        """The caller reads too slowly, or has caught up: so do the endpoints, and no more is asked for meanwhile."""
        for told in self._told:
            told.flow(clear)
        if clear:
            self._socket.go_on()
        else:
            self._socket.hold()

    def on_leave(self, why: str) -> None:
        """It is time to go: when the turns under way have ended."""
        if why == DRAIN:
            self._leaving = RESTART, Draining("The gateway is being stopped.")
        else:
            message = "This socket is as old as it may be; open another one."
            self._leaving = GOING_AWAY, InvalidRequest(message, code="websocket_connection_limit_reached")
            if why == AGE:
                self._refuse(self._leaving[1], "")
        self._leave_if_done()

    def on_gone(self, code: int, why: str) -> None:
        """Nobody reads any more: whatever is under way is cancelled, and with it the endpoints' work."""
        for told in self._told:
            told.gone = True
        for task in self._tasks:
            task.cancel()
        self._over.set()

    # --- turns ---------------------------------------------------------------------------------------------------

    def _unwelcome(self, asked: Asked, size: int) -> Fault | None:
        if self._leaving is not None:
            return self._leaving[1]
        known = asked.strand in self._strands
        if (not known and len(self._strands) >= MOST_STRANDS) or (
            known
            and (
                self._waiting + size > self._live.snapshot.websocket.max_message_bytes
                or len(self._strands[asked.strand]) >= MOST_WAITING
            )
        ):
            message = f"There are at most {MOST_STRANDS} responses under way on one socket, and few that wait."
            return InvalidRequest(message, code="websocket_stream_limit_reached", param="stream_id")
        return None

    async def _work(self, strand: str) -> None:
        """The turns of one strand, until none waits. A task that was cancelled begins no other."""
        task, queue = asyncio.current_task(), self._strands[strand]
        while queue and task is not None and not task.cancelling():
            asked, size = queue.popleft()
            self._waiting -= size
            await self._turn(asked)
        del self._strands[strand]
        self._leave_if_done()

    async def _turn(self, asked: Asked) -> None:
        try:
            body = self._whole(asked)
            if not asked.generates:
                self._warm(asked, body)
                return
        except Fault as fault:
            self._refuse(fault, asked.strand)
            return
        told = Told(self._socket, asked)
        told.gone = not self._socket.open
        self._told.add(told)
        request = msgspec.structs.replace(self._request, method="POST", query=b"", body=body, received=now())
        try:
            await exchange(self._live, request, told, self._door)
        finally:
            self._told.discard(told)
        if told.response:
            self._keep(asked, told.response)

    def _whole(self, asked: Asked) -> bytes:
        """The body, with all that it builds on as far as that was said here. Raises InvalidRequest.

        What came before that, the exchange knows if it is kept for longer, and else refuses.
        """
        body = write_fields(asked.fields)
        if asked.previous not in self._kept:
            return body
        oldest, *later = self._chain(asked.previous)
        chain = [msgspec.structs.replace(oldest, previous=""), *later]
        fields = dict(expand(peek("chat", body), chain).fields)
        fields.pop("store", None)
        if "store" in asked.fields:
            fields["store"] = asked.fields["store"]
        if oldest.previous:
            fields["previous_response_id"] = msgspec.Raw(msgspec.json.encode(oldest.previous))
        return write_fields(fields)

    def _warm(self, asked: Asked, body: bytes) -> None:
        """Only remember what is said: nothing is generated, and nothing paid. Raises a Fault."""
        call = peek("chat", body)
        guard(self._live, authenticate(self._live, self._request), call)
        response, told = warmed(call, self._live.next_name(), int(self._live.clock.wall()))
        for event in told:
            self._socket.send(as_message(event, asked))
        self._keep(asked, response)

    def _refuse(self, fault: Fault, strand: str) -> None:
        """A fault that no passage tells."""
        name = self._live.next_name()
        note(self._live, name, fault)
        self._socket.send(error_message(*refusal(fault, self._door.inbound, name), strand))

    def _leave_if_done(self) -> None:
        if self._leaving is not None and not self._strands:
            self._socket.close(self._leaving[0], str(self._leaving[1]))

    # --- what was said before ------------------------------------------------------------------------------------

    def _chain(self, name: str) -> Sequence[StoredResponse]:
        """What a turn builds on, oldest first."""
        chain: list[StoredResponse] = []
        while (stored := self._kept.get(name)) is not None and len(chain) < len(self._kept):
            chain.append(stored)
            name = stored.previous
        return chain[::-1]

    def _keep(self, asked: Asked, response: bytes) -> None:
        """Remember a response; of all together as many bytes as one message may have, the oldest are forgotten."""
        try:
            stored = keep(peek("chat", write_fields(asked.fields)), response, int(self._live.clock.wall()))
        except ValueError:
            return  # an endpoint's answer without an id: nobody can name it
        if stored.id.startswith(response_id(request_id(self._live.worker, 0))[:-1]):
            return  # by this name the gateway keeps it
        self._forget(stored.id)
        self._kept[stored.id] = stored
        self._kept_bytes += _size(stored)
        while self._kept_bytes > self._live.snapshot.websocket.max_message_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, name: str) -> None:
        if (stored := self._kept.pop(name, None)) is not None:
            self._kept_bytes -= _size(stored)


def _size(stored: StoredResponse) -> int:
    return len(stored.input) + len(stored.response)
