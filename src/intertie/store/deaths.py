"""What the dead leave behind: requests that never ended, and leases nobody will use again.

A request that was admitted and never settled is charged at its hold: the upstream may have done all of it. What else
the worker had lent goes back at once, except units of rate limits: some of them were spent within the last minute.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.ids import WorkerId
from intertie.store import schema
from intertie.store.books import Books, LeaseRow, lease_rows, leases_of
from intertie.store.folding import pay
from intertie.store.upsert import upsert

RATES = ("requests", "tokens")
WINDOW_S = 60.0


async def close_interrupted(connection: AsyncConnection, host: str, worker: WorkerId, at: float) -> bool:
    """Close the open requests of a dead worker at what they hold; true if a threshold was reached."""
    ledger, charge = schema.ledger, schema.charge
    dangling = (ledger.c.worker == worker, ledger.c.closed_at.is_(None))
    unpaid = (charge.c.worker == worker, charge.c.amount.is_(None))
    query = select(charge.c.sequence, charge.c.account, charge.c.held).where(*unpaid)
    costs: dict[int, int] = {}
    paid: dict[str, int] = {}
    for sequence, account, held in await connection.execute(query):
        costs[sequence] = max(costs.get(sequence, 0), held)
        paid[account] = paid.get(account, 0) + held
    await connection.execute(update(charge).where(*unpaid).values(amount=charge.c.held))
    if costs:
        statement = update(ledger).where(ledger.c.worker == worker, ledger.c.sequence == bindparam("number"))
        await connection.execute(statement, [{"number": number, "cost_nano": cost} for number, cost in costs.items()])
    await connection.execute(update(ledger).where(*dangling).values(closed_at=at, outcome="interrupted"))
    return await pay(connection, host, worker, paid, at)


async def end_leases(connection: AsyncConnection, host: str, worker: WorkerId, at: float) -> None:
    """Take back what a dead worker had lent; what belongs to rate limits is kept back for a minute."""
    rows = await leases_of(connection, worker)
    books = Books(connection, host)
    await books.lock({row.account: None for row in rows})
    for row in rows:
        if books.accounts[row.account].kind in RATES:
            books.keep_until(worker, row.account, at + WINDOW_S)
        else:
            books.take_back(worker, row.account)
    await books.write()
    await _delete_settled(connection, [worker])


async def return_ended(connection: AsyncConnection, host: str, now: float) -> int:
    """Take back what was kept back until now; how many leases that were."""
    table = schema.lease
    rows = await lease_rows(connection, select(table).where(table.c.ends <= now))
    await _take_back(connection, host, rows)
    await _delete_settled(connection, {row.worker for row in rows})
    return len(rows)


async def any_ended(connection: AsyncConnection, now: float) -> bool:
    """Whether there is something to return by now."""
    query = select(schema.lease.c.worker).where(schema.lease.c.ends <= now).limit(1)
    return (await connection.execute(query)).first() is not None


async def lending_workers(connection: AsyncConnection, host: str) -> set[WorkerId]:
    """The workers of a host that have leases not yet ended."""
    table = schema.lease
    query = select(table.c.worker).where(table.c.host == host, table.c.ends.is_(None)).distinct()
    return set((await connection.execute(query)).scalars())


async def beat(connection: AsyncConnection, host: str) -> None:
    """Say that this host lives."""
    known = (await connection.execute(select(schema.host.c.beat).where(schema.host.c.id == host))).scalar()
    await upsert(connection, schema.host, [{"id": host, "beat": (known or 0) + 1}], ("id",))


async def beats(connection: AsyncConnection) -> Mapping[str, int]:
    """The beat of each host: one that no longer grows is dead or cut off."""
    return {row.id: row.beat for row in await connection.execute(select(schema.host.c.id, schema.host.c.beat))}


async def expire_host(connection: AsyncConnection, host: str, *, rates: bool) -> int:
    """Take back what a lost host's workers had lent, of rate limits or of all else; how many leases that were.

    The rows stay, so that a host which was only cut off learns what was taken back. What its requests cost is settled
    when its journals are folded.
    """
    table, account = schema.lease, schema.account
    of_rates = select(account.c.id).where(account.c.kind.in_(RATES))
    which = table.c.account.in_(of_rates) if rates else table.c.account.not_in(of_rates)
    outstanding = table.c.granted - table.c.returned - table.c.settled
    rows = await lease_rows(connection, select(table).where(table.c.host == host, outstanding > 0, which))
    await _take_back(connection, host, rows)
    return len(rows)


async def _take_back(connection: AsyncConnection, host: str, rows: Sequence[LeaseRow]) -> None:
    books = Books(connection, host)
    await books.lock({row.account: None for row in rows})
    for row in rows:
        books.take_back(row.worker, row.account)
    await books.write()


async def _delete_settled(connection: AsyncConnection, workers: Iterable[WorkerId]) -> None:
    table = schema.lease
    empty = table.c.granted - table.c.returned - table.c.settled == 0
    await connection.execute(delete(table).where(table.c.worker.in_(list(workers)), empty))
