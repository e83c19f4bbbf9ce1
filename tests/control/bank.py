"""A lender over a real database and wallets on lines that tests can cut: all in one process, no sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import select

from intertie.control.lender import Lender
from intertie.core.clock import Clock, SystemClock
from intertie.core.lending import Borrow, FromLender, Hello, Lent, Recall, Return
from intertie.core.principal import Meter
from intertie.gateway.holds import Holds
from intertie.gateway.wallet import Needs, Wallet
from intertie.store import schema
from intertie.store.books import Books, LeaseRow, lease_rows
from intertie.store.database import Database

USD = 1_000_000_000


def budget(cap: int, name: str = "budget") -> Meter:
    return Meter(name, "usd", cap, f"group {name}")


class Line:
    """A link between one wallet and one lender, in order, lossless while it is up."""

    def __init__(self, lender: Lender, worker: str, clock: Clock) -> None:
        self.lender, self.worker, self.clock = lender, worker, clock
        self.up = False
        self.heard: list[FromLender] = []
        self.wallet = Wallet(worker, self.say, clock)

    def say(self, message: Hello | Borrow | Return) -> None:
        if self.up:
            asyncio.get_running_loop().call_soon(self._deliver, message)

    def send(self, message: FromLender) -> None:
        self.heard.append(message)
        asyncio.get_running_loop().call_soon(self._receive, message)

    def connect(self) -> None:
        self.up = True
        self.say(self.wallet.hello())
        self.wallet.on_link(True)

    def cut(self) -> None:
        self.up = False
        self.wallet.on_link(False)
        self.lender.on_gone(self)

    async def call(self, needs: Needs) -> Holds:
        holds = self.wallet.take(needs, self.clock.wall(), self.clock.monotonic())
        return holds or await self.wallet.borrow(needs)

    def _deliver(self, message: Hello | Borrow | Return) -> None:
        if self.up:
            self.lender.on_message(self, message)

    def _receive(self, message: FromLender) -> None:
        if self.up and isinstance(message, Lent | Recall):
            self.wallet.on_message(message)


@asynccontextmanager
async def lending(database: Database, *meters: Meter, host: str = "here") -> AsyncIterator[Lender]:
    """A lender at work."""
    lender = Lender(database, host, SystemClock())
    lender.adopt({meter.id: meter for meter in meters})
    await lender.beat()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(lender.run()), tasks.create_task(lender.watch())]
        try:
            yield lender
        finally:
            for task in running:
                task.cancel()


def workers(lender: Lender, count: int, clock: Clock | None = None) -> list[Line]:
    """Connected wallets."""
    lines = [Line(lender, f"w{number}", clock or SystemClock()) for number in range(1, count + 1)]
    for line in lines:
        line.connect()
    return lines


async def account(database: Database, name: str) -> tuple[int, int, int]:
    """Cap, settled, leased."""
    table = schema.account
    async with database.read() as connection:
        query = select(table.c.cap, table.c.settled, table.c.leased).where(table.c.id == name)
        row = (await connection.execute(query)).one()
    return row.cap, row.settled, row.leased


async def leases(database: Database) -> dict[tuple[str, str], LeaseRow]:
    async with database.read() as connection:
        return {(row.worker, row.account): row for row in await lease_rows(connection, select(schema.lease))}


async def pay(database: Database, worker: str, name: str, amount: int) -> None:
    """What folding a settled row does to the books."""
    async with database.write() as connection:
        books = Books(connection, "here")
        await books.lock({name: None})
        books.settle(worker, name, amount)
        await books.write()


async def grant(database: Database, worker: str, meter: Meter, name: str, amount: int) -> None:
    """What lending does to the books."""
    async with database.write() as connection:
        books = Books(connection, "here")
        await books.lock({name: meter})
        books.grant(worker, name, amount)
        await books.write()


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> None:
    """Wait for something to come true."""
    for _ in range(int(within_s / 0.01)):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it did not come true within {within_s} s")


async def until_quiet() -> None:
    """Let every message and round that is under way come to its end."""
    await asyncio.sleep(0.15)
