"""Recalls across hosts: a mark on the account, by the database's own clock, that every lender of the books looks for.

Only where the database is shared (PostgreSQL): on one host the lender asks its workers directly.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import extract, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.store import schema

_NOW = extract("epoch", func.clock_timestamp())


async def mark_recalled(connection: AsyncConnection, accounts: Iterable[str]) -> None:
    """Say that someone is short of these accounts now. They are locked by this transaction."""
    table = schema.account
    await connection.execute(update(table).where(table.c.id.in_(list(accounts))).values(recalled=_NOW))


async def recalled_within(connection: AsyncConnection, seconds: float) -> Sequence[str]:
    """The accounts someone was short of within the last seconds."""
    table = schema.account
    return (await connection.execute(select(table.c.id).where(table.c.recalled > _NOW - seconds))).scalars().all()
