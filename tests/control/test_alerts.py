"""Alerts: each threshold is told once, by log and by webhook, and a webhook that fails holds up nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from bank import grant, until
from journaled import admitted, settled, write
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.control import alerts as alerting
from intertie.control.alerts import Alerter
from intertie.control.folder import Folder
from intertie.core.alert import BudgetAlert
from intertie.core.clock import HandClock
from intertie.core.faults import UpstreamFault
from intertie.core.principal import Meter
from intertie.store.alerts import AlertRow
from intertie.store.database import Database
from intertie.store.journal import JournalWriter
from intertie.wire.tasks import Tasks

METER = Meter("b", "usd", 1_000_000_000, "group interns", period="day", webhook="http://hooks.example/budget")
DAY = "b@1970-01-01"


class Ear:
    """Hears the log and the webhook; refuses the webhook as often as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.logged: list[BudgetAlert] = []
        self.posted: list[tuple[str, BudgetAlert]] = []
        self.tries = 0

    async def post(self, url: str, body: bytes) -> None:
        self.tries += 1
        if self.tries <= self.refusals:
            raise UpstreamFault("500")
        self.posted.append((url, msgspec.json.decode(body, type=BudgetAlert)))


@asynccontextmanager
async def alerter(database: Database, ear: Ear) -> AsyncIterator[Alerter]:
    crashes = list[BaseException]()
    tasks = Tasks(crashes.append)
    alerter = Alerter(database, "here", HandClock(), ear.logged.append, ear.post, tasks)
    alerter.adopt({METER.id: METER})
    yield alerter

    async def done() -> bool:
        return not len(tasks)

    await until(done)
    assert not crashes


async def spend(database: Database, tmp_path: Path, *costs: int) -> Folder:
    folder = Folder(database, tmp_path, "here", HandClock())
    journal = JournalWriter(tmp_path, "w1", "never")
    await grant(database, "w1", METER, DAY, METER.cap)
    for number, cost in enumerate(costs, 1):
        nano = cost * 10_000_000
        write(journal, admitted(number, nano, DAY), settled(number, nano, DAY))
        await folder.fold_some()
    journal.close()
    return folder


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "_FIRST_PAUSE_S", 0.001)


async def test_each_threshold_is_told_once(database: Database, tmp_path: Path) -> None:
    ear = Ear()
    await spend(database, tmp_path, 49, 1, 5, 35, 9, 1)
    for _ in range(2):
        async with alerter(database, ear) as it:
            await it.look()
    assert [alert.percent for alert in ear.logged] == [50, 80, 90, 100]
    assert sorted(alert.percent for _, alert in ear.posted) == [50, 80, 90, 100]
    assert ear.posted[0][0] == METER.webhook
    assert ear.logged[0] == BudgetAlert(
        kind="budget", at="1970-01-01T00:16:43+00:00", account=DAY, owner="group interns", percent=50, spent_usd="0.50",
        cap_usd="1.00", period_ends="1970-01-02T00:00:00+00:00",
    )  # fmt: skip


async def test_folding_says_that_there_is_something_to_tell(database: Database, tmp_path: Path) -> None:
    folder = await spend(database, tmp_path, 49)
    assert not folder.reached.is_set()
    ear = Ear()
    async with alerter(database, ear) as it, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(it.run(folder.reached))
        await asyncio.sleep(0.02)
        journal = JournalWriter(tmp_path, "w2", "never")
        write(journal, admitted(1, 10_000_000, DAY), settled(1, 10_000_000, DAY))
        await folder.fold_some()

        async def posted() -> bool:
            return bool(ear.posted)

        await until(posted)
        running.cancel()
        journal.close()


@pytest.mark.parametrize(("refusals", "arrives", "tries"), [(4, 1, 5), (9, 0, 5)])
async def test_a_webhook_is_tried_five_times(
    database: Database, tmp_path: Path, refusals: int, arrives: int, tries: int
) -> None:
    ear = Ear(refusals)
    await spend(database, tmp_path, 50)
    async with alerter(database, ear) as it:
        await it.look()
        await it.look()
    assert (len(ear.posted), ear.tries, len(ear.logged)) == (arrives, tries, 1)
    async with alerter(database, ear) as it:
        await it.look()
    assert len(ear.logged) == 1


async def test_a_look_that_has_read_its_rows_when_one_of_them_is_done_does_not_tell_it_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, read = Ear(), alerting.untold

    async def read_slowly(connection: AsyncConnection, host: str) -> Sequence[AlertRow]:
        rows = await read(connection, host)
        await asyncio.sleep(0.1)  # meanwhile whatever is under way could end
        return rows

    await spend(database, tmp_path, 60)
    async with alerter(database, ear) as alerts:
        await alerts.look()
        monkeypatch.setattr(alerting, "untold", read_slowly)
        await alerts.look()
    assert [alert.percent for alert in ear.logged] == [50] == [alert.percent for _, alert in ear.posted]
