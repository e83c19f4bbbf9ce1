"""Sweeping: what the dead leave is charged, returned and removed; what the living have is left alone."""

from pathlib import Path

import pytest
from bank import account, budget, leases, lending, workers
from journaled import A, admitted, calls, files, ledger, verdict, write

from intertie.control import folder as folding
from intertie.control import sweeper as sweeping
from intertie.control.folder import Folder
from intertie.control.sweeper import Sweeper
from intertie.core.clock import HandClock
from intertie.core.faults import BudgetExhausted, StoreFault
from intertie.core.principal import Meter
from intertie.store.database import Database
from intertie.store.deaths import beat
from intertie.store.journal import JournalWriter, segment_path


class Place:
    """A host: its journals, folder and sweeper."""

    def __init__(self, database: Database, directory: Path, host: str = "here") -> None:
        self.clock = HandClock()
        self.directory = directory
        self.folder = Folder(database, directory, host, self.clock)
        self.sweeper = Sweeper(database, self.folder, directory, host, self.clock)


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(database, tmp_path / "journal")


async def lend(database: Database, *meters: Meter, host: str = "here") -> None:
    """Let w1 borrow all there is."""
    async with lending(database, *meters, host=host) as lender:
        await workers(lender, 1)[0].call([(meter, meter.cap) for meter in meters])


async def test_the_dead_pay_what_they_held_and_return_the_rest(database: Database, place: Place) -> None:
    journal = JournalWriter(place.directory, "w1", "never")
    await lend(database, budget(1_000))
    calls(journal, 1, 3)
    write(journal, admitted(4, hold=100), admitted(5, hold=50))
    assert await place.sweeper.sweep() == 0
    journal.close()
    assert await place.sweeper.sweep() == 1
    outcomes = await ledger(database)
    assert outcomes["w1", 4] == ("interrupted", 100) and outcomes["w1", 5] == ("interrupted", 50)
    assert await account(database, A) == (1_000, 162, 0)
    assert await leases(database) == {} and files(place.directory) == []
    found = await verdict(database)
    assert found.findings == () and found.open_requests == 0
    assert await place.sweeper.sweep() == 0


async def test_units_of_rate_limits_come_back_a_minute_later_and_calls_at_once_now(
    database: Database, place: Place
) -> None:
    meters = [Meter("rpm", "requests", 10, "x"), Meter("tpm", "tokens", 20, "x"), Meter("slots", "concurrent", 3, "x")]
    JournalWriter(place.directory, "w1", "never").close()
    await lend(database, *meters)
    await place.sweeper.sweep()
    assert [(await account(database, meter.id))[2] for meter in meters] == [10, 20, 0]
    place.clock.go_on(59)
    await place.sweeper.sweep()
    assert (await account(database, "rpm"))[2] == 10
    place.clock.go_on(1)
    await place.sweeper.sweep()
    assert [(await account(database, meter.id))[2] for meter in meters] == [0, 0, 0]
    assert await leases(database) == {}


async def test_a_request_to_the_lender_that_outlives_its_worker_is_swept_too(database: Database, place: Place) -> None:
    journal = JournalWriter(place.directory, "w1", "never")
    journal.close()
    await place.sweeper.sweep()
    await lend(database, budget(1_000))
    await place.sweeper.sweep()
    assert await account(database, A) == (1_000, 0, 0)


async def test_a_stopped_journal_keeps_its_money_reserved(database: Database, place: Place) -> None:
    journal = JournalWriter(place.directory, "w1", "never")
    await lend(database, budget(1_000))
    calls(journal, 1, 2)
    journal.close()
    path = segment_path(place.directory, "w1", 1)
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert await place.sweeper.sweep() == 0 and await place.sweeper.sweep() == 0
    assert await account(database, A) == (1_000, 4, 996)
    assert "w1.1.journal" in files(place.directory)


async def test_a_journal_that_cannot_be_read_is_kept(database: Database, place: Place) -> None:
    journal = JournalWriter(place.directory, "w1", "never")
    await lend(database, budget(1_000))
    calls(journal, 1, 2)
    journal.close()
    path = segment_path(place.directory, "w1", 1)
    kept = path.rename(path.with_suffix(".kept"))
    path.mkdir()
    assert await place.sweeper.sweep() == 0
    path.rmdir()
    kept.rename(path)
    assert await place.sweeper.sweep() == 1
    assert await account(database, A) == (1_000, 8, 0)


@pytest.mark.parametrize("step", ["close_interrupted", "end_leases", "remove_segments", "forget_position"])
async def test_wherever_the_sweeper_dies_the_next_one_finishes(
    database: Database, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    journal = JournalWriter(place.directory, "w1", "never")
    await lend(database, budget(1_000))
    calls(journal, 1, 3)
    write(journal, admitted(4, hold=100))
    journal.close()
    module = sweeping if hasattr(sweeping, step) else folding
    real = getattr(module, step)

    def die(*args: object) -> None:
        raise StoreFault("died here")

    def die_after(*args: object) -> None:
        real(*args)
        raise StoreFault("died here")

    monkeypatch.setattr(module, step, die_after if step == "remove_segments" else die)
    with pytest.raises(StoreFault):
        await place.sweeper.sweep()
    monkeypatch.setattr(module, step, real)
    assert await Place(database, place.directory).sweeper.sweep() == 1
    assert await account(database, A) == (1_000, 112, 0)
    assert len(await ledger(database)) == 4 and files(place.directory) == []
    assert (await verdict(database)).findings == ()


async def test_a_host_that_falls_silent_loses_its_leases_and_learns_of_it(
    postgres_database: Database, tmp_path: Path
) -> None:
    database, meter = postgres_database, budget(1_000)
    here = Place(database, tmp_path / "here")
    async with lending(database, meter, host="there") as there, lending(database, meter) as lender:
        clock = HandClock()
        [far] = workers(there, 1, clock)
        holds = await far.call([(meter, 900)])
        await here.sweeper.sweep()
        here.clock.go_on(119)
        await here.sweeper.sweep()
        assert (await account(database, A))[2] == 900
        here.clock.go_on(1)
        await here.sweeper.sweep()
        assert await account(database, A) == (1_000, 0, 0)
        near = workers(lender, 2)[1]
        await near.call([(meter, 1_000)])
        clock.go_on(120)
        far.wallet.release(holds)
        far.cut()
        far.connect()
        with pytest.raises(BudgetExhausted):
            await far.call([(meter, 1)])


async def test_a_host_whose_beat_goes_on_keeps_its_leases(postgres_database: Database, tmp_path: Path) -> None:
    database, meter = postgres_database, budget(1_000)
    here = Place(database, tmp_path / "here")
    await lend(database, meter, host="there")
    for _ in range(5):
        await here.sweeper.sweep()
        here.clock.go_on(60)
        async with database.write() as connection:
            await beat(connection, "there")
    await here.sweeper.sweep()
    assert (await account(database, A))[2] == 1_000
