"""The folder: takes what workers wrote into their journals and folds it into the ledger, exactly once.

Each stretch of a journal goes into one transaction together with the position behind it. A segment is deleted once all
of it is folded and the database would survive a power failure. A journal that says what cannot be, or that is damaged
before its end, is stopped right there and said so, loudly: nothing is skipped.
"""

import asyncio
import logging
from pathlib import Path

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.ids import WorkerId
from intertie.store.alerts import EventRow, note_event
from intertie.store.database import Database
from intertie.store.folding import Position, Stretch, Unfoldable, fold, forget_position, positions, set_position
from intertie.store.journal import JournalReader, JournalUnreadable, journals, remove_segments, segment_path

log = logging.getLogger(__name__)

STRETCH = 1_000
_POLL_S = 0.2
"""Folding many rows at once costs a third of folding them a few at a time, and workers keep their caches meanwhile."""
_PAUSE_S = 1.0


class Folder:
    """Folds the journals of one host. `reached` is set whenever an account reached a threshold."""

    def __init__(self, database: Database, directory: Path, host: str, clock: Clock) -> None:
        self._database, self._directory, self._host, self._clock = database, directory, host, clock
        self._positions: dict[WorkerId, Position] | None = None
        self._turn = asyncio.Lock()
        self.reached = asyncio.Event()
        self.folded = 0

    async def run(self) -> None:
        """Fold, until cancelled."""
        while True:
            before = self.folded
            try:
                await self.fold_some()
            except StoreFault as fault:
                log.warning("journals wait: %s", fault)
                await asyncio.sleep(_PAUSE_S)
                continue
            if self.folded - before < STRETCH:  # less than a whole stretch: let it grow
                await asyncio.sleep(_POLL_S)

    async def fold_some(self) -> bool:
        """Fold a stretch of every journal; whether there was anything. Raises StoreFault."""
        async with self._turn:
            found, busy = journals(self._directory), False
            for worker, segments in found.items():
                try:
                    busy |= await self._step(worker, segments)
                except JournalUnreadable as fault:
                    log.warning("one journal waits: %s", fault)
            return busy

    async def fold_to_end(self, worker: WorkerId) -> bool:
        """Fold all that a dead worker wrote; false if its journal is stopped before its end.

        Raises StoreFault, or JournalUnreadable.
        """
        async with self._turn:
            if segments := journals(self._directory).get(worker):
                while await self._step(worker, segments):
                    pass
            return not (await self._position(worker)).fault

    async def remove(self, worker: WorkerId) -> None:
        """Delete a journal that is folded to its end. Raises StoreFault."""
        async with self._turn:
            await self._database.make_durable()
            remove_segments(self._directory, worker, journals(self._directory).get(worker, []))
            async with self._database.write() as connection:
                await forget_position(connection, worker)
            if self._positions:
                self._positions.pop(worker, None)

    async def _position(self, worker: WorkerId) -> Position:
        if self._positions is None:
            async with self._database.read() as connection:
                self._positions = await positions(connection, self._host)
        return self._positions.get(worker) or Position(worker)

    async def _step(self, worker: WorkerId, segments: list[int]) -> bool:
        """Fold the next stretch, or go on to the next segment; false if there is nothing to do for now."""
        at, last = await self._position(worker), segments[-1]
        if at.fault:
            return False
        if at.segment not in segments and at.segment <= last:
            await self._stop(at, "it is missing")
            return False
        reader = JournalReader(segment_path(self._directory, worker, at.segment), at.position)
        rows = reader.read(STRETCH)
        if rows:
            end = msgspec.structs.replace(at, position=reader.position)
            return await self._fold(Stretch(rows, end))
        if reader.tail == "corrupt" or (reader.tail == "torn" and at.segment < last):
            await self._stop(at, "the bytes there are no row")
            return False
        if at.segment < last:
            await self._next_segment(at)
            return True
        return False

    async def _fold(self, stretch: Stretch) -> bool:
        try:
            async with self._database.write() as connection:
                reached = await fold(connection, self._host, stretch)
        except Unfoldable as fault:
            await self._stop(await self._position(stretch.end.worker), fault.message)
            return False
        except StoreFault:
            self._positions = None  # whether it was committed, only the database knows
            raise
        self._remember(stretch.end)
        self.folded += len(stretch.rows)
        if reached:
            self.reached.set()
        return True

    async def _next_segment(self, at: Position) -> None:
        start = Position(at.worker, at.segment + 1)
        async with self._database.write() as connection:
            await set_position(connection, self._host, start)
        await self._database.make_durable()
        remove_segments(self._directory, at.worker, [at.segment])
        self._remember(start)

    async def _stop(self, at: Position, why: str) -> None:
        name = segment_path(self._directory, at.worker, at.segment).name
        fault = f"{name} cannot be folded from byte {at.position} on: {why}"
        log.error("%s; the worker's leases stay reserved until this is mended", fault)
        stopped = msgspec.structs.replace(at, fault=fault)
        async with self._database.write() as connection:
            await set_position(connection, self._host, stopped)
            await note_event(connection, EventRow(self._clock.wall(), "journal_stopped", at.worker, fault))
        self._remember(stopped)

    def _remember(self, at: Position) -> None:
        if self._positions is not None:
            self._positions[at.worker] = at
