"""The property: 64 callers, four workers, budgets of twenty worst-case calls, random cancels, kill -9 of everything.

Overspend 0, ledger rows lost or doubled 0, nothing left open, and nobody refused while the money would have sufficed.
INTERTIE_FIRE_SEEDS=20 burns twenty seeds instead of two; the seed is part of a test's name.
"""

import sys
from pathlib import Path

import pytest
from bank import lending, until, workers
from fire import Fire, Story, forbid_overspending, spent
from fire_rules import BUDGETS, CAP, METERS
from journaled import ledger, verdict
from sqlalchemy import select

from intertie.config.settings import environment
from intertie.store import schema
from intertie.store.database import Database

SEEDS = range(1, 1 + int(environment().get("INTERTIE_FIRE_SEEDS", "2")))
KILLS = 8


@pytest.mark.parametrize("seed", SEEDS)
async def test_budgets_hold_under_fire(database: Database, database_url: str, tmp_path: Path, seed: int) -> None:
    await forbid_overspending(database)
    fire = Fire(tmp_path, database_url, seed)
    try:
        fire.burn(KILLS)
        fire.rest()
        await until(lambda: is_quiet(database), within_s=5.0)
    finally:
        fire.put_out()
    story, rows = Story(fire), await ledger(database)
    found = await verdict(database)
    sys.stdout.write(f"seed {seed}: {len(rows)} calls, {len(story.refusals)} refused, {story.away} found no lender\n")
    assert len(rows) > 100
    assert story.contradictions(rows) == []
    assert story.false_refusals(rows) == []
    assert found.findings == () and found.open_requests == 0
    paid = spent(rows, story.calls)
    assert all(paid[meter.id] <= CAP for meter in BUDGETS)
    assert b"overspent" not in (log := (tmp_path / "control.log").read_bytes()) and b"Traceback" not in log
    assert b"Traceback" not in (tmp_path / "workers.log").read_bytes()
    await the_rest_can_be_spent(database, paid)


async def is_quiet(database: Database) -> bool:
    """No open request, nothing lent: all workers are dead."""
    async with database.read() as connection:
        open_ = select(schema.ledger.c.sequence).where(schema.ledger.c.closed_at.is_(None))
        lent = select(schema.account.c.id).where(schema.account.c.leased > 0)
        return not (await connection.execute(open_)).all() and not (await connection.execute(lent)).all()


async def the_rest_can_be_spent(database: Database, paid: dict[str, int]) -> None:
    """To the last nano-dollar."""
    async with lending(database, *METERS.values()) as lender:
        [line] = workers(lender, 1)
        for name, amount in paid.items():
            await line.call([(METERS[name], METERS[name].cap - amount)])
