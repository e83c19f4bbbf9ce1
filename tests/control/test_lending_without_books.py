"""A database that stands still: nothing is lent unaccounted, nobody waits long, and all goes on when it answers."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from bank import account, budget, lending, until, workers
from sqlalchemy import text

from intertie.core.faults import LenderAway, StoreFault
from intertie.store.books import Books
from intertie.store.database import Database

A = "budget@total"


@pytest.fixture
async def other(database: Database, database_url: str) -> Database:
    """Someone else on the same database."""
    return Database(database_url)


async def test_books_that_stand_still_fail_closed_and_are_tried_again(database: Database, other: Database) -> None:
    meter = budget(100_000)
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2)
        one.wallet.settle(await one.call([(meter, 1_000)]), 0, 0)
        waits: list[float] = []
        with suppress(StoreFault):
            async with other.write(30.0) as connection:
                await Books(connection, "there").lock({A: None})
                for _ in range(3):
                    began = time.monotonic()
                    with pytest.raises(LenderAway, match="cannot be checked"):
                        await two.call([(meter, 10)])
                    waits.append(time.monotonic() - began)
                await one.call([(meter, 10)])  # what was lent before is spent on
        assert waits[0] < 1.6 and max(waits[1:]) < 0.2

        async def lends() -> bool:
            with suppress(LenderAway):
                return bool(await two.call([(meter, 10)]))
            return False

        began = time.monotonic()
        await until(lends)
        assert time.monotonic() - began < 5
        assert (await account(database, A))[0] == 100_000
    await other.close()


async def test_what_was_returned_while_the_books_stood_still_is_not_forgotten(
    database: Database, other: Database
) -> None:
    meter = budget(100_000)
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2)
        holds = await one.call([(meter, 90_000)])
        with suppress(StoreFault):
            async with other.write(30.0) as connection:
                await Books(connection, "there").lock({A: None})
                with pytest.raises(LenderAway):
                    await two.call([(meter, 50_000)])
                one.wallet.release(holds)

        async def lends() -> bool:
            with suppress(LenderAway):
                return bool(await two.call([(meter, 100_000)]))
            return False

        await until(lends)
    await other.close()


async def test_a_server_that_stands_still_is_given_up_and_found_again(postgres_database: Database) -> None:
    meter = budget(100_000)
    async with lending(postgres_database, meter) as lender:
        one, two = workers(lender, 2)
        await one.call([(meter, 1_000)])
        processes = await server_processes(postgres_database)
        try:
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            for patience in (1.6, 0.2, 0.2):
                began = time.monotonic()
                with pytest.raises(LenderAway):
                    await two.call([(meter, 10)])
                assert time.monotonic() - began < patience
            await one.call([(meter, 10)])
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

        async def lends() -> bool:
            with suppress(LenderAway):
                return bool(await two.call([(meter, 10)]))
            return False

        await until(lends)


async def server_processes(database: Database) -> list[int]:
    """The processes of the PostgreSQL server."""
    async with database.read() as connection:
        lines = (await connection.execute(text("SELECT pg_read_file('postmaster.pid')"))).scalar_one()
    return family(int(lines.split()[0]))


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]
