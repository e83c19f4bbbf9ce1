"""The archivist: keeps the responses that callers come back to, for workers, who speak to no database.

What arrives together is written in one transaction, in order of arrival; reading waits for no writing. A worker is told
once it is committed. Callers who want a response no more are heard by the worker that makes it: at once if it is linked
here, within a second if it is another host's.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.control.borrows import WorkerLink
from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.ids import WorkerId
from intertie.core.keeping import Fetch, Forget, Keep, Kept, KeptRecord, Question, Stop
from intertie.store.database import Database
from intertie.store.responses import (
    Link,
    ResponseRow,
    cancel_response,
    cancelled_elsewhere,
    end_response,
    expire_responses,
    forget_response,
    keep_response,
    one_response,
    response_chain,
)

log = logging.getLogger(__name__)

MOST_CHAIN: Final = 32 * 1024 * 1024
"""Bytes of a chain that are told: as much as a caller may send at once by default, and well within one frame."""
_MOST_AT_ONCE: Final = 64
_MOST_BYTES_AT_ONCE: Final = 32 * 1024 * 1024
_SWEEP_EVERY_S: Final = 60.0
_WATCH_EVERY_S: Final = 1.0


class _Asked(NamedTuple):
    link: WorkerLink
    worker: WorkerId
    question: Question


class _Done(NamedTuple):
    kept: Kept
    maker: WorkerId | None = None  # who makes what nobody wants any more


class Archivist:
    """Keeps for one host. `write`, `read`, `watch` and `sweep` are coroutines that the owner keeps running."""

    def __init__(self, database: Database, host: str, clock: Clock) -> None:
        self._database, self._host, self._clock = database, host, clock
        self._links: dict[WorkerId, WorkerLink] = {}
        self._writes, self._reads = deque[_Asked](), deque[_Asked]()
        self._to_write, self._to_read, self._linked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def on_linked(self, link: WorkerLink, worker: WorkerId) -> None:
        """A worker said who it is; what was cancelled while it was away it hears now."""
        self._links[worker] = link
        self._linked.set()

    def on_gone(self, link: WorkerLink) -> None:
        """The link to a worker broke: it waits for no answer any more. What it wanted kept is kept."""
        self._links = {worker: known for worker, known in self._links.items() if known is not link}

    def on_message(self, link: WorkerLink, worker: WorkerId, question: Question) -> None:
        """What a worker asks."""
        asked = _Asked(link, worker, question)
        if isinstance(question, Fetch):
            self._reads.append(asked)
            self._to_read.set()
        else:
            self._writes.append(asked)
            self._to_write.set()

    async def write(self) -> None:
        """Keep, delete and cancel, until cancelled."""
        while True:
            await self._to_write.wait()
            self._to_write.clear()
            while self._writes:
                await self._write(self._next_writes())

    async def read(self) -> None:
        """Tell what is kept, until cancelled."""
        while True:
            await self._to_read.wait()
            self._to_read.clear()
            while self._reads:
                asked = self._reads.popleft()
                asked.link.send(await self._found(asked))

    async def watch(self) -> None:
        """Pass on what was cancelled at other hosts, or while its worker was not linked; until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_EVERY_S if self._database.shared else None):
                    await self._linked.wait()
            self._linked.clear()
            try:
                async with self._database.read() as connection:
                    unwanted = await cancelled_elsewhere(connection, list(self._links))
            except StoreFault as fault:
                log.warning("what was cancelled elsewhere is not known: %s", fault)
            else:
                for worker, name in unwanted:
                    self._stop(worker, name)

    async def sweep(self) -> None:
        """Delete what was kept for long enough, until cancelled."""
        while True:
            try:
                while await self._expire():
                    pass
            except StoreFault as fault:
                log.warning("responses stay for longer than they should: %s", fault)
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _expire(self) -> int:
        async with self._database.write() as connection:
            return await expire_responses(connection, self._clock.wall())

    def _next_writes(self) -> list[_Asked]:
        batch: list[_Asked] = []
        size = 0
        while self._writes and len(batch) < _MOST_AT_ONCE and size < _MOST_BYTES_AT_ONCE:
            asked = self._writes.popleft()
            batch.append(asked)
            size += len(asked.question.body) if isinstance(asked.question, Keep) else 0
        return batch

    async def _write(self, batch: list[_Asked]) -> None:
        try:
            async with self._database.write() as connection:
                done = [await self._do(connection, asked) for asked in batch]
        except StoreFault as fault:
            done = [_Done(Kept(asked.question.ticket, fault=fault.message)) for asked in batch]
        for asked, (kept, _) in zip(batch, done, strict=True):
            asked.link.send(kept)
        for asked, (_, maker) in zip(batch, done, strict=True):
            if maker is not None and not isinstance(asked.question, Keep):
                self._stop(maker, asked.question.id)

    async def _do(self, connection: AsyncConnection, asked: _Asked) -> _Done:
        question, now = asked.question, self._clock.wall()
        if isinstance(question, Keep):
            await self._keep(connection, question, asked.worker)
            return _Done(Kept(question.ticket))
        if isinstance(question, Forget):
            known, maker = await forget_response(connection, question.owner, question.id, now)
            return _Done(Kept(question.ticket, (KeptRecord("done", b""),) if known else ()), maker)
        maker = await cancel_response(connection, question.owner, question.id, now)
        links = await one_response(connection, question.owner, question.id, now)
        return _Done(_kept(question.ticket, links), maker)

    async def _keep(self, connection: AsyncConnection, keep: Keep, worker: WorkerId) -> None:
        if keep.phase == "ended":
            await end_response(connection, keep.owner, keep.id, keep.body)
            return
        begun = keep.phase == "begun"
        row = ResponseRow(
            id=keep.id,
            owner=keep.owner,
            previous=keep.previous,
            host=self._host,
            expires=keep.expires,
            body=keep.body,
            worker=worker if begun else None,
            state="making" if begun else "done",
        )
        await keep_response(connection, row)

    async def _found(self, asked: _Asked) -> Kept:
        question, now = asked.question, self._clock.wall()
        try:
            async with self._database.read() as connection:
                if isinstance(question, Fetch) and question.chain:
                    links = await response_chain(connection, question.owner, question.id, now, MOST_CHAIN)
                else:
                    links = await one_response(connection, question.owner, question.id, now)
        except StoreFault as fault:
            return Kept(question.ticket, fault=fault.message)
        return _kept(question.ticket, links)

    def _stop(self, worker: WorkerId, name: str) -> None:
        if worker in self._links:
            self._links[worker].send(Stop(name))


def _kept(ticket: int, links: Sequence[Link]) -> Kept:
    """The answer; a chain that is too large is told from where it fits."""
    records = [KeptRecord(link.state, link.body) for link in links if link.body is not None]
    return Kept(ticket, tuple(records), cut=len(records) < len(links))
