"""What is left of each budget in its current period: for people who ask, and now and then for the metrics page."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from intertie.adapters.telemetry.prometheus import BudgetLeft
from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.money import Nano
from intertie.core.principal import Meter
from intertie.policy.budget import Period, period_of
from intertie.store.database import Database
from intertie.store.reports import accounts

log = logging.getLogger(__name__)

_EVERY_S = 5.0


class BudgetState(msgspec.Struct, frozen=True):
    """A budget in its current period: what is settled, and what is lent to workers (held by requests under way, or
    kept for the next ones)."""

    meter: Meter
    period: Period
    settled: Nano = 0
    lent: Nano = 0

    @property
    def left(self) -> Nano:
        """What is not settled yet; below zero after an overshoot or where the cap was lowered."""
        return self.meter.cap - self.settled


async def budget_states(database: Database, meters: Iterable[Meter], wall: float) -> Sequence[BudgetState]:
    """The budgets among these meters, in their order, in the periods that `wall` (epoch seconds) lies in.

    Raises StoreFault.
    """
    current = [(meter, period_of(meter, wall)) for meter in meters if meter.kind == "usd"]
    async with database.read() as connection:
        found = {row.id: row for row in await accounts(connection, {period.account for _, period in current})}
    return [
        BudgetState(meter, period, row.settled, row.leased)
        if (row := found.get(period.account))
        else BudgetState(meter, period)
        for meter, period in current
    ]


class BudgetWatch:
    """Knows what was settled on every current account, at most some seconds ago."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._meters: Mapping[str, Meter] = {}
        self._settled: Mapping[str, Nano] = {}

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
        states = await budget_states(self._database, self._meters.values(), self._clock.wall())
        self._settled = {state.period.account: state.settled for state in states}

    def left(self) -> Iterable[BudgetLeft]:
        """What each budget still has in its current period: all of it where nothing was spent yet."""
        wall = self._clock.wall()
        for meter in self._meters.values():
            if meter.kind == "usd":
                spent = self._settled.get(period_of(meter, wall).account, 0)
                yield BudgetLeft(meter.id, meter.owner, meter.cap - spent)
