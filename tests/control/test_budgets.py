"""What is left of the budgets, for the metrics page."""

import asyncio
import logging
from contextlib import suppress

import pytest
from bank import USD, pay

from intertie.control.budgets import BudgetWatch
from intertie.core.clock import HandClock
from intertie.core.principal import Meter
from intertie.policy.budget import period_of
from intertie.store.database import Database

DAILY = Meter("group:interns:usd", "usd", 15 * USD, "group interns", period="day")
RATE = Meter("group:interns:rpm", "requests", 20, "group interns")


def left(watch: BudgetWatch) -> dict[str, int]:
    return {budget.meter: budget.remaining for budget in watch.left()}


async def test_a_budget_nobody_spent_of_is_whole_and_limits_are_no_budgets(database: Database) -> None:
    watch = BudgetWatch(database, HandClock())
    assert left(watch) == {}
    watch.adopt({meter.id: meter for meter in (DAILY, RATE)})
    await watch.look()
    assert [tuple(budget) for budget in watch.left()] == [(DAILY.id, "group interns", 15 * USD)]


async def test_what_is_settled_is_gone_until_the_next_period(database: Database) -> None:
    clock = HandClock()
    watch = BudgetWatch(database, clock)
    watch.adopt({DAILY.id: DAILY})
    await pay(database, "w1", period_of(DAILY, clock.wall()).account, 4 * USD)
    await watch.look()
    assert left(watch) == {DAILY.id: 11 * USD}
    await pay(database, "w1", period_of(DAILY, clock.wall()).account, 12 * USD)
    await watch.look()
    assert left(watch) == {DAILY.id: -1 * USD}
    clock.go_on(86_400)
    assert left(watch) == {DAILY.id: 15 * USD}


async def test_a_database_that_is_away_is_logged_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    database = Database("postgresql://a:b@127.0.0.1:1/b")
    watch = BudgetWatch(database, HandClock())
    with caplog.at_level(logging.WARNING), suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await watch.run()
    assert "does not answer" in caplog.text
    await database.close()
