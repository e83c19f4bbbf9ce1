"""Stored keys, and the revision that grows with each change of them."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.principal import StoredKey
from intertie.store import schema

_REVISION = 1  # the one row of the table


async def add_key(connection: AsyncConnection, key: StoredKey) -> None:
    """Store a key."""
    row = {
        "id": key.id,
        "digest": key.digest,
        "name": key.name,
        "group_name": key.group,
        "user_name": key.user,
        "project": key.project,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }
    await connection.execute(schema.api_key.insert(), [row])
    await _bump(connection)


async def all_keys(connection: AsyncConnection) -> Sequence[StoredKey]:
    """All keys, revoked ones too, oldest first."""
    table = schema.api_key
    columns = (
        table.c.id, table.c.digest, table.c.name, table.c.group_name, table.c.user_name, table.c.project,
        table.c.created, table.c.expires, table.c.revoked,
    )  # fmt: skip
    query = select(*columns).order_by(table.c.created, table.c.id)
    return [StoredKey(*row) for row in await connection.execute(query)]


async def revoke_key(connection: AsyncConnection, key_id: str, at: float) -> bool:
    """Mark a key as revoked; false if there is none of this id that is good."""
    table = schema.api_key
    query = update(table).where(table.c.id == key_id, table.c.revoked.is_(None)).values(revoked=at)
    if (await connection.execute(query.returning(table.c.id))).first() is None:
        return False
    await _bump(connection)
    return True


async def current_revision(connection: AsyncConnection) -> int:
    """A number that grows with each change."""
    table = schema.revision
    return (await connection.execute(select(table.c.number).where(table.c.id == _REVISION))).scalar_one()


async def _bump(connection: AsyncConnection) -> None:
    table = schema.revision
    await connection.execute(update(table).where(table.c.id == _REVISION).values(number=table.c.number + 1))
