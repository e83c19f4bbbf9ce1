"""Folding: every row once, whatever dies in between; and what cannot be folded stops its journal, loudly."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from bank import account, lending, until, workers
from bank import budget as budget_of
from journaled import A, admitted, calls, files, ledger, settled, verdict, write
from sqlalchemy import select

from intertie.control import folder as folding
from intertie.control.folder import Folder
from intertie.core.clock import HandClock, SystemClock
from intertie.core.faults import StoreFault
from intertie.core.record import Admitted, Charge, Settled
from intertie.store import schema
from intertie.store.alerts import events
from intertie.store.database import Database
from intertie.store.journal import JournalWriter, segment_path


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Folder:
    return Folder(database, tmp_path / "journal", "here", HandClock())


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[JournalWriter]:
    journal = JournalWriter(tmp_path / "journal", "w1", "never", segment_bytes=20_000)
    yield journal
    journal.close()


async def lend(database: Database, amount: int = 1_000) -> None:
    """Let worker w1 borrow all of a budget."""
    meter = budget_of(amount)
    async with lending(database, meter) as lender:
        await workers(lender, 1)[0].call([(meter, amount)])


async def test_a_request_is_open_when_admitted_and_closed_when_settled(
    database: Database, folder: Folder, journal: JournalWriter
) -> None:
    await lend(database)
    write(journal, admitted(1))
    assert await folder.fold_some()
    assert await ledger(database) == {("w1", 1): ("", None)}
    assert (await verdict(database)).open_requests == 1
    write(journal, settled(1, cost=4), admitted(2), settled(2, cost=5))
    assert await folder.fold_some() and not await folder.fold_some()
    assert await ledger(database) == {("w1", 1): ("served", 4), ("w1", 2): ("served", 5)}
    assert await account(database, A) == (1_000, 9, 991)
    assert (await verdict(database)).findings == ()


@pytest.mark.parametrize("late", [False, True])
async def test_an_account_that_was_held_and_then_spared_pays_nothing(
    database: Database, folder: Folder, journal: JournalWriter, late: bool
) -> None:
    await lend(database)
    row = admitted(1)
    write(journal, msgspec.structs.replace(row, holds=(*row.holds, Charge("other@total", 10))))
    if late:
        await folder.fold_some()
    write(journal, settled(1, cost=4))
    await folder.fold_some()
    assert await account(database, A) == (1_000, 4, 996)
    assert (await verdict(database)).findings == ()


async def test_all_that_a_row_says_is_in_the_ledger(database: Database, folder: Folder, journal: JournalWriter) -> None:

    write(journal, admitted(1), settled(1))
    await folder.fold_some()
    async with database.read() as connection:
        row = (await connection.execute(select(schema.ledger))).mappings().one()
    assert dict(row) == {
        "worker": "w1", "sequence": 1, "at": 1_001.0, "key_id": "key_1", "user_name": "ann", "group_name": "interns",
        "project": "p", "operation": "chat", "model": "small", "tags": '["t"]', "objective": "eco",
        "closed_at": 1_002.0, "outcome": "served", "status": 200, "endpoint": "fra-1", "site": "fra",
        "upstream_model": "up", "prompt": 10, "completion": 5, "cached": 3, "reasoning": 0, "estimated": False,
        "cost_nano": 4, "price_source": "list", "ttft_s": 0.1, "duration_s": 0.5, "gco2": 0.01, "attempts": 1,
        "fault": "", "stream": False, "plan": b"plan", "tier": "", **dict.fromkeys(schema.MORE_USAGE),
    }  # fmt: skip


async def test_what_costs_more_than_was_lent_is_an_overshoot_and_disclosed(
    database: Database, folder: Folder, journal: JournalWriter
) -> None:
    await lend(database, 100)
    write(journal, admitted(1, hold=100), settled(1, cost=130))
    await folder.fold_some()
    assert await account(database, A) == (100, 130, 0)
    found = await verdict(database)
    assert found.sound and [finding.kind for finding in found.findings] == ["overshoot"]


async def test_rows_are_folded_once_however_often_the_folder_dies(
    database: Database, journal: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lend(database, 10_000)
    lots = random.Random(7)
    monkeypatch.setattr(folding, "STRETCH", 7)
    real = folding.fold
    fate = {"survives": 0}

    async def fold_and_die(*args: object) -> bool:
        reached = await real(*args)
        if lots.random() < 0.4:
            raise StoreFault("the connection was lost before the commit")
        fate["survives"] += 1
        return reached

    monkeypatch.setattr(folding, "fold", fold_and_die)
    for batch in range(10):
        calls(journal, batch * 20 + 1, batch * 20 + 20)
        folder = Folder(database, tmp_path / "journal", "here", HandClock())
        while True:
            try:
                if not await folder.fold_some():
                    break
            except StoreFault:
                if lots.random() < 0.5:
                    folder = Folder(database, tmp_path / "journal", "here", HandClock())
    assert len(await ledger(database)) == 200 and fate["survives"] > 10
    assert await account(database, A) == (10_000, 800, 9_200)
    assert (await verdict(database)).findings == ()


async def test_segments_that_are_folded_are_deleted(
    database: Database, folder: Folder, journal: JournalWriter, tmp_path: Path
) -> None:
    calls(journal, 1, 300)
    assert len(files(tmp_path / "journal")) > 3
    while await folder.fold_some():
        pass
    assert len(files(tmp_path / "journal")) == 2
    assert len(await ledger(database)) == 300
    calls(journal, 301, 302)
    folder = Folder(database, tmp_path / "journal", "here", HandClock())
    while await folder.fold_some():
        pass
    assert len(await ledger(database)) == 302


async def test_a_torn_end_is_waited_for_and_a_damaged_middle_stops_that_journal_alone(
    database: Database, folder: Folder, journal: JournalWriter, tmp_path: Path
) -> None:
    calls(journal, 1, 3)
    other = JournalWriter(tmp_path / "journal", "w2", "never")
    write(other, admitted(1, account=""), settled(1, account=""))
    path = segment_path(tmp_path / "journal", "w1", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    while await folder.fold_some():
        pass
    assert len(await ledger(database)) == 4
    path.write_bytes(whole[:-3] + b"xyz")
    assert not await folder.fold_some()
    assert not await folder.fold_to_end("w1")
    write(other, admitted(2, account=""))
    assert await folder.fold_some()
    async with database.read() as connection:
        [event] = await events(connection)
    assert event.kind == "journal_stopped" and "w1.1.journal cannot be folded from byte" in event.message
    found = await verdict(database)
    assert not found.sound and any(finding.kind == "journal" for finding in found.findings)
    other.close()


async def test_a_segment_that_is_missing_stops_its_journal(
    database: Database, folder: Folder, journal: JournalWriter, tmp_path: Path
) -> None:
    calls(journal, 1, 300)
    segment_path(tmp_path / "journal", "w1", 1).unlink()
    while await folder.fold_some():
        pass
    assert await ledger(database) == {}
    assert (
        "w1.1.journal cannot be folded from byte 0 on: it is missing" in (await verdict(database)).findings[0].message
    )


async def test_a_journal_that_cannot_be_read_holds_up_no_other_and_is_not_taken_for_empty(
    database: Database, folder: Folder, journal: JournalWriter, tmp_path: Path
) -> None:
    calls(journal, 1, 3)
    path = segment_path(tmp_path / "journal", "w0", 1)
    path.mkdir()
    while await folder.fold_some():
        pass
    assert len(await ledger(database)) == 3
    with pytest.raises(StoreFault, match="cannot be read"):
        await folder.fold_to_end("w0")


@pytest.mark.parametrize(
    "rows", [[settled(9)], [admitted(1), admitted(1)], [admitted(1), settled(1), settled(1)]], ids=["new", "in", "out"]
)
async def test_a_journal_that_contradicts_itself_is_stopped(
    database: Database, folder: Folder, journal: JournalWriter, rows: list[object]
) -> None:
    write(journal, *rows)
    assert not await folder.fold_some()
    assert await ledger(database) == {}
    assert not (await verdict(database)).sound


@pytest.mark.parametrize(
    "rows",
    [
        [admitted(1), settled(1, cost=10**19)],
        [admitted(1, hold=10**19)],
        [admitted(10**19)],
        [admitted(1), settled(1, cost=2**62), admitted(2), settled(2, cost=2**62)],
    ],
    ids=["cost", "hold", "sequence", "sum"],
)
async def test_what_no_ledger_can_hold_stops_that_journal_alone(
    database: Database, folder: Folder, journal: JournalWriter, tmp_path: Path, rows: list[Admitted | Settled]
) -> None:
    other = JournalWriter(tmp_path / "journal", "w2", "never")
    write(journal, *rows)
    calls(other, 1, 1)
    while await folder.fold_some():
        pass
    assert ("w2", 1) in await ledger(database)
    assert not await folder.fold_to_end("w1")
    async with database.read() as connection:
        [event] = await events(connection)
    assert event.kind == "journal_stopped" and "w1.1.journal" in event.message
    calls(other, 2, 2)
    assert await folder.fold_some()
    other.close()


async def test_a_number_given_twice_in_two_stretches_stops_that_journal(
    database: Database, folder: Folder, journal: JournalWriter
) -> None:
    calls(journal, 1, 1)
    assert await folder.fold_some()
    write(journal, admitted(1))
    assert not await folder.fold_some()
    assert not await folder.fold_to_end("w1")


async def test_settling_twice_in_two_stretches_is_noticed(
    database: Database, folder: Folder, journal: JournalWriter
) -> None:
    calls(journal, 1, 1)
    assert await folder.fold_some()
    write(journal, settled(1))
    assert not await folder.fold_some()
    assert not (await verdict(database)).sound


async def test_it_runs_until_it_is_stopped_and_survives_a_database_that_goes_away(
    database: Database, journal: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "_PAUSE_S", 0.01)
    folder = Folder(database, tmp_path / "journal", "here", SystemClock())
    real, refused = database.write, list[int]()

    def away(*args: object) -> object:
        refused.append(1)
        if len(refused) < 3:
            raise StoreFault("away")
        return real()

    monkeypatch.setattr(database, "write", away)
    calls(journal, 1, 5)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(folder.run())

        async def folded() -> bool:
            return len(await ledger(database)) == 5

        await until(folded)
        running.cancel()
    assert len(refused) == 3


async def test_it_folds_faster_than_requests_come(database: Database, tmp_path: Path) -> None:
    await lend(database, 10**9)
    journal = JournalWriter(tmp_path / "journal", "w1", "never")
    calls(journal, 1, 4_000)
    journal.close()
    folder = Folder(database, tmp_path / "journal", "here", SystemClock())
    began, used = time.perf_counter(), time.process_time()
    while await folder.fold_some():
        pass
    rate, cpu = 4_000 / (time.perf_counter() - began), (time.process_time() - used) / 4_000
    sys.stdout.write(f"{database.url.get_backend_name()}: {rate:.0f} requests/s, {cpu * 1e6:.0f} us CPU here\n")
    assert len(await ledger(database)) == 4_000
    assert rate > 1_000  # far below what it does alone: other tests may share the cores
