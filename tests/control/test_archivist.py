"""The archivist over a real database: what workers ask it, together and in order, and who hears of a cancellation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from intertie.control.archivist import MOST_CHAIN, Archivist
from intertie.control.borrows import RecordingLink
from intertie.core.clock import HandClock
from intertie.core.keeping import Cancel, Fetch, Forget, Keep, Kept, KeptRecord, Question, Stop
from intertie.store.database import Database
from intertie.wire.tasks import Tasks

LATER = 2_000_000_000.0


@asynccontextmanager
async def archivist(database: Database, host: str = "here", clock: HandClock | None = None) -> AsyncIterator[Archivist]:
    crashes: list[BaseException] = []
    tasks = Tasks(crashes.append)
    keeper = Archivist(database, host, clock or HandClock())
    for loop in (keeper.write(), keeper.read(), keeper.watch(), keeper.sweep()):
        tasks.start(loop)
    yield keeper
    await tasks.close(1.0)
    assert not crashes


class Worker:
    """A worker on its link."""

    def __init__(self, keeper: Archivist, name: str = "w1") -> None:
        self.link, self._keeper, self._name = RecordingLink(), keeper, name
        keeper.on_linked(self.link, name)

    def ask(self, *questions: Question) -> None:
        for question in questions:
            self._keeper.on_message(self.link, self._name, question)

    async def told(self, ticket: int) -> Kept:
        for _ in range(1_000):
            for message in self.link.sent:
                if isinstance(message, Kept) and message.ticket == ticket:
                    return message
            await asyncio.sleep(0.005)
        raise AssertionError("no answer")

    async def asked(self, question: Question) -> Kept:
        self.ask(question)
        return await self.told(question.ticket)


def keep(ticket: int, name: str, previous: str = "", owner: str = "ann", **changes: object) -> Keep:
    return Keep(**{"ticket": ticket, "owner": owner, "id": name, "previous": previous, "expires": LATER,
                   "body": name.encode(), **changes})  # fmt: skip


async def test_what_is_kept_is_told_to_its_owner_alone_with_all_it_builds_on(database: Database) -> None:
    async with archivist(database) as keeper:
        worker = Worker(keeper)
        worker.ask(*(keep(number, f"r{number}", f"r{number - 1}" if number else "") for number in range(100)))
        assert await worker.told(99) == Kept(99)
        assert [message.ticket for message in worker.link.sent if isinstance(message, Kept)] == list(range(100))
        chain = await worker.asked(Fetch(200, "ann", "r3", chain=True))
        assert [record.body for record in chain.records] == [b"r0", b"r1", b"r2", b"r3"]
        assert (await worker.asked(Fetch(201, "ann", "r3"))).records == (KeptRecord("done", b"r3"),)
        for ticket, question in enumerate((Fetch(0, "bob", "r3"), Fetch(0, "bob", "r3", True), Forget(0, "bob", "r3"),
                                           Cancel(0, "bob", "r3"), Forget(0, "ann", "none")), 300):  # fmt: skip
            question.ticket = ticket
            assert await worker.asked(question) == Kept(ticket)
        assert (await worker.asked(Forget(400, "ann", "r3"))).records and not (
            await worker.asked(Fetch(401, "ann", "r3"))
        ).records


async def test_a_chain_that_does_not_fit_is_cut(database: Database) -> None:
    async with archivist(database) as keeper:
        worker, half = Worker(keeper), b"x" * (MOST_CHAIN // 2)
        worker.ask(keep(1, "a", body=half), keep(2, "b", "a", body=half), keep(3, "c", "b"))
        await worker.told(3)
        assert not (await worker.asked(Fetch(4, "ann", "b", chain=True))).cut
        cut = await worker.asked(Fetch(5, "ann", "c", chain=True))
        assert cut.cut and len(cut.records) == 2


async def test_the_worker_that_makes_it_hears_that_nobody_wants_it(database: Database) -> None:
    async with archivist(database) as keeper:
        maker, other = Worker(keeper), Worker(keeper, "w2")
        maker.ask(keep(1, "a", phase="begun"), keep(2, "b", phase="begun"), keep(3, "c"))
        await maker.told(3)
        assert (await other.asked(Fetch(1, "ann", "a"))).records == (KeptRecord("making", b"a"),)
        assert (await other.asked(Cancel(2, "ann", "a"))).records == (KeptRecord("cancelled", b"a"),)
        assert (await other.asked(Cancel(3, "ann", "c"))).records == (KeptRecord("done", b"c"),)
        await other.asked(Forget(4, "ann", "b"))
        assert [message for message in maker.link.sent if isinstance(message, Stop)] == [Stop("a"), Stop("b")]
        maker.ask(keep(5, "a", phase="ended", body=b"late"), keep(6, "b", phase="ended", body=b"late"))
        await maker.told(6)
        assert (await other.asked(Fetch(7, "ann", "a"))).records == (KeptRecord("cancelled", b"a"),)
        assert not (await other.asked(Fetch(8, "ann", "b"))).records
        keeper.on_gone(maker.link)
        assert (await other.asked(Cancel(9, "ann", "a"))).records


async def test_a_cancellation_reaches_the_worker_of_another_host(postgres_database: Database) -> None:
    async with archivist(postgres_database) as here, archivist(postgres_database, "there") as there:
        maker, other = Worker(here), Worker(there, "w2")
        await maker.asked(keep(1, "a", phase="begun"))
        await other.asked(Cancel(1, "ann", "a"))
        await heard(maker, Stop("a"))
        assert Stop("a") not in other.link.sent


async def test_a_worker_that_links_again_hears_what_was_cancelled_meanwhile(database: Database) -> None:
    async with archivist(database) as keeper:
        maker, other = Worker(keeper), Worker(keeper, "w2")
        await maker.asked(keep(1, "a", phase="begun"))
        keeper.on_gone(maker.link)
        await other.asked(Cancel(1, "ann", "a"))
        again = Worker(keeper)
        await heard(again, Stop("a"))
        assert Stop("a") not in maker.link.sent and Stop("a") not in other.link.sent


async def heard(worker: Worker, stop: Stop) -> None:
    for _ in range(600):
        if stop in worker.link.sent:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it was not told")


async def test_whoever_asks_is_told_when_the_books_do_not_answer(database: Database) -> None:
    async with archivist(database) as keeper:
        worker = Worker(keeper)
        await worker.asked(keep(1, "a"))
        async with database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE response RENAME TO gone")
        assert "does not answer" in (await worker.asked(keep(2, "b"))).fault
        assert "does not answer" in (await worker.asked(Fetch(3, "ann", "a"))).fault
        async with database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE gone RENAME TO response")
        assert not (await worker.asked(keep(4, "b"))).fault


async def test_whose_time_is_over_is_swept(database: Database) -> None:
    clock = HandClock()
    async with archivist(database, clock=clock) as keeper:
        worker = Worker(keeper)
        await worker.asked(keep(1, "a", expires=clock.wall() + 10))
        clock.go_on(10)
        assert not (await worker.asked(Fetch(2, "ann", "a"))).records
    async with archivist(database, clock=clock):
        await asyncio.sleep(0.1)
        async with database.read() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM response")).scalar() == 0
