"""What requests use beyond plain tokens: from journals, old and new, into the books of both kinds, and out of them."""

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st

import intertie.store.migrations as migrations
from intertie.core.record import Admitted, JournalRow, Settled
from intertie.core.usage import Usage
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.folding import Position, Stretch, fold
from intertie.store.journal import JournalReader, JournalWriter, segment_path
from intertie.store.migrate import migrate
from intertie.store.reports import RequestRow, UsageRow, request, usage

FULL = Usage(
    prompt=1_000, completion=500, cached=200, reasoning=90, written=80, written_1h=70, audio_in=60, audio_out=50,
    image_in=40, image_out=30, images=2, audio_ms=61_500, characters=1_234, pages=7, searches=3, tier="priority",
)  # fmt: skip
PLAIN = Usage(10, 5, 3)


OLD_USAGE = {"prompt": 10, "completion": 5, "cached": 3, "reasoning": 2, "estimated": True}
OLD_ROW = [
    "s",
    1,
    2.0,
    "served",
    200,
    "fra-1",
    "fra",
    "up",
    OLD_USAGE,
    7,
    "list",
    [],
    0.1,
    0.5,
    0.01,
    1,
    "",
    b"",
    False,
]
"""A row as it was first written: usage of five fields."""


def admitted(sequence: int) -> Admitted:
    return Admitted(sequence, 1.0, "key", "ann", "interns", "", "chat", "small", ())


def settled(sequence: int, used: Usage) -> Settled:
    return Settled(sequence, 2.0, "served", 200, "fra-1", "fra", "up", used, 7, "list", (), 0.1, 0.5, 0.01, 1)


async def folded(database: Database, rows: list[JournalRow], end: int) -> None:
    async with database.write() as connection:
        await fold(connection, "here", Stretch(rows, Position("w1", 1, end)))


async def told(database: Database, sequence: int) -> RequestRow:
    async with database.read() as connection:
        row = await request(connection, "w1", sequence)
    assert row is not None
    return row


def as_used(row: RequestRow | UsageRow) -> Usage:
    """What a row of the books says was used."""
    names = (name for name in Usage.__struct_fields__ if hasattr(row, name))
    return Usage(**{name: getattr(row, name) for name in names})


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("used", [FULL, PLAIN, Usage(tier="flex"), Usage(images=1), Usage(5, estimated=True)])
async def test_all_that_was_used_is_in_the_ledger(database: Database, used: Usage, late: bool) -> None:
    if late:
        await folded(database, [admitted(1)], 1)
        await folded(database, [settled(1, used)], 2)
    else:
        await folded(database, [admitted(1), settled(1, used)], 2)
    assert as_used(await told(database, 1)) == used


async def test_requests_of_every_kind_fold_in_one_stretch(database: Database) -> None:
    await folded(database, [admitted(8), admitted(9)], 1)
    kinds = {1: PLAIN, 2: FULL, 3: PLAIN, 4: Usage(searches=1), 8: FULL, 9: PLAIN}
    rows: list[JournalRow] = [admitted(number) for number in (1, 2, 3, 4, 5)]
    await folded(database, [*rows, *(settled(number, used) for number, used in kinds.items())], 2)
    assert {number: as_used(await told(database, number)) for number in kinds} == kinds
    assert as_used(await told(database, 5)) == Usage() and (await told(database, 5)).outcome == ""


async def test_usage_sums_each_kind_apart_and_tells_tiers(database: Database) -> None:
    rows: list[JournalRow] = [admitted(number) for number in (1, 2, 3)]
    await folded(database, [*rows, settled(1, FULL), settled(2, FULL), settled(3, PLAIN)], 1)
    async with database.read() as connection:
        [group] = await usage(connection, "group", 0.0, 2**40)
        tiers = {row.name: row.requests for row in await usage(connection, "tier", 0.0, 2**40)}
    assert tiers == {"priority": 2, "": 1}
    assert (group.prompt, group.written, group.written_1h, group.reasoning) == (2_010, 160, 140, 180)
    assert (group.audio_in, group.audio_out, group.image_in, group.image_out) == (120, 100, 80, 60)
    assert (group.images, group.audio_ms, group.characters, group.pages, group.searches) == (4, 123_000, 2_468, 14, 6)
    assert type(group.audio_ms) is int


async def test_the_books_take_what_old_journals_say(database: Database) -> None:
    row: Settled = msgspec.msgpack.decode(msgspec.msgpack.encode(OLD_ROW), type=JournalRow)
    assert row == settled(1, Usage(10, 5, 3, 2, True))
    await folded(database, [admitted(1), row], 1)
    assert as_used(await told(database, 1)) == Usage(10, 5, 3, 2, True)


counts = st.integers(0, 2**40)
usages = st.builds(
    Usage,
    **{name: counts for name in Usage.__struct_fields__ if name not in ("estimated", "tier")},
    estimated=st.booleans(),
    tier=st.text(max_size=20),
)


@given(st.lists(usages, max_size=4))
def test_a_journal_gives_back_every_usage(tmp_path_factory: pytest.TempPathFactory, used: list[Usage]) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = JournalWriter(directory, "w1", "never")
    for sequence, one in enumerate(used):
        journal.settled(settled(sequence, one))
    journal.close()
    rows = JournalReader(segment_path(directory, "w1", 1)).read(10)
    assert [row.usage for row in rows if isinstance(row, Settled)] == used


def config_for(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["connection"] = connection
    return config


async def test_books_that_are_older_keep_their_requests(database_url: str) -> None:
    database = Database(database_url)
    old = sa.table(
        schema.ledger.name, *(sa.column(c.name) for c in schema.ledger.c if c.name not in (*schema.MORE_USAGE, "tier"))
    )
    row = {
        "worker": "w1", "sequence": 1, "at": 1.0, "closed_at": 2.0, "key_id": "k", "user_name": "", "group_name": "g",
        "project": "", "operation": "chat", "model": "m", "tags": "", "objective": "", "outcome": "served",
        "status": 200, "endpoint": "e", "site": "s", "upstream_model": "u", "prompt": 10, "completion": 5, "cached": 3,
        "reasoning": 0, "estimated": False, "cost_nano": 7, "price_source": "list", "ttft_s": 0.1, "duration_s": 0.5,
        "gco2": 0.0, "attempts": 1, "fault": "", "stream": False, "plan": None,
    }  # fmt: skip
    async with database.write() as connection:
        await connection.run_sync(lambda sync: command.upgrade(config_for(sync), "0001"))
        await connection.execute(sa.insert(old), row)
    await migrate(database)
    assert as_used(await told(database, 1)) == PLAIN
    await folded(database, [admitted(2), settled(2, FULL)], 1)
    assert as_used(await told(database, 2)) == FULL
    async with database.read() as connection:
        assert {row.name: row.images for row in await usage(connection, "key", 0.0, 2**40)} == {"k": 0, "key": 2}
    await database.close()
