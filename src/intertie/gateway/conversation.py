"""A Realtime session under way: events pass in callbacks, those that cost money wait until they are admitted.

From the caller: `response.create` needs a ticket, and so does audio while the endpoint answers whom it hears by itself;
while one is being taken, nothing more is read. From the endpoint: `response.created` takes a ticket, `response.done` is
settled before it is passed on. A response that was not admitted ends the session: nothing is spent unasked.
"""

import asyncio
from typing import Final

from intertie.core.call import Fields
from intertie.core.faults import (
    CallerLeft,
    Draining,
    Fault,
    InvalidRequest,
    RateLimited,
    StreamCut,
)
from intertie.dialects.openai_realtime import client_events, server_events
from intertie.dialects.openai_realtime.client_events import Said
from intertie.dialects.openai_realtime.context import Context
from intertie.dialects.openai_realtime.faults import error_event, session_update
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage, now
from intertie.gateway.tickets import Tickets
from intertie.wire.frames import DEFECT, GOING_AWAY, LOST, NO_CODE, NORMAL, POLICY, RESTART
from intertie.wire.websocket import AGE, DRAIN, IDLE, WebSocket

_SPARE, _SPARE_SPEECH = 512, 4_096
"""Tokens by which a conversation may grow before its ticket must be renewed; of speech these are six minutes."""
_REST_S: Final = 1.0
"""After a refusal speech is not tried again so soon, nor the caller told again."""
_MOST_ASKED: Final = 32
_WHY: Final = {AGE: "A session lasts no longer; open another one.", IDLE: "Nobody spoke for long."}


class Conversation:
    """See the module. `wanted` is what the session is to be before the caller says anything."""

    def __init__(self, live: Live, passage: Passage, tickets: Tickets, wanted: Fields) -> None:
        self._live, self._passage, self._tickets, self._wanted = live, passage, tickets, wanted
        self._context = Context()
        self._asked: dict[str, float] = {}  # responses asked for that have not begun, by event id: since when
        self._numbered = 0
        self._listens, self._updates, self._speech = True, 0, False
        self._pending: Said | None = None
        self._refused_until = 0.0
        self._holds: set[str] = set()
        self._leaving = ""
        self._wake, self._end = asyncio.Event(), False
        self._fault: Fault | None = None

    async def run(self, caller: WebSocket, endpoint: WebSocket) -> Fault | None:
        """Until one side is gone; why it ended, None if in peace. Nothing of it is left open or unsettled."""
        self._caller, self._endpoint = caller, endpoint
        try:
            if self._wanted:
                endpoint.send(session_update(self._wanted))
            caller.listen(FromCaller(self))
            endpoint.listen(FromEndpoint(self))
            while not self._end:
                await self._wake.wait()
                self._wake.clear()
                await self._take_pending()
        except asyncio.CancelledError:
            self.finish(Draining("The gateway is being stopped."), GOING_AWAY)
            raise
        finally:
            self.finish(Fault("The session ended unforeseen."), DEFECT)  # does nothing where it has ended
        return self._fault

    def finish(self, fault: Fault | None, code: int, cut: Fault | None = None) -> None:
        """The session is over: both sides are told, and everything is settled. Synchronous, and once.

        `cut` is what befell the responses under way, where the session itself ended in peace.
        """
        if self._end:
            return
        self._end, self._fault = True, fault
        self._tickets.close(fault or cut or CallerLeft("The caller left."))
        self._endpoint.leave()
        if fault is not None:
            self._tell(fault, "")
        self._caller.close(code, fault.public if fault is not None else "")
        self._wake.set()

    def flow(self, clear: bool) -> None:
        """The caller reads too slowly, or has caught up: so does the endpoint, and meanwhile nobody can answer him."""
        if clear:
            self._endpoint.go_on()
            self.go_on("caller")
        else:
            self._endpoint.hold()
            self.hold("caller")

    def hold(self, why: str) -> None:
        """Read no more of the caller, for this reason."""
        self._holds.add(why)
        self._caller.hold()

    def go_on(self, why: str) -> None:
        """The reason is gone."""
        self._holds.discard(why)
        if not self._holds:
            self._caller.go_on()

    def leave(self, why: str) -> None:
        """It is time to go: at once if no response is under way, else when it has ended."""
        self._leaving = why
        if not self._tickets.running and not self._asked:
            fault = None if why == DRAIN else InvalidRequest(_WHY[why], code="session_expired")
            self.finish(fault, RESTART if why == DRAIN else GOING_AWAY)

    # --- from the caller -----------------------------------------------------------------------------------------

    def say(self, data: bytes, text: bool) -> None:
        """An event of the caller: pass it on, or let it wait for a ticket."""
        said: Said | None = None
        try:
            if not text:
                raise InvalidRequest("Events are JSON in text.", code="invalid_json")
            said = client_events.read(data)
            said = self._checked(said)
        except Fault as fault:
            self._tell(fault, said.id if said else "")
            return
        self._count(said)
        if self._enough_for(said):
            self._pass_on(said)
        elif said.kind != "append" or now() >= self._refused_until:
            self._pending = said
            self.hold("ticket")
            self._wake.set()

    def _checked(self, said: Said) -> Said:
        """The event as the endpoint may have it. Raises InvalidRequest."""
        call, terms, principal = self._passage.call, self._passage.terms, self._passage.principal
        assert call is not None and terms is not None and principal is not None
        if said.kind == "update":
            said = client_events.with_model(said, call.model, self._passage.lane.endpoint.upstream_model)
            if terms.paid and not principal.allow_unpriced and client_events.wants_transcripts(said):
                message = "Transcripts of what is heard are made by another model, whose price is not known here."
                raise InvalidRequest(message, code="model_unpriced", param="session.audio.input.transcription")
        elif said.kind == "create":
            if self._leaving:
                raise Draining("The session is about to end.")
            if len(self._asked) >= _MOST_ASKED:
                raise RateLimited("Too many responses are asked for at once.")
            if not said.id or said.id in self._asked:
                self._numbered += 1
                said = client_events.named(said, f"event_{self._passage.name}_{self._numbered}")
        return said

    def _count(self, said: Said) -> None:
        if said.kind == "append":
            self._speech = True
            self._context.heard(said.size)
        else:
            self._context.said(said.size)

    def _enough_for(self, said: Said) -> bool:
        if said.kind == "create" or (said.kind == "append" and self._listens):
            return self._tickets.enough(self._needed(said), self._context.tokens)
        return True

    def _needed(self, said: Said | None) -> int:
        """Tickets for what was asked for, and one for the response that the endpoint may make by itself."""
        return len(self._asked) + (said is not None and said.kind == "create") + (self._listens and self._speech)

    def _pass_on(self, said: Said) -> None:
        if said.kind == "create":
            self._asked[said.id] = now()
        elif said.kind == "update":
            self._updates += 1
            self._listens = True  # until the endpoint says otherwise
        self._endpoint.send(said.data)

    async def _take_pending(self) -> None:
        """Take the tickets for what waits; without one it is refused, and the session goes on."""
        said, self._pending = self._pending, None
        if self._end or (said is None and not (self._listens and self._speech)):
            return
        try:
            spare = _SPARE_SPEECH if self._listens and self._speech else _SPARE
            await self._tickets.take(self._needed(said), self._context.tokens, spare)
        except Fault as fault:
            self._refused_until = now() + _REST_S
            if said is not None and not self._end:
                self._tell(fault, said.id)
        else:
            if self._end:
                self._tickets.close(CallerLeft("The caller left."))
            elif said is not None:
                self._pass_on(said)
        if said is not None:
            self.go_on("ticket")

    # --- from the endpoint ---------------------------------------------------------------------------------------

    def hear(self, data: bytes, text: bool) -> None:
        """An event of the endpoint: read what it costs, and pass it on."""
        try:
            if text:
                self._read(server_events.type_of(data), data)
        except Fault as fault:
            self.finish(fault, POLICY if fault.blame == "caller" else DEFECT)
        if not self._end:
            self._caller.send(data, text=text)
            if self._leaving:
                self.leave(self._leaving)

    def _read(self, kind: str, data: bytes) -> None:
        if kind.endswith(".delta"):
            self._tickets.grew(*server_events.grown(kind, data))
        elif kind == "response.created":
            self._begun(data)
        elif kind == "response.done":
            self._done(data)
        elif kind == "error":
            self._asked.pop(server_events.failed_event(data), None)
        elif kind == "conversation.item.done":
            self._context.said(server_events.own_words(data))
        elif kind in ("session.created", "session.updated"):
            self._known(kind, data)

    def _begun(self, data: bytes) -> None:
        response = server_events.created(data)
        since = self._asked.pop(next(iter(self._asked), ""), now())
        if not self._tickets.begin(response, since):
            message = "The endpoint began a response for which nothing was set aside."
            raise RateLimited(message, code="response_not_admitted")
        self._context.began(response)
        if self._listens and self._speech:
            self._wake.set()  # the next one may come without a word of the caller

    def _done(self, data: bytes) -> None:
        done = server_events.done(data)
        self._context.ended(done.id, done.usage, done.in_conversation)
        fault = self._tickets.end(done)
        if fault is not None:
            raise fault  # what is not in the books is not told

    def _known(self, kind: str, data: bytes) -> None:
        if kind == "session.updated":
            self._updates = max(0, self._updates - 1)
        self._listens = self._updates > 0 or server_events.makes_responses(data)

    def _tell(self, fault: Fault, event_id: str) -> None:
        self._caller.send(error_event(fault, self._live.next_name(), event_id))


class FromCaller:
    """The ear at the caller's socket."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def on_message(self, data: bytes, text: bool) -> None:
        """An event."""
        self._conversation.say(data, text)

    def on_flow(self, clear: bool) -> None:
        """The caller reads too slowly, or has caught up."""
        self._conversation.flow(clear)

    def on_leave(self, why: str) -> None:
        """It is time to go."""
        self._conversation.leave(why)

    def on_gone(self, code: int, why: str) -> None:
        """The caller took leave, or is lost."""
        self._conversation.finish(CallerLeft("The caller left.") if code == LOST else None, NORMAL)


class FromEndpoint:
    """The ear at the endpoint's socket."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def on_message(self, data: bytes, text: bool) -> None:
        """An event."""
        self._conversation.hear(data, text)

    def on_flow(self, clear: bool) -> None:
        """The endpoint reads too slowly, or has caught up."""
        if clear:
            self._conversation.go_on("flow")
        else:
            self._conversation.hold("flow")

    def on_leave(self, why: str) -> None:
        """Sockets to endpoints have no age."""

    def on_gone(self, code: int, why: str) -> None:
        """The endpoint took leave, or is lost."""
        cut = StreamCut(f"The endpoint closed the session: {code} {why}")
        if code in (NORMAL, GOING_AWAY, NO_CODE):
            self._conversation.finish(None, NORMAL if code == NO_CODE else code, cut)
        else:
            self._conversation.finish(cut, code if 3000 <= code <= 4999 else DEFECT)
