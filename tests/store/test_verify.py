"""Checking the books finds what contradicts, and says nothing about books that are sound."""

import pytest
from sqlalchemy import text

from intertie.core.principal import Meter
from intertie.core.record import Admitted, Charge, Settled
from intertie.core.usage import Usage
from intertie.store.books import Books
from intertie.store.database import Database
from intertie.store.folding import Position, Stretch, fold, set_position
from intertie.store.verify import Verdict, verify

NOW = 10_000.0
METER = Meter("b", "usd", 100, "group interns")
A = "b@total"


def settled(sequence: int, cost: int) -> Settled:
    return Settled(
        sequence, NOW - 5, "served", 200, "e", "s", "m", Usage(1, 1), cost, "list", (Charge(A, cost),), 0.1, 0.2, 0.0, 1
    )


async def write(database: Database) -> None:
    """Sixty lent; one call closed at 20, one open that holds 10."""
    rows = [
        Admitted(n, NOW - 10, "k", "u", "g", "p", "chat", "m", (Charge(A, hold),)) for n, hold in ((1, 30), (2, 10))
    ]
    async with database.write() as connection:
        books = Books(connection, "here")
        await books.lock({A: METER})
        books.grant("w1", A, 60)
        await books.write()
        await fold(connection, "here", Stretch([*rows, settled(1, 20)], Position("w1", 1, 500)))


async def check(database: Database, now: float = NOW) -> Verdict:
    async with database.read() as connection:
        return await verify(connection, now)


async def test_sound_books_are_sound(database: Database) -> None:
    await write(database)
    verdict = await check(database)
    assert verdict.sound and (verdict.accounts, verdict.requests, verdict.open_requests) == (1, 2, 1)
    [finding] = verdict.findings
    assert (finding.kind, finding.subject) == ("open", "req_w1_2") and "10 s ago" in finding.message


async def test_a_request_that_is_open_for_hours_is_wrong(database: Database) -> None:
    await write(database)
    assert not (await check(database, NOW + 7_200)).sound


@pytest.mark.parametrize(
    ("tampering", "kind"),
    [
        ("UPDATE account SET settled = settled + 1", "settled"),
        ("UPDATE account SET leased = leased - 1", "leased"),
        ("UPDATE lease SET returned = returned + 1", "leased"),
        ("DELETE FROM lease", "leased"),
        ("UPDATE charge SET amount = 5 WHERE sequence = 1", "settled"),
        ("UPDATE charge SET amount = 5 WHERE sequence = 2", "charge"),
        ("DELETE FROM ledger WHERE sequence = 1", "charge"),
        ("UPDATE ledger SET closed_at = 1 WHERE sequence = 2", "charge"),
        ("UPDATE account SET cap = 10", "overshoot"),
        ("DELETE FROM account", "settled"),
    ],
)
async def test_what_contradicts_is_found(database: Database, tampering: str, kind: str) -> None:
    await write(database)
    async with database.write() as connection:
        await connection.execute(text(tampering))
    verdict = await check(database)
    assert kind in {finding.kind for finding in verdict.findings}
    assert verdict.sound == (kind == "overshoot")


async def test_a_journal_that_stopped_is_told(database: Database) -> None:
    async with database.write() as connection:
        await set_position(connection, "here", Position("w1", 1, 40, "w1.1.journal cannot be folded from byte 40 on"))
    [finding] = (await check(database)).findings
    assert finding.wrong and "byte 40" in finding.message
