"""What the workers have counted, over the lives of workers and of the control process."""

import asyncio
from pathlib import Path

import msgspec

from intertie.adapters.telemetry.counters import Totals
from intertie.compose.events import tell
from intertie.core.ids import WorkerId
from intertie.store.journal import locks

_EVERY_S = 1.0


class Tally:
    """Keeps the totals in a file, so that no counter goes back when this process dies.

    A worker counts as dead when its books are closed (the sweeper has removed its lock), not when its link breaks: one
    that links again goes on with the counts it has.
    """

    def __init__(self, path: Path, journals: Path) -> None:
        self._path, self._journals = path, journals
        self._kept = b""
        self.totals = self._read()

    def merge(self, worker: WorkerId, body: bytes) -> None:
        """Take a worker's latest reading; what is none is told and left out."""
        try:
            self.totals.merge(worker, body)
        except msgspec.DecodeError as error:
            tell("counters_refused", worker=worker, why=str(error))

    async def run(self) -> None:
        """Look after the dead and keep what is counted, until cancelled."""
        while True:
            self.save()
            await asyncio.sleep(_EVERY_S)

    def save(self) -> None:
        """Count out who is dead, and write the file if it has changed. A full disk costs nothing but this."""
        for worker in self.totals.workers - locks(self._journals):
            self.totals.gone(worker)
        kept = self.totals.keep()
        if kept == self._kept:
            return
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(kept)
            draft.replace(self._path)
        except OSError as error:
            tell("counters_not_kept", why=str(error))
        self._kept = kept

    def _read(self) -> Totals:
        try:
            return Totals(self._path.read_bytes())
        except FileNotFoundError:
            return Totals()
        except (OSError, msgspec.DecodeError) as error:
            tell("counters_lost", file=str(self._path), why=str(error))
            return Totals()
