"""Thresholds that were reached, and events that people must know: rows, so that nothing is told twice or forgotten."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.alert import reached
from intertie.store import schema
from intertie.store.books import AccountRow
from intertie.store.upsert import insert_missing


class AlertRow(msgspec.Struct, frozen=True):
    """A threshold that an account reached: when (epoch seconds), with how much settled of which cap."""

    account: str
    percent: int
    at: float
    settled: int
    cap: int


class EventRow(msgspec.Struct, frozen=True):
    """Something people must know: what kind of thing, about what, in a sentence."""

    at: float
    kind: str
    subject: str
    message: str


async def note_thresholds(connection: AsyncConnection, host: str, accounts: Iterable[AccountRow], at: float) -> bool:
    """Note each threshold that an account has reached for the first time; true if there was one.

    The accounts are locked by this transaction, so nobody else can note the same at this moment.
    """
    now = {(row.id, percent): row for row in accounts for percent in reached(row.settled, row.cap)}
    if not now:
        return False
    table = schema.alert
    query = select(table.c.account, table.c.percent).where(table.c.account.in_({account for account, _ in now}))
    known = {(account, percent) for account, percent in await connection.execute(query)}
    rows = [
        {"account": account, "percent": percent, "host": host, "at": at, "settled": row.settled, "cap": row.cap}
        for (account, percent), row in now.items()
        if (account, percent) not in known
    ]
    if rows:
        await insert_missing(connection, table, rows, ("account", "percent"))
    return bool(rows)


async def untold(connection: AsyncConnection, host: str) -> Sequence[AlertRow]:
    """Alerts noted by this host that people were not told of yet, oldest first."""
    table = schema.alert
    columns = (table.c.account, table.c.percent, table.c.at, table.c.settled, table.c.cap)
    query = select(*columns).where(table.c.told.is_(None), table.c.host == host).order_by(table.c.at, table.c.percent)
    return [AlertRow(*row) for row in await connection.execute(query)]


async def mark_told(connection: AsyncConnection, row: AlertRow, at: float) -> None:
    """People were told of this alert."""
    table = schema.alert
    same = (table.c.account == row.account, table.c.percent == row.percent)
    await connection.execute(update(table).where(*same).values(told=at))


async def note_event(connection: AsyncConnection, row: EventRow) -> None:
    """Write an event down."""
    await connection.execute(schema.event.insert(), [msgspec.structs.asdict(row)])


async def events(connection: AsyncConnection, limit: int = 100) -> Sequence[EventRow]:
    """The latest events, newest first."""
    table = schema.event
    query = select(table.c.at, table.c.kind, table.c.subject, table.c.message).order_by(table.c.id.desc()).limit(limit)
    return [EventRow(*row) for row in await connection.execute(query)]
