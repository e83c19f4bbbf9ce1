"""Alerts: people are told when a budget has reached 50, 80, 90 or 100 % of its cap, once per account and percent.

The row is written in the transaction that reached the threshold (`store.folding`); telling is done from the rows, so a
restart forgets nothing. A webhook that fails is tried five times and never holds up folding or another alert.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from intertie.core.alert import BudgetAlert
from intertie.core.clock import Clock
from intertie.core.faults import Fault, StoreFault
from intertie.core.money import show_usd
from intertie.core.principal import Meter
from intertie.policy.budget import meter_id_of, period_of
from intertie.store.alerts import AlertRow, mark_told, untold
from intertie.store.database import Database
from intertie.wire.tasks import Tasks

log = logging.getLogger(__name__)

Post = Callable[[str, bytes], Awaitable[None]]
"""Sends a JSON body to a URL. Raises a Fault if it did not arrive or was not accepted."""

TRIES = 5
_FIRST_PAUSE_S = 1.0
_EVERY_S = 5.0


class Alerter:
    """Tells of the thresholds that this host's folding reached. `tell` writes the log line."""

    def __init__(
        self, database: Database, host: str, clock: Clock, tell: Callable[[BudgetAlert], None], post: Post, tasks: Tasks
    ) -> None:
        self._database, self._host, self._clock = database, host, clock
        self._tell, self._post, self._tasks = tell, post, tasks
        self._meters: Mapping[str, Meter] = {}
        self._under_way: set[AlertRow] = set()
        # Else a row could be marked, and forgotten here, between a look's reading of it and the look's use of it.
        self._turn = asyncio.Lock()

    def adopt(self, meters: Mapping[str, Meter]) -> None:
        """Know owners, periods and webhooks from these meters from now on."""
        self._meters = meters

    async def run(self, reached: asyncio.Event) -> None:
        """Tell of what is noted whenever `reached` is set, and now and then, until cancelled."""
        while True:
            reached.clear()
            try:
                await self.look()
            except StoreFault as fault:
                log.warning("alerts wait: %s", fault)
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await reached.wait()

    async def look(self) -> None:
        """Begin to tell of all that was noted and not told yet. Raises StoreFault."""
        async with self._turn:
            async with self._database.read() as connection:
                rows = await untold(connection, self._host)
            for row in rows:
                if row not in self._under_way:
                    self._under_way.add(row)
                    self._tasks.start(self._deliver(row))

    async def _deliver(self, row: AlertRow) -> None:
        try:
            meter = self._meters.get(meter_id_of(row.account, self._meters))
            alert = _alert(row, meter)
            self._tell(alert)
            if meter and meter.webhook:
                await self._send(meter.webhook, msgspec.json.encode(alert))
            async with self._turn:
                with suppress(StoreFault):  # told again, then: better twice than never
                    async with self._database.write() as connection:
                        await mark_told(connection, row, self._clock.wall())
                self._under_way.discard(row)
        finally:
            self._under_way.discard(row)

    async def _send(self, url: str, body: bytes) -> None:
        for number in range(TRIES):
            try:
                return await self._post(url, body)
            except Fault as fault:
                log.warning("a budget alert could not be sent, try %d of %d: %s", number + 1, TRIES, fault)
            if number + 1 < TRIES:
                await asyncio.sleep(_FIRST_PAUSE_S * 2**number)


def _alert(row: AlertRow, meter: Meter | None) -> BudgetAlert:
    end = period_of(meter, row.at).end if meter else None
    return BudgetAlert(
        kind="budget",
        at=_moment(row.at),
        account=row.account,
        owner=meter.owner if meter else "",
        percent=row.percent,
        spent_usd=show_usd(row.settled),
        cap_usd=show_usd(row.cap),
        period_ends=_moment(end) if end else None,
    )


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
