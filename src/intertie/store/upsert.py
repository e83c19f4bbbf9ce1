"""Insert or update, in the words of either database."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[Mapping[str, object]]


async def upsert(
    connection: AsyncConnection, table: Table, rows: Rows, key: tuple[str, ...], change: tuple[str, ...] = ()
) -> None:
    """Insert rows; where the key is there already, overwrite the columns `change`, or all others that the rows name."""
    insert = _insert(connection, table)
    new = {name: insert.excluded[name] for name in change or rows[0] if name not in key}
    await connection.execute(insert.on_conflict_do_update(index_elements=key, set_=new), list(rows))


async def insert_missing(connection: AsyncConnection, table: Table, rows: Rows, key: tuple[str, ...]) -> None:
    """Insert the rows whose key is not there yet."""
    await connection.execute(_insert(connection, table).on_conflict_do_nothing(index_elements=key), list(rows))


def _insert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
