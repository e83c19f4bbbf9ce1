"""Kept responses as rows: whose they are, what they build on, how they end, when they go."""

from itertools import pairwise

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.keeping import KeptState
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.migrate import migrate
from intertie.store.responses import (
    MOST_LINKS,
    Link,
    ResponseRow,
    cancel_response,
    cancelled_elsewhere,
    end_response,
    expire_responses,
    forget_response,
    keep_response,
    lose_responses,
    one_response,
    response_chain,
)

NOW, LATER = 1_000.0, 2_000.0
LARGE = 1 << 20


def row(name: str, previous: str = "", owner: str = "ann", **changes: object) -> ResponseRow:
    wanted = {"host": "here", "expires": LATER, "body": name.encode(), **changes}
    return ResponseRow(id=name, owner=owner, previous=previous, **wanted)


def making(name: str, worker: str = "w1", **changes: object) -> ResponseRow:
    return row(name, worker=worker, state="making", **changes)


async def kept(database: Database, *rows: ResponseRow) -> None:
    async with database.write() as connection:
        for one in rows:
            await keep_response(connection, one)


async def chain(database: Database, name: str, owner: str = "ann", now: float = NOW, most: int = LARGE) -> list[str]:
    async with database.read() as connection:
        links = await response_chain(connection, owner, name, now, most)
    return ["…" if link.body is None else link.body.decode() for link in links]


async def state(database: Database, name: str) -> KeptState | None:
    async with database.read() as connection:
        links = await one_response(connection, "ann", name, NOW)
    return links[0].state if links else None


async def test_a_chain_is_read_oldest_first_and_for_its_owner_alone(database: Database) -> None:
    await kept(database, row("a"), row("b", "a"), row("c", "b"), row("aside", "a"), row("his", "b", owner="bob"))
    assert await chain(database, "c") == ["a", "b", "c"]
    assert await chain(database, "a") == ["a"]
    assert await chain(database, "his", owner="bob") == ["his"]
    for owner, name in (("bob", "c"), ("ann", "his"), ("ann", "none"), ("", "c")):
        assert await chain(database, name, owner) == []
    async with database.read() as connection:
        assert await one_response(connection, "ann", "c", NOW) == [Link("done", b"c")]
        assert await one_response(connection, "bob", "c", NOW) == []


async def test_a_chain_ends_where_it_becomes_too_large_or_too_long(database: Database) -> None:
    await kept(database, row("a", body=b"a" * 50), row("b", "a", body=b"b" * 50), row("c", "b", body=b"c" * 10))
    assert await chain(database, "c", most=110) == ["a" * 50, "b" * 50, "c" * 10]
    assert await chain(database, "c", most=109) == ["…", "b" * 50, "c" * 10]
    assert await chain(database, "c", most=59) == ["…", "c" * 10]
    assert await chain(database, "c", most=9) == ["…"]
    rows = [row(f"r{number}", f"r{number - 1}" if number else "") for number in range(MOST_LINKS + 10)]
    await kept(database, *rows)
    assert len(await chain(database, rows[-1].id)) == MOST_LINKS


async def test_whose_time_is_over_is_not_read_and_goes(database: Database) -> None:
    await kept(database, row("a", expires=NOW + 1), row("b", "a"))
    assert await chain(database, "b", now=NOW + 1) == ["b"]
    async with database.write() as connection:
        assert await expire_responses(connection, NOW) == 0
        assert await expire_responses(connection, NOW + 1) == 1
    assert await chain(database, "b") == ["b"]


async def test_what_is_deleted_is_gone_and_no_late_end_brings_it_back(database: Database) -> None:
    await kept(database, making("a"), row("b"))
    async with database.write() as connection:
        assert await forget_response(connection, "bob", "a", NOW) == (False, None)
        assert await forget_response(connection, "ann", "a", NOW) == (True, "w1")
        assert await forget_response(connection, "ann", "b", NOW) == (True, None)
        assert await forget_response(connection, "ann", "b", NOW) == (False, None)
        await end_response(connection, "ann", "a", b"late")
    assert await state(database, "a") is None


async def test_what_is_made_in_the_background_ends_once(database: Database) -> None:
    await kept(database, making("a"), making("b"), making("c"))
    async with database.write() as connection:
        assert await cancel_response(connection, "bob", "b", NOW) is None
        assert await cancel_response(connection, "ann", "b", NOW) == "w1"
        assert await cancelled_elsewhere(connection, ["w1", "w2"]) == [("w1", "b")]
        assert await cancelled_elsewhere(connection, ["w2"]) == []
        await end_response(connection, "bob", "a", b"not his")
        await end_response(connection, "ann", "a", b"told")
        await end_response(connection, "ann", "b", b"told")
        assert await cancelled_elsewhere(connection, ["w1"]) == []
        assert await cancel_response(connection, "ann", "a", NOW) is None
    assert [await state(database, name) for name in "abc"] == ["done", "cancelled", "making"]
    assert await chain(database, "a") == ["told"] and await chain(database, "b") == ["b"]


async def test_nothing_comes_of_what_the_dead_were_making_unless_they_were_not_dead(database: Database) -> None:
    await kept(database, making("a"), making("b", "w2"), making("c", "w3", host="there"), row("d"))
    async with database.write() as connection:
        await lose_responses(connection, worker="w1")
        await lose_responses(connection, host="there")
    assert [await state(database, name) for name in "abcd"] == ["lost", "making", "lost", "done"]
    async with database.write() as connection:
        await end_response(connection, "ann", "c", b"told")
    assert await state(database, "c") == "done"


async def test_keeping_twice_changes_nothing(database: Database) -> None:
    await kept(database, row("a"), row("a", body=b"other", owner="bob"))
    assert await chain(database, "a") == ["a"]


async def test_books_of_before_get_the_table(database_url: str) -> None:
    database = Database(database_url)
    await migrate(database)
    async with database.write() as connection:
        await connection.execute(sa.text("DROP TABLE response"))
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    await migrate(database)
    await kept(database, row("a"))
    await database.close()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 11)), max_size=12))
async def test_no_chain_ever_crosses_owners(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, int]]
) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('books') / 'x.db'}")
    async with database.write() as connection:
        await connection.run_sync(schema.metadata.create_all)
    rows = [row(f"r{n}", f"r{at}" if at < n else "", owner=owner) for n, (owner, at) in enumerate(made)]
    await kept(database, *rows)
    by_name = {one.id: one for one in rows}
    for one in rows:
        told = [by_name[name] for name in await chain(database, one.id, one.owner)]
        assert {link.owner for link in told} == {one.owner} and told[-1] == one
        assert all(newer.previous == older.id for older, newer in pairwise(told))
        before = by_name.get(told[0].previous)
        assert before is None or before.owner != one.owner
    await database.close()
