"""The database: migrated schema, transactions, and errors that come out as faults."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select

from intertie.core.faults import StoreFault
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.migrate import migrate


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
    return compare_metadata(context, schema.metadata)


async def test_the_migrations_make_the_schema(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(schema.host).values(id="here", beat=1))
    await migrate(database)
    async with database.read() as connection:
        assert (await connection.execute(select(schema.host.c.id))).scalars().all() == ["here"]


async def test_what_fails_is_rolled_back_as_a_whole(database: Database) -> None:
    with pytest.raises(StoreFault, match="does not answer"):
        async with database.write() as connection:
            await connection.execute(insert(schema.host).values(id="here", beat=1))
            await connection.execute(insert(schema.host).values(id="here", beat=2))
    async with database.read() as connection:
        assert (await connection.execute(select(schema.host))).all() == []


async def test_no_amount_may_fall_below_zero(database: Database) -> None:
    row = {"id": "a", "meter": "a", "kind": "usd", "cap": 5, "settled": 0, "leased": -1}
    with pytest.raises(StoreFault):
        async with database.write() as connection:
            await connection.execute(insert(schema.account).values(row))


async def test_a_transaction_that_takes_too_long_is_given_up(database: Database) -> None:
    with pytest.raises(StoreFault, match="TimeoutError"):
        async with database.write(0.05) as connection:
            await connection.execute(insert(schema.host).values(id="here", beat=1))
            await asyncio.sleep(1)
    async with database.write() as connection:
        assert (await connection.execute(select(schema.host))).all() == []


async def test_writers_take_turns_and_readers_see_one_moment(database: Database) -> None:
    async def add(name: str) -> None:
        async with database.write() as connection:
            await connection.execute(insert(schema.host).values(id=name, beat=1))

    async with database.read() as reading:
        assert (await reading.execute(select(schema.host))).all() == []
        await asyncio.gather(*(add(str(number)) for number in range(20)))
        assert (await reading.execute(select(schema.host))).all() == []
    async with database.read() as reading:
        assert len((await reading.execute(select(schema.host))).all()) == 20
    await database.make_durable()


@pytest.mark.parametrize("url", ["nonsense", "oracle://x", "sqlite:////proc/nowhere/x.db"])
async def test_an_address_that_cannot_be_used_is_a_fault(url: str) -> None:
    with pytest.raises(StoreFault):
        database = Database(url)
        await migrate(database)


async def test_a_server_that_is_not_there_is_a_fault(postgres: object, tmp_path: Path) -> None:
    for url in (f"postgresql://a@/b?host={tmp_path}", "postgresql://a:b@127.0.0.1:1/b"):
        database = Database(url)
        with pytest.raises(StoreFault, match="does not answer"):
            async with database.read():
                pass
        await database.close()
