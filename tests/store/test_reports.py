"""Reports over the books, on both databases, against the same sums done in Python."""

from collections.abc import Sequence
from random import Random

import msgspec
import pytest

from intertie.core.principal import Meter, StoredKey
from intertie.sim.percentile import percentile
from intertie.store import schema
from intertie.store.books import Books
from intertie.store.database import Database
from intertie.store.reports import BY, By, RequestRow, UsageRow, accounts, has_books, request, usage
from intertie.store.stored_keys import add_key

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2  # 2024-10-04

Row = dict[str, object]


def row(sequence: int, **changed: object) -> Row:
    """A request that was served at noon."""
    whole: Row = {
        "worker": "w1", "sequence": sequence, "at": NOON, "closed_at": NOON + 1, "key_id": "key_1", "user_name": "ann",
        "group_name": "interns", "project": "p", "operation": "chat", "model": "small", "objective": "eco",
        "outcome": "served", "status": 200, "endpoint": "fra-1", "site": "fra", "upstream_model": "up", "attempts": 1,
        "prompt": 10, "completion": 5, "cached": 3, "reasoning": 1, "estimated": False, "stream": True, "fault": "",
        "cost_nano": 7, "price_source": "list", "ttft_s": 0.1, "duration_s": 0.5, "gco2": 0.25, "plan": b"plan",
    }  # fmt: skip
    return whole | changed


async def write(database: Database, *rows: Row) -> None:
    async with database.write() as connection:
        await connection.execute(schema.ledger.insert(), list(rows))


async def read(database: Database, by: By, since: float = 0.0, until: float = 2**40) -> Sequence[UsageRow]:
    async with database.read() as connection:
        return await usage(connection, by, since, until)


async def test_a_database_that_was_never_prepared_has_no_books(database_url: str, database: Database) -> None:
    async with database.read() as connection:
        assert await has_books(connection)
    if not database.shared:
        empty = Database(f"{database_url}.other")
        async with empty.read() as connection:
            assert not await has_books(connection)
        await empty.close()


async def test_of_the_named_accounts_those_that_exist(database: Database) -> None:
    async with database.write() as connection:
        books = Books(connection, "here")
        await books.lock({name: Meter(name, "usd", 9, "group x") for name in ("a", "b", "c")})
        books.grant("w1", "b", 5)
        books.settle("w1", "b", 2)
        await books.write()
    async with database.read() as connection:
        found = {row.id: row for row in await accounts(connection, {"a", "b", "z"})}
        assert await accounts(connection, set()) == []
    assert set(found) == {"a", "b"}
    assert (found["b"].cap, found["b"].settled, found["b"].leased) == (9, 2, 3)


async def test_a_request_is_found_by_its_id_only(database: Database) -> None:
    await write(database, row(1), row(2, outcome="", closed_at=None, cost_nano=None, plan=None, worker="w2", key_id=""))
    async with database.write() as connection:
        await add_key(connection, StoredKey("key_1", "00", "ci"))
    async with database.read() as connection:
        found = await request(connection, "w1", 1)
        unsettled = await request(connection, "w2", 2)
        assert await request(connection, "w1", 2) is None
    assert isinstance(found, RequestRow)
    expected = row(1) | dict.fromkeys(schema.MORE_USAGE, 0) | {"tier": "", "key_name": "ci"}
    assert msgspec.structs.asdict(found) == {name: value for name, value in expected.items() if name != "closed_at"}
    assert unsettled is not None and unsettled.cost_nano is unsettled.plan is None and unsettled.key_name == ""


@pytest.mark.parametrize("by", BY)
async def test_usage_can_be_told_by_each_of_these(database: Database, by: By) -> None:
    await write(database, row(1), row(2))
    names = {"group": "interns", "user": "ann", "key": "key_1", "project": "p", "model": "small", "endpoint": "fra-1",
             "site": "fra", "day": "2024-10-04", "objective": "eco", "tier": ""}  # fmt: skip
    assert await read(database, by) == [UsageRow(names[by], 2, 2, 0, 0, 20, 6, 10, 14, 0.5, 0.1, 0.1, reasoning=2)]


async def test_what_is_under_way_failed_or_has_no_price_is_told_apart(database: Database) -> None:
    unsettled = row(
        2, outcome="", closed_at=None, cost_nano=None, ttft_s=0.0, prompt=0, completion=0, cached=0, gco2=0.0
    )
    await write(database, row(1), unsettled, row(3, cost_nano=None), row(4, outcome="failed", cost_nano=0, ttft_s=0.0))
    [found] = await read(database, "group")
    assert (found.requests, found.served, found.under_way, found.unpriced, found.cost_nano) == (4, 2, 1, 1, 7)
    assert found.ttft_p50_s == found.ttft_p90_s == 0.1


async def test_only_what_was_admitted_in_the_span_counts(database: Database) -> None:
    await write(database, *(row(number, at=NOON + number) for number in range(5)))
    [found] = await read(database, "model", NOON + 1, NOON + 3)
    assert found.requests == 2
    assert await read(database, "model", NOON + 5) == []


async def test_days_are_those_of_utc_and_in_their_order(database: Database) -> None:
    midnight = NOON + DAY / 2
    await write(database, row(1, at=midnight - 0.001), row(2, at=midnight), row(3, at=midnight + 1, cost_nano=10**9))
    assert [(one.name, one.requests) for one in await read(database, "day")] == [("2024-10-04", 1), ("2024-10-05", 2)]


async def test_the_dearest_comes_first_and_sums_are_exact(database: Database) -> None:
    large = 2**60 + 1
    rows = [row(1, model="b", cost_nano=large), row(2, model="b", cost_nano=large), row(3, model="a", cost_nano=1)]
    await write(database, *rows)
    found = await read(database, "model")
    assert [(one.name, one.cost_nano) for one in found] == [("b", 2 * large), ("a", 1)]
    assert all(type(one.cost_nano) is int and type(one.prompt) is int for one in found)


async def test_a_name_without_any_first_token_has_no_percentile(database: Database) -> None:
    await write(database, row(1, ttft_s=0.0))
    [found] = await read(database, "site")
    assert found.ttft_p50_s is None and found.ttft_p90_s is None


@pytest.mark.parametrize("seed", range(3))
async def test_percentiles_are_by_nearest_rank(database: Database, seed: int) -> None:
    lots = Random(seed)
    times = {name: [lots.uniform(0.001, 9) for _ in range(lots.randint(1, 40))] for name in "abcd"}
    numbered = enumerate((name, seconds) for name, all_of in times.items() for seconds in all_of)
    await write(database, *(row(number, model=name, ttft_s=seconds) for number, (name, seconds) in numbered))
    for found in await read(database, "model"):
        assert found.ttft_p50_s == percentile(times[found.name], 0.5)
        assert found.ttft_p90_s == percentile(times[found.name], 0.9)
