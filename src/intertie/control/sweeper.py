"""The sweeper: what the dead leave behind is settled and returned.

A worker of this host is dead when the lock it holds for life can be taken. Its journal is folded to the end, its open
requests are charged at their holds, its leases go back (those of rate limits a minute later), responses that it was
making are lost, its files are deleted; in this order, and each step can be repeated, so it does not matter where a
sweeper dies.

On a database shared by hosts, one whose beat stands still is taken for dead after two minutes. Its workers have stopped
spending by then (see `gateway.wallet`), and its own lender tells them what was taken back before they spend again.
"""

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

from intertie.control.folder import Folder
from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.ids import WorkerId
from intertie.store.database import Database
from intertie.store.deaths import (
    any_ended,
    beats,
    close_interrupted,
    end_leases,
    expire_host,
    lending_workers,
    return_ended,
)
from intertie.store.journal import JournalUnreadable, lock_if_dead, lock_path, locks
from intertie.store.responses import lose_responses

log = logging.getLogger(__name__)

HOST_TTL_S = 120.0
RATES_TTL_S = HOST_TTL_S + 60.0
_EVERY_S = 0.5


class Sweeper:
    """Sweeps for one host. `run` is a coroutine that the owner keeps running; `wake` when a worker may have died."""

    def __init__(self, database: Database, folder: Folder, directory: Path, host: str, clock: Clock) -> None:
        self._database, self._folder, self._directory = database, folder, directory
        self._host, self._clock = host, clock
        self._wake = asyncio.Event()
        self._seen: dict[str, tuple[int, float]] = {}  # by host: its beat, and when (monotonic) it was first seen

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep, until cancelled."""
        while True:
            try:
                await self.sweep()
            except StoreFault as fault:
                log.warning("the dead wait: %s", fault)
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()

    async def sweep(self) -> int:
        """Settle and return what the dead left; how many workers were buried. Raises StoreFault."""
        async with self._database.read() as connection:
            lending = await lending_workers(connection, self._host)
            ended = await any_ended(connection, self._clock.wall())
        present = locks(self._directory)
        buried = [worker for worker in sorted(present) if await self._bury_if_dead(worker)]
        for worker in lending - present:
            await self._end(worker)  # its files are gone: it was buried before its last request to the lender
        if ended:
            async with self._database.write() as connection:
                await return_ended(connection, self._host, self._clock.wall())
        if self._database.shared:
            await self._expire_hosts()
        return len(buried)

    async def _bury_if_dead(self, worker: WorkerId) -> bool:
        lock = lock_if_dead(self._directory, worker)
        if lock is None:
            return False
        try:
            if not await self._folder.fold_to_end(worker):
                return False
            await self._end(worker)
            await self._folder.remove(worker)
            lock_path(self._directory, worker).unlink(missing_ok=True)
        except JournalUnreadable as fault:
            log.warning("one of the dead waits: %s", fault)
            return False
        finally:
            os.close(lock)
        log.info("worker %s is dead; its books are closed", worker)
        return True

    async def _end(self, worker: WorkerId) -> None:
        now = self._clock.wall()
        async with self._database.write() as connection:
            reached = await close_interrupted(connection, self._host, worker, now)
        async with self._database.write() as connection:
            await end_leases(connection, self._host, worker, now)
            await lose_responses(connection, worker=worker)
        if reached:
            self._folder.reached.set()

    async def _expire_hosts(self) -> None:
        now = self._clock.monotonic()
        async with self._database.read() as connection:
            present = await beats(connection)
        for host, beat in present.items():
            known, since = self._seen.get(host, (beat, now))
            if known != beat:
                since = now
            self._seen[host] = (beat, since)
            if host != self._host and now - since >= HOST_TTL_S:
                await self._expire(host, rates=now - since >= RATES_TTL_S)

    async def _expire(self, host: str, *, rates: bool) -> None:
        async with self._database.write() as connection:
            count = await expire_host(connection, host, rates=False)
            count += await expire_host(connection, host, rates=True) if rates else 0
            await lose_responses(connection, host=host)
        if count:
            log.warning("host %s has been silent for two minutes; %d leases were taken back", host, count)
