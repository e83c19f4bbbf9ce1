"""What is left of each budget, read now and then for the metrics page."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from intertie.adapters.telemetry.prometheus import BudgetLeft
from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.principal import Meter
from intertie.policy.budget import period_of
from intertie.store.database import Database
from intertie.store.reports import accounts

log = logging.getLogger(__name__)

_EVERY_S = 5.0


class BudgetWatch:
    """Knows what was settled on every account, at most some seconds ago."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._meters: Mapping[str, Meter] = {}
        self._settled: Mapping[str, int] = {}

    def adopt(self, meters: Mapping[str, Meter]) -> None:
        """Tell of these budgets from now on."""
        self._meters = meters

    async def run(self) -> None:
        """Read the accounts every few seconds until cancelled; a database that is away is waited for."""
        while True:
            try:
                await self.look()
            except StoreFault as fault:
                log.warning("what is left of the budgets is not known: %s", fault)
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Read the accounts. Raises StoreFault."""
        async with self._database.read() as connection:
            self._settled = {row.id: row.settled for row in await accounts(connection)}

    def left(self) -> Iterable[BudgetLeft]:
        """What each budget still has in its current period: all of it where nothing was spent yet."""
        wall = self._clock.wall()
        for meter in self._meters.values():
            if meter.kind == "usd":
                spent = self._settled.get(period_of(meter, wall).account, 0)
                yield BudgetLeft(meter.id, meter.owner, meter.cap - spent)
