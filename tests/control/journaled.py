"""Rows as workers write them, and what of the books tests look at."""

from pathlib import Path

from sqlalchemy import select

from intertie.core.record import Admitted, Charge, Outcome, Settled
from intertie.core.usage import Usage
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.journal import JournalWriter
from intertie.store.verify import Verdict, verify

A = "budget@total"


def admitted(sequence: int, hold: int = 10, account: str = A) -> Admitted:
    holds = (Charge(account, hold),) if account else ()
    return Admitted(sequence, 1_000.0 + sequence, "key_1", "ann", "interns", "p", "chat", "small", holds, ("t",), "eco")


def settled(sequence: int, cost: int = 4, account: str = A, outcome: Outcome = "served") -> Settled:
    charges = (Charge(account, cost),) if account else ()
    return Settled(
        sequence, 1_001.0 + sequence, outcome, 200, "fra-1", "fra", "up", Usage(10, 5, 3), cost, "list", charges,
        0.1, 0.5, 0.01, 1, plan=b"plan",
    )  # fmt: skip


def write(journal: JournalWriter, *rows: Admitted | Settled) -> None:
    for row in rows:
        if isinstance(row, Admitted):
            journal.admitted(row)
        else:
            journal.settled(row)


def calls(journal: JournalWriter, first: int, last: int) -> None:
    for sequence in range(first, last + 1):
        write(journal, admitted(sequence), settled(sequence))


async def ledger(database: Database) -> dict[tuple[str, int], tuple[str, int | None]]:
    """Outcome and cost of each request."""
    table = schema.ledger
    async with database.read() as connection:
        query = select(table.c.worker, table.c.sequence, table.c.outcome, table.c.cost_nano)
        return {(row.worker, row.sequence): (row.outcome, row.cost_nano) for row in await connection.execute(query)}


async def verdict(database: Database, now: float = 2_000.0) -> Verdict:
    async with database.read() as connection:
        return await verify(connection, now)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
