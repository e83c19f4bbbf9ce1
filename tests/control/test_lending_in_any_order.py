"""Any interleaving of borrowing, returning, recalling, settling, crashes, lost and repeated messages.

At every commit settled + leased <= cap, no worker believes to have more than the books lend it, and in the end
everything that was not spent can be spent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bank import budget
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from intertie.control.lender import Lender
from intertie.core.clock import HandClock
from intertie.core.faults import CallerFault, LenderAway
from intertie.core.lending import Borrow, FromLender, Hello, Lent, Recall, Return
from intertie.gateway.holds import Holds
from intertie.gateway.wallet import Wallet
from intertie.store.books import Books
from intertie.store.database import Database
from intertie.store.deaths import end_leases
from intertie.store.migrate import migrate

METERS = [budget(200, "a"), budget(300, "b")]
ACCOUNTS = {f"{meter.id}@total": meter for meter in METERS}


class Post:
    """The line between a worker and the lender: messages wait until they are delivered, are lost, or come twice."""

    def __init__(self, lender: Lender, name: str, clock: HandClock) -> None:
        self.lender, self.name = lender, name
        self.to_lender: deque[Hello | Borrow | Return] = deque()
        self.to_worker: deque[FromLender] = deque()
        self.up = False
        self.wallet = Wallet(name, self.say, clock)
        self.calls: list[asyncio.Task[Holds]] = []
        self.holds: list[Holds] = []
        self.journal: deque[tuple[str, int]] = deque()
        self.connect()

    def say(self, message: Hello | Borrow | Return) -> None:
        if self.up:
            self.to_lender.append(message)

    def send(self, message: FromLender) -> None:
        self.to_worker.append(message)

    def connect(self) -> None:
        self.up = True
        self.say(self.wallet.hello())
        self.wallet.on_link(True)

    def cut(self) -> None:
        self.up = False
        self.to_lender.clear()
        self.to_worker.clear()
        self.wallet.on_link(False)
        self.lender.on_gone(self)

    def deliver(self, *, up: bool, twice: bool = False) -> None:
        if up and self.to_lender:
            message = self.to_lender.popleft() if not twice else self.to_lender[0]
            self.lender.on_message(self, message)
        elif not up and self.to_worker:
            word = self.to_worker.popleft() if not twice else self.to_worker[0]
            if isinstance(word, Lent | Recall):
                self.wallet.on_message(word)


class LendingMachine(RuleBasedStateMachine):
    def __init__(self, new_url: Callable[[], str]) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = HandClock()
        self.database = self.do(self.open(new_url()))
        self.born = 0
        self.posts: list[Post] = []
        for _ in range(3):
            self.birth()

    async def open(self, url: str) -> Database:
        database = Database(url)
        await migrate(database)
        self.lender = Lender(database, "here", self.clock)
        self.lender.adopt({meter.id: meter for meter in METERS})
        await self.lender.beat()
        return database

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def birth(self) -> None:
        async def connect() -> None:
            self.posts.append(Post(self.lender, f"w{self.born}", self.clock))

        self.born += 1
        self.do(connect())

    def post(self, lot: int) -> Post:
        return self.posts[lot % len(self.posts)]

    @rule(lot=st.integers(0, 2), which=st.integers(1, 3), amount=st.integers(0, 150))
    def call(self, lot: int, which: int, amount: int) -> None:
        post = self.post(lot)
        needs = [(meter, amount) for number, meter in enumerate(METERS) if which & 1 << number]

        async def take() -> None:
            if holds := post.wallet.take(needs, self.clock.wall(), self.clock.monotonic()):
                post.holds.append(holds)
            elif len(post.calls) < 4:
                post.calls.append(self.loop.create_task(post.wallet.borrow(needs)))
                await asyncio.sleep(0)

        self.do(take())

    @rule(lot=st.integers(0, 2), up=st.booleans(), twice=st.integers(0, 4))
    def deliver(self, lot: int, up: bool, twice: int) -> None:
        async def deliver() -> None:
            self.post(lot).deliver(up=up, twice=twice == 0)

        self.do(deliver())
        self.gather()

    @rule()
    def everything_arrives(self) -> None:
        async def deliver() -> None:
            for post in self.posts:
                while post.to_lender or post.to_worker:
                    post.deliver(up=True)
                    post.deliver(up=False)
            await self.lender.round()

        self.do(deliver())
        self.gather()

    @rule()
    def lend(self) -> None:
        self.do(self.lender.round())

    @rule(seconds=st.sampled_from([0.04, 0.6, 4.0, 50.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.clock.go_on(seconds)
        self.do(self.tick())

    async def tick(self) -> None:
        await self.lender.beat()
        for post in self.posts:
            post.wallet.tick()

    @precondition(lambda self: any(post.holds for post in self.posts))
    @rule(lot=st.integers(0, 2), share=st.floats(0, 1))
    def settle(self, lot: int, share: float) -> None:
        post = self.post(lot)

        async def settle() -> None:
            holds = post.holds.pop(0)
            cost = int(share * min(charge.amount for charge in holds.charges()))
            post.wallet.settle(holds, cost, 0)
            post.journal.extend((charge.account, charge.amount) for charge in holds.charges(cost))

        if post.holds:
            self.do(settle())
            self.gather()

    @rule(lot=st.integers(0, 2))
    def fold(self, lot: int) -> None:
        post = self.post(lot)
        if post.journal:
            self.do(self.pay(post.name, [post.journal.popleft()]))

    async def pay(self, worker: str, charges: list[tuple[str, int]]) -> None:
        async with self.database.write() as connection:
            books = Books(connection, "here")
            await books.lock({account: None for account, _ in charges})
            for account, amount in charges:
                books.settle(worker, account, amount)
            await books.write()

    @rule(lot=st.integers(0, 2))
    def a_caller_leaves(self, lot: int) -> None:
        if calls := self.post(lot).calls:
            calls[0].cancel()
            self.gather()

    @rule(lot=st.integers(0, 2))
    def the_link_breaks(self, lot: int) -> None:
        post = self.post(lot)

        async def toggle() -> None:
            if post.up:
                post.cut()
            else:
                post.connect()

        self.do(toggle())

    @rule(lot=st.integers(0, 2))
    def a_worker_dies(self, lot: int) -> None:
        post = self.posts.pop(lot % len(self.posts))

        async def bury() -> None:
            if post.up:
                post.cut()
            for call in post.calls:
                call.cancel()
            await asyncio.gather(*post.calls, return_exceptions=True)
            interrupted = [(charge.account, charge.amount) for holds in post.holds for charge in holds.charges()]
            await self.pay(post.name, [*post.journal, *interrupted])
            async with self.database.write() as connection:
                await end_leases(connection, "here", post.name, self.clock.wall())

        self.do(bury())
        self.birth()

    @rule()
    def the_lender_dies(self) -> None:
        async def restart() -> None:
            self.lender = Lender(self.database, "here", self.clock)
            self.lender.adopt({meter.id: meter for meter in METERS})
            await self.lender.beat()
            for post in self.posts:
                if post.up:
                    post.cut()
                post.lender = self.lender
                post.connect()

        self.do(restart())

    def gather(self) -> None:
        """Take what calls got; refusals are theirs to bear."""

        async def gather() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            for post in self.posts:
                for call in [call for call in post.calls if call.done()]:
                    post.calls.remove(call)
                    if not call.cancelled() and not isinstance(call.exception(), CallerFault | LenderAway):
                        post.holds.append(call.result())

        self.do(gather())

    async def books(self) -> Books:
        async with self.database.write() as connection:
            books = Books(connection, "here")
            await books.lock(ACCOUNTS)
            return books

    @invariant()
    def nothing_is_lent_twice(self) -> None:
        books = self.do(self.books())
        for name, row in books.accounts.items():
            assert row.settled + row.leased <= row.cap
            assert row.leased == sum(lease.outstanding for lease in books.leases_on(name))
            for post in self.posts:
                if lease := post.wallet._leases.get(name):
                    unfolded = sum(amount for account, amount in post.journal if account == name)
                    believed = lease.purse.room + lease.purse.held + unfolded
                    assert believed <= books.lease(post.name, name).outstanding

    def teardown(self) -> None:
        for post in self.posts:
            while post.holds:
                self.settle(self.posts.index(post), 0.5)
            while post.journal:
                self.fold(self.posts.index(post))
            if not post.up:
                self.do(self.reconnect(post))
        for _ in range(8):
            self.time_goes_on(4.0)
            self.everything_arrives()
            for number in range(3):
                self.a_caller_leaves(number)
                while self.post(number).holds:
                    self.settle(number, 0.0)
        self.birth()
        self.posts[-1:], self.posts[:-1] = self.posts[:1], self.posts[1:]
        left = {name: row.cap - row.settled for name, row in self.do(self.books()).accounts.items()}
        self.do(self.spend_all(left))
        self.do(self.database.close())
        self.loop.close()

    async def reconnect(self, post: Post) -> None:
        post.connect()

    async def spend_all(self, left: dict[str, int]) -> None:
        newest = max(self.posts, key=lambda post: int(post.name[1:]))
        for name, amount in left.items():
            call = self.loop.create_task(newest.wallet.borrow([(ACCOUNTS[name], amount)]))
            for _ in range(20):
                for post in self.posts:
                    while post.to_lender or post.to_worker:
                        post.deliver(up=True)
                        post.deliver(up=False)
                await self.lender.round()
                await asyncio.sleep(0)
            await call


def test_money_is_never_lent_twice_nor_lost(postgres: Callable[[], str], tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))
    urls = {"sqlite": lambda: f"sqlite:///{tmp_path / str(next(numbers))}.db", "postgresql": postgres}
    for kind, examples in (("sqlite", 15), ("postgresql", 3)):
        run_state_machine_as_test(
            lambda url=urls[kind]: LendingMachine(url),
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
