"""Folding journals into the ledger, exactly once.

A stretch of a journal, the charges it makes, the thresholds they reach and the position behind it are written in one
transaction: whatever dies, the next one begins where the last that was committed ended.
"""

from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.faults import GatewayFault
from intertie.core.ids import WorkerId
from intertie.core.record import Admitted, JournalRow, Settled
from intertie.core.usage import Usage
from intertie.store import schema
from intertie.store.alerts import note_thresholds
from intertie.store.books import Books
from intertie.store.upsert import upsert

_json = msgspec.json.Encoder().encode

Row = dict[str, object]


class Position(msgspec.Struct, frozen=True):
    """Up to where a journal is folded, and why it goes no further, if it is stopped there."""

    worker: WorkerId
    segment: int = 1
    position: int = 0
    fault: str = ""


class Stretch(msgspec.Struct, frozen=True):
    """Rows of one journal, in order, and where they end."""

    rows: Sequence[JournalRow]
    end: Position


class Unfoldable(GatewayFault):
    """The journal says something that cannot be: it was tampered with, or a worker has a fault."""

    code = "journal_contradicts"


async def positions(connection: AsyncConnection, host: str) -> dict[WorkerId, Position]:
    """How far the journals of a host are folded."""
    table = schema.journal_position
    query = select(table.c.worker, table.c.segment, table.c.position, table.c.fault).where(table.c.host == host)
    return {row.worker: Position(*row) for row in await connection.execute(query)}


async def set_position(connection: AsyncConnection, host: str, at: Position) -> None:
    """Remember how far a journal is folded."""
    row = msgspec.structs.asdict(at) | {"host": host}
    await upsert(connection, schema.journal_position, [row], ("worker",))


async def forget_position(connection: AsyncConnection, worker: WorkerId) -> None:
    """The journal is gone."""
    await connection.execute(delete(schema.journal_position).where(schema.journal_position.c.worker == worker))


async def fold(connection: AsyncConnection, host: str, stretch: Stretch) -> bool:
    """Fold a stretch; true if a threshold was reached. Raises Unfoldable if it contradicts the ledger."""
    worker = stretch.end.worker
    admitted = {row.sequence: row for row in stretch.rows if isinstance(row, Admitted)}
    settled = {row.sequence: row for row in stretch.rows if isinstance(row, Settled)}
    if len(admitted) + len(settled) != len(stretch.rows):
        raise Unfoldable(f"the journal of {worker} says the same thing twice before {stretch.end}")
    late = {sequence: row for sequence, row in settled.items() if sequence not in admitted}
    with _unfoldable(worker):
        await _expect_open(connection, worker, late)
        await _insert(connection, worker, admitted, settled)
        await _close(connection, worker, late)
    await set_position(connection, host, stretch.end)
    paid: defaultdict[str, int] = defaultdict(int)
    for row in settled.values():
        for charge in row.charges:
            paid[charge.account] += charge.amount
    at = max((row.at for row in settled.values()), default=0.0)
    with _unfoldable(worker):
        return await pay(connection, host, worker, paid, at)


@contextmanager
def _unfoldable(worker: WorkerId) -> Generator[None]:
    """What the database refuses because of what the rows say, whenever it is tried, is the journal's fault."""
    try:
        yield
    except (IntegrityError, OverflowError) as error:
        raise Unfoldable(f"the ledger refuses what the journal of {worker} says: {_reason(error)}") from error
    except DBAPIError as error:
        if not _is_about_values(error):
            raise
        raise Unfoldable(f"the ledger refuses what the journal of {worker} says: {_reason(error)}") from error


def _is_about_values(error: DBAPIError) -> bool:
    """Whether PostgreSQL (SQLSTATE class 22) or its driver (a ValueError) found a value that no column can hold."""
    driver = error.orig
    state = str(getattr(driver, "sqlstate", None) or "")
    return state.startswith("22") or (driver is not None and isinstance(driver.__cause__, ValueError))


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]


async def pay(connection: AsyncConnection, host: str, worker: WorkerId, paid: dict[str, int], at: float) -> bool:
    """Settle amounts on accounts out of a worker's leases; true if a threshold was reached for the first time."""
    if not paid:
        return False
    books = Books(connection, host)
    await books.lock(dict.fromkeys(paid))
    for account, amount in paid.items():
        books.settle(worker, account, amount)
    await books.write()
    return await note_thresholds(connection, host, [books.accounts[account] for account in paid], at)


async def _expect_open(connection: AsyncConnection, worker: WorkerId, late: dict[int, Settled]) -> None:
    if late:
        table = schema.ledger
        query = select(table.c.sequence).where(
            table.c.worker == worker, table.c.sequence.in_(list(late)), table.c.closed_at.is_(None)
        )
        if unknown := set(late) - set((await connection.execute(query)).scalars()):
            raise Unfoldable(f"the journal of {worker} settles {sorted(unknown)[:5]}, not admitted or settled before")


async def _insert(
    connection: AsyncConnection, worker: WorkerId, admitted: dict[int, Admitted], settled: dict[int, Settled]
) -> None:
    rows = [_opened(worker, row) | _closed(settled.get(number)) for number, row in admitted.items()]
    for alike in _alike(rows):
        await connection.execute(schema.ledger.insert(), alike)
    charges = [charge for row in admitted.values() for charge in _charges(worker, row, settled.get(row.sequence))]
    if charges:
        await connection.execute(schema.charge.insert(), charges)


async def _close(connection: AsyncConnection, worker: WorkerId, late: dict[int, Settled]) -> None:
    if not late:
        return
    table = schema.ledger
    statement = update(table).where(table.c.worker == bindparam("of"), table.c.sequence == bindparam("number"))
    for alike in _alike(_closed(row) | {"of": worker, "number": row.sequence} for row in late.values()):
        await connection.execute(statement, alike)
    # An account may have been held and then spared: it was for a model that did not serve.
    paid_to = schema.charge
    unpaid = (paid_to.c.worker == worker, paid_to.c.sequence.in_(list(late)), paid_to.c.amount.is_(None))
    await connection.execute(update(paid_to).where(*unpaid).values(amount=0))
    charges = [
        {"worker": worker, "sequence": row.sequence, "account": charge.account, "held": 0, "amount": charge.amount}
        for row in late.values()
        for charge in row.charges
    ]
    if charges:
        await upsert(connection, schema.charge, charges, ("worker", "sequence", "account"), change=("amount",))


def _opened(worker: WorkerId, row: Admitted) -> Row:
    return {
        "worker": worker,
        "sequence": row.sequence,
        "at": row.at,
        "key_id": row.key_id,
        "user_name": row.user,
        "group_name": row.group,
        "project": row.project,
        "operation": row.operation,
        "model": row.model,
        "tags": _json(row.tags).decode() if row.tags else "",
        "objective": row.objective,
    }


def _alike(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """The rows in lists of those that name the same columns, which one statement can take."""
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[len(row)].append(row)
    return found.values()


def _closed(row: Settled | None) -> Row:
    if row is None:
        return {}
    usage = row.usage
    closed: Row = {
        "closed_at": row.at,
        "outcome": row.outcome,
        "status": row.status,
        "endpoint": row.endpoint,
        "site": row.site,
        "upstream_model": row.upstream_model,
        "prompt": usage.prompt,
        "completion": usage.completion,
        "cached": usage.cached,
        "reasoning": usage.reasoning,
        "estimated": usage.estimated,
        "cost_nano": row.cost_nano,
        "price_source": row.price_source,
        "ttft_s": row.ttft_s,
        "duration_s": row.duration_s,
        "gco2": row.gco2,
        "attempts": row.attempts,
        "fault": row.fault,
        "stream": row.stream,
        "plan": row.plan or None,
    }
    return closed if usage.plain and not usage.tier else closed | _more(usage)


def _more(usage: Usage) -> Row:
    more: Row = {name: getattr(usage, name) or None for name in schema.MORE_USAGE}
    return more | {"tier": usage.tier}


def _charges(worker: WorkerId, opened: Admitted, closed: Settled | None) -> list[Row]:
    held = {charge.account: charge.amount for charge in opened.holds}
    paid = {charge.account: charge.amount for charge in closed.charges} if closed else {}
    return [
        {
            "worker": worker,
            "sequence": opened.sequence,
            "account": account,
            "held": held.get(account, 0),
            "amount": paid.get(account, 0) if closed else None,
        }
        for account in held | paid
    ]
