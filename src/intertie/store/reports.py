"""What people ask of the books: read-only queries over accounts, keys and the ledger."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.store import schema
from intertie.store.books import AccountRow


async def accounts(connection: AsyncConnection) -> Sequence[AccountRow]:
    """All accounts, by name; amounts in their meters' units."""
    table = schema.account
    columns = (table.c.id, table.c.meter, table.c.kind, table.c.cap, table.c.settled, table.c.leased)
    return [AccountRow(*row) for row in await connection.execute(select(*columns).order_by(table.c.id))]
