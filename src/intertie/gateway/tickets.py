"""The responses of a Realtime session: each is admitted before it can begin, and settled before its end is told.

A ticket is a passage that was admitted and has not begun. Whichever response the endpoint begins next takes one, so
it does not matter whether the caller asked for it or the endpoint heard that somebody had spoken. Each is a row in the
journal of its own: what a caller was told the end of is in the books, whatever dies.
"""

import asyncio
from typing import Final

import msgspec

from intertie.core.call import Call
from intertie.core.faults import CallerLeft, Draining, Fault, NoCandidate
from intertie.core.principal import MeterKind
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_realtime.server_events import Done
from intertie.gateway.admit import admit
from intertie.gateway.authenticate import known
from intertie.gateway.guard import guard
from intertie.gateway.live import Live
from intertie.gateway.observe import observe
from intertie.gateway.passage import Attempt, Passage, now
from intertie.gateway.settle import settle

EACH: Final[tuple[MeterKind, ...]] = ("usd", "tokens", "requests")
"""The meters that are asked for each response; the others are held for the session."""


class Tickets:
    """All responses of one session. `session` is its passage: it names the model and the endpoint; `digest` is that of
    the caller's key.
    """

    def __init__(self, live: Live, session: Passage, digest: str) -> None:
        self._live, self._session, self._digest = live, session, digest
        self._longest = session.lane.endpoint.context  # tokens; more is said than is read
        self._free: list[Passage] = []
        self._running: dict[str, Passage] = {}

    @property
    def running(self) -> int:
        """Responses under way."""
        return len(self._running)

    def enough(self, count: int, tokens: int) -> bool:
        """Whether so many responses could begin, the last of them with a prompt of at most so many tokens.

        Those before it were admitted when less had been said, and a prompt is what was said until then.
        """
        if len(self._free) < count:
            return False
        call = self._free[-1].call
        return call is not None and call.units.prompt >= min(tokens, self._longest)

    async def take(self, count: int, tokens: int, spare: int) -> None:
        """Admit responses until there are enough, each with some tokens to spare; then give back what has grown small.

        Raises the Fault of the first that is refused, which is counted and logged as any refusal; none is lost by that.
        """
        while not self.enough(count, tokens):
            self._free.append(await self._admitted(tokens, spare))
        while len(self._free) > count:
            self._close(self._free.pop(count - 1), CallerLeft("It was not used.", code="unused"))

    def begin(self, response: str, asked: float) -> bool:
        """A response begins, asked for at this monotonic time; false if none was admitted, or it had begun."""
        if not self._free or response in self._running:
            return False
        passage = self._free.pop(0)
        call, lane = passage.call, self._session.lane
        assert call is not None
        attempt = passage.attempt = Attempt(lane, 1, asked, Heard(), sent=True)
        attempt.flight = lane.state.dispatched(asked, call.prompt_tokens, passage.expected_ttft_s())
        passage.request = msgspec.structs.replace(passage.request, received=asked)
        passage.status = 200
        self._live.streams += 1
        self._running[response] = passage
        return True

    def grew(self, response: str, tokens: int) -> None:
        """A response goes on, by about so many tokens."""
        passage = self._running.get(response)
        if passage is not None and passage.attempt is not None:
            attempt = passage.attempt
            attempt.heard.events += tokens
            if not attempt.first_byte:
                attempt.first_byte = now()
                if attempt.flight is not None:
                    attempt.flight.first_byte()

    def end(self, done: Done) -> Fault | None:
        """A response has ended: it is settled. The fault if the books could not be written."""
        passage = self._running.pop(done.id, None)
        if passage is None or passage.attempt is None:
            return None
        attempt = passage.attempt
        attempt.heard.usage, attempt.ended = done.usage, now()
        attempt.first_byte = attempt.first_byte or attempt.ended
        if attempt.flight is not None:
            if done.fault is not None:
                attempt.flight.failed(attempt.ended, done.fault, self._live.lot())
            else:
                usage = done.usage or Usage(completion=attempt.heard.events, estimated=True)
                began = attempt.started
                attempt.flight.answered(attempt.ended, attempt.first_byte - began, attempt.ended - began, usage)
        self._close(passage, done.fault)
        return None if passage.row is not None else passage.fault

    def close(self, fault: Fault) -> None:
        """The session is over, for this reason: what runs is settled as far as it came, what waits is given back."""
        unused = CallerLeft("It was not used.", code="unused")
        for passage in self._running.values():
            if passage.attempt is not None and passage.attempt.flight is not None:
                if fault.blame == "upstream":
                    passage.attempt.flight.failed(now(), fault, self._live.lot())
                passage.attempt.flight.left()
            self._close(passage, fault)
        for passage in self._free:
            self._close(passage, unused)
        self._running, self._free = {}, []

    async def _admitted(self, tokens: int, spare: int) -> Passage:
        """One response more. The key, the model and the endpoint must still be good; they may have changed."""
        live, session = self._live, self._session
        passage = live.open(msgspec.structs.replace(session.request, received=now()), session.door)
        try:
            passage.principal = known(live, self._digest, b"")
            passage.call = self._call(tokens, spare)
            guard(live, passage.principal, passage.call)
            passage.holds = await admit(live, passage, EACH)
        except Fault as fault:
            passage.fault = fault
            raise
        except asyncio.CancelledError:
            passage.fault = Draining("The gateway is being stopped.")
            raise
        finally:
            if passage.holds is None:
                live.close(passage)
                observe(live, passage)
        passage.plan = session.plan
        return passage

    def _call(self, tokens: int, spare: int) -> Call:
        live, call, place = self._live, self._session.call, self._session.lane.endpoint
        assert call is not None
        tables = [live.tables[name] for name in (call.model, *call.ask.models) if name in live.tables]
        if not any(table.serves("realtime", place.id) for table in tables):
            raise NoCandidate("The endpoint of this session serves it no more; open another one.")
        room = Usage(prompt=min(tokens + spare, self._longest))
        return msgspec.structs.replace(call, stream=True, prompt_tokens=min(tokens, self._longest), units=room)

    def _close(self, passage: Passage, fault: Fault | None) -> None:
        passage.fault = fault
        self._live.close(passage)
        settle(self._live, passage)
        if passage.attempt is not None:
            observe(self._live, passage)
