"""Responses that callers come back to, as a worker keeps and finds them: the control process writes them down.

The owner calls `on_link` when the link comes up or breaks, and `on_message` for answers. A question on a link that
breaks is asked again on the next one: asking twice does no harm. A link that has just broken is waited for; who asks
while it has been down for 5 seconds is told so at once.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

import msgspec

from intertie.core.faults import Fault, InvalidRequest, StoreFault, TooLarge
from intertie.core.keeping import Cancel, Fetch, Forget, Keep, Kept, KeptRecord, Phase, Question
from intertie.dialects.openai_responses.stored import StoredResponse
from intertie.dialects.openai_responses.stored_bodies import cancelled, failed, in_progress

MOST_KEPT: Final = 16 * 1024 * 1024
"""Bytes of one response: what is larger is answered and not kept."""
PATIENCE_S: Final = 5.0
_MOST_UNDER_WAY: Final = 64 * 1024 * 1024
_NAME: Final = re.compile(r"resp_[0-9a-z]{1,64}_[0-9]{1,20}")
_LOST: Final = Fault("The worker that made this response died.")

Say = Callable[[Question], None]
"""Sends to the control process; does nothing while the link is down."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredResponse).decode


class Archive:
    """See the module. An owner finds what it kept, and nobody else's."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, asyncio.Future[Kept | None]] = {}
        self._ticket = 0
        self._under_way = 0
        self._up = asyncio.Event()
        self._down_since = float("-inf")  # monotonic; never, while it is up

    async def keep(self, owner: str, stored: StoredResponse, phase: Phase = "whole") -> None:
        """Keep a response. Raises TooLarge, or StoreFault: then it is not kept, or not for certain."""
        body = _encode(stored)
        if len(body) > MOST_KEPT:
            raise TooLarge(f"A response of more than {MOST_KEPT >> 20} MiB is not kept.")
        if self._under_way + len(body) > _MOST_UNDER_WAY:
            raise StoreFault("too much waits to be kept", retry_after=1.0)
        self._under_way += len(body)
        try:
            await self._ask(Keep(0, owner, stored.id, stored.previous, stored.expires, body, phase))
        finally:
            self._under_way -= len(body)

    async def chain(self, owner: str, name: str) -> list[StoredResponse]:
        """A response and all that it builds on, oldest first, as far as it is there; nothing if it is not.

        Raises StoreFault, or InvalidRequest for a chain that is too large.
        """
        kept = await self._about(Fetch(0, owner, name, chain=True))
        if kept.cut:
            message = f"Invalid value for 'previous_response_id': all that '{name}' builds on is too large."
            raise InvalidRequest(message, code="invalid_value", param="previous_response_id")
        return [_shown(record) for record in kept.records]

    async def find(self, owner: str, name: str) -> StoredResponse | None:
        """A response by itself. Raises StoreFault."""
        return _first(await self._about(Fetch(0, owner, name)))

    async def forget(self, owner: str, name: str) -> bool:
        """Delete a response; false if it is not there. Raises StoreFault."""
        return bool((await self._about(Forget(0, owner, name))).records)

    async def cancel(self, owner: str, name: str) -> StoredResponse | None:
        """Let the making of a response end; the response as it is now. Raises StoreFault."""
        return _first(await self._about(Cancel(0, owner, name)))

    def on_link(self, up: bool) -> None:
        """The link to the control process came up, or broke."""
        if up:
            self._down_since = float("inf")
            self._up.set()
            return
        self._up.clear()
        self._down_since = min(self._down_since, self._loop.time())
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)

    def on_message(self, kept: Kept) -> None:
        """What the control process answers."""
        answer = self._asked.get(kept.ticket)
        if answer is not None and not answer.done():
            answer.set_result(kept)

    async def _about(self, question: Fetch | Forget | Cancel) -> Kept:
        """Ask, unless nothing can ever have been kept under such a name."""
        return await self._ask(question) if _NAME.fullmatch(question.id) else Kept(0)

    async def _ask(self, question: Question) -> Kept:
        until = self._loop.time() + PATIENCE_S
        kept = None
        try:
            while kept is None:
                async with asyncio.timeout_at(
                    until if self._up.is_set() else min(until, self._down_since + PATIENCE_S)
                ):
                    await self._up.wait()
                async with asyncio.timeout_at(until):
                    kept = await self._answer(question)
        except TimeoutError:
            raise StoreFault("Kept responses cannot be reached now.", retry_after=1.0) from None
        if kept.fault:
            raise StoreFault(f"Kept responses cannot be reached now: {kept.fault}", retry_after=1.0)
        return kept

    async def _answer(self, question: Question) -> Kept | None:
        """The answer; None if the link broke before it came."""
        self._ticket += 1
        ticket = question.ticket = self._ticket
        answer = self._asked[ticket] = self._loop.create_future()
        try:
            self._say(question)
            return await answer
        finally:
            del self._asked[ticket]


class Shelf:
    """An archivist that keeps in memory; the fake at the other end. It answers one round of the loop later."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Keep, KeptRecord]] = {}
        self.archive: Archive | None = None

    def hear(self, question: Question) -> None:
        """Answer a worker's question."""
        asyncio.get_running_loop().call_soon(self._answer, question)

    def _answer(self, question: Question) -> None:
        assert self.archive is not None
        owned = question.id in self.kept and self.kept[question.id][0].owner == question.owner
        match question:
            case Keep():
                self._keep(question)
                found = []
            case Fetch(chain=True):
                found = self._chain(question)
            case _:
                found = [self.kept[question.id][1]] if owned else []
        if owned and isinstance(question, Forget):
            del self.kept[question.id]
        if owned and isinstance(question, Cancel) and found[0].state == "making":
            self._set(question.id, KeptRecord("cancelled", found[0].body))
            found = [self.kept[question.id][1]]
        self.archive.on_message(Kept(question.ticket, tuple(found)))

    def _keep(self, keep: Keep) -> None:
        if keep.phase != "ended":
            self.kept[keep.id] = keep, KeptRecord("making" if keep.phase == "begun" else "done", keep.body)
        elif keep.id in self.kept and self.kept[keep.id][1].state in ("making", "lost"):
            self._set(keep.id, KeptRecord("done", keep.body))

    def _chain(self, fetch: Fetch) -> list[KeptRecord]:
        name, found = fetch.id, list[KeptRecord]()
        while name in self.kept and self.kept[name][0].owner == fetch.owner:
            keep, record = self.kept[name]
            found.append(record)
            name = keep.previous
        return found[::-1]

    def _set(self, name: str, record: KeptRecord) -> None:
        self.kept[name] = self.kept[name][0], record


def _first(kept: Kept) -> StoredResponse | None:
    return _shown(kept.records[0]) if kept.records else None


def _shown(record: KeptRecord) -> StoredResponse:
    """A response as it is now: what is kept of one being made is how it began."""
    stored = _decode(record.body)
    match record.state:
        case "making":
            return in_progress(stored)
        case "lost":
            return failed(stored, _LOST)
        case "cancelled":
            return cancelled(stored)
        case "done":
            return stored
