"""The lender: lends slices of budgets and limits to workers, and asks for them back when someone is short.

What arrives together is decided in one transaction, in order of arrival. Where there is not enough, whoever has a lease
on the account is asked to return what is free, and everyone else who needs that account waits behind the one who asked
first. Once all have answered, the exact need is lent or refused: refused is only what really is spent or in flight.
Until contention is over the account is scarce: exact amounts are lent, and leftovers come back at once.

On a database shared by several hosts, `watch` keeps this host's beat, and looks every second for accounts that another
host is short of. A host whose beat cannot be written lends and confirms nothing: the others may take it for dead.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from intertie.control.borrows import Pending, Round, WorkerLink
from intertie.control.contention import ABSENT_S, Contention
from intertie.core.clock import Clock
from intertie.core.faults import StoreFault
from intertie.core.ids import WorkerId
from intertie.core.lending import Borrow, FromLender, Hello, Lent, Recall, Refusal, Return, Want
from intertie.core.principal import Meter
from intertie.policy.budget import meter_id_of
from intertie.policy.lending import slice_of
from intertie.store.books import Books, LeaseRow, leases_of
from intertie.store.database import Database
from intertie.store.deaths import beat
from intertie.store.recalls import mark_recalled, recalled_within

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long the database may take for a round; then all who wait are told that budgets cannot be checked."""
_GRACE_S = 0.1
_NEVER = float("inf")
_POLL_S = 0.05
_BEAT_EVERY_S = 10.0
_BEAT_GOOD_FOR_S = 25.0
_WATCH_EVERY_S = 1.0


class Lender:
    """Lends on behalf of one host. `run` (and `watch`) are coroutines that the owner keeps running."""

    def __init__(self, database: Database, host: str, clock: Clock) -> None:
        self._database, self._host, self._clock = database, host, clock
        self._meters: Mapping[str, Meter] = {}
        self._links: dict[WorkerId, WorkerLink] = {}
        self._informed: set[WorkerId] = set()  # those that were told all their figures on this link
        self._queue: list[Pending] = []
        self._returned: dict[tuple[WorkerId, str], int] = {}
        self._answers: list[tuple[int, WorkerId, str]] = []
        self._greeted: set[WorkerId] = set()
        self._contention = Contention(host)
        self._number = 0
        self._sick_until = float("-inf")
        self._beaten_at = float("-inf")
        self._wake = asyncio.Event()
        self._one_round = asyncio.Lock()

    def adopt(self, meters: Mapping[str, Meter]) -> None:
        """Lend by these meters from now on. Call it before workers get the snapshot they come from."""
        self._meters = meters

    def on_message(self, link: WorkerLink, message: Hello | Borrow | Return) -> None:
        """What a worker says."""
        if isinstance(message, Hello):
            self._greet(link, message)
        elif (worker := self._worker(link)) is None:
            return
        elif isinstance(message, Return):
            self._take_in(worker, message)
        elif not message.wants and worker in self._informed:
            link.send(Lent(message.ticket, {}, fault=self._cut_off()))
        elif fault := self._cut_off() or self._sick():
            link.send(Lent(message.ticket, {}, fault=fault))
        else:
            self._number += 1
            self._queue.append(Pending(self._number, worker, message, self._clock.monotonic()))
        self._wake.set()

    def on_gone(self, link: WorkerLink) -> None:
        """The link to a worker broke."""
        if (worker := self._worker(link)) is not None:
            del self._links[worker]
            self._informed.discard(worker)
            self._drop(worker)
            self._wake.set()

    def wake(self) -> None:
        """Something was returned to the accounts by others: look again."""
        self._wake.set()

    async def run(self) -> None:
        """Lend, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S if self._queue or self._returned or self._greeted else None):
                    await self._wake.wait()
            self._wake.clear()
            if self._clock.monotonic() >= self._sick_until:
                await self.round()
            else:
                await asyncio.sleep(_POLL_S)

    async def beat(self) -> None:
        """Tell the other hosts that this one lives, if it is time to. Call it before workers may connect."""
        now = self._clock.monotonic()
        if not self._database.shared or now < self._beaten_at + _BEAT_EVERY_S:
            return
        async with self._database.write(PATIENCE_S) as connection:
            await beat(connection, self._host)
        if self._cut_off():  # others may have taken back what our workers had: they must hear of it before they spend
            self._greeted |= set(self._links)
            await self.round()
        if not self._greeted:
            self._beaten_at = now

    async def watch(self) -> None:
        """Keep the beat and hear of other hosts' needs, until cancelled; ends at once if the database is not shared."""
        while self._database.shared:
            try:
                await self.beat()
                async with self._database.read(PATIENCE_S) as connection:
                    wanted = await recalled_within(connection, 3 * _WATCH_EVERY_S)
            except StoreFault as fault:
                log.warning("the beat of this host could not be written: %s", fault)
                wanted = ()
            for account in wanted:
                self._contention.begin(account, self._clock.monotonic())
                for link in self._links.values():
                    link.send(Recall(account, 0))
            await asyncio.sleep(_WATCH_EVERY_S)

    async def round(self) -> None:
        """Decide what waits, in one transaction, and tell the workers once it is committed."""
        async with self._one_round:
            # To give up a connection that hangs takes the driver seconds; nobody shall wait for that.
            overdue = asyncio.get_running_loop().call_later(
                PATIENCE_S + _GRACE_S, self._fail, "the database hangs", _NEVER
            )
            try:
                await self._round()
                self._sick_until = self._clock.monotonic()
            except StoreFault as fault:
                self._fail(fault.message, self._clock.monotonic() + PATIENCE_S)
            finally:
                overdue.cancel()

    async def _round(self) -> None:
        returned, self._returned = self._returned, {}
        greeted, self._greeted = self._greeted, set()
        queue = list(self._queue)
        self._note_answers(queue)
        if not (returned or greeted or queue):
            return
        try:
            async with self._database.write(PATIENCE_S) as connection:
                books = Books(connection, self._host)
                leases = [row for worker in greeted for row in await leases_of(connection, worker)]
                accounts = {account for _, account in returned} | {row.account for row in leases}
                accounts.update(*(pending.accounts for pending in queue))
                await books.lock({account: self._meter(account) for account in accounts})
                for (worker, account), total in returned.items():
                    if books.give_back(worker, account, total):
                        self._contention.note_return(account, self._clock.monotonic())
                decided = self._decide(books, queue)
                await books.write()
                if decided.marks and self._database.shared:
                    await mark_recalled(connection, decided.marks)
        except StoreFault:
            for key, total in returned.items():
                self._returned[key] = max(total, self._returned.get(key, 0))
            self._greeted |= greeted
            raise
        self._tell(decided, greeted)

    # What workers say

    def _worker(self, link: WorkerLink) -> WorkerId | None:
        return next((worker for worker, known in self._links.items() if known is link), None)

    def _greet(self, link: WorkerLink, hello: Hello) -> None:
        self._drop(hello.worker)
        self._links[hello.worker] = link
        self._informed.discard(hello.worker)
        self._greeted.add(hello.worker)
        for account, total in hello.returned.items():
            self._note_returned(hello.worker, account, total)

    def _take_in(self, worker: WorkerId, message: Return) -> None:
        self._contention.note_answer(worker)
        self._note_returned(worker, message.account, message.returned)
        self._answers.append((message.ticket, worker, message.account))

    def _note_returned(self, worker: WorkerId, account: str, total: int) -> None:
        if total:
            self._returned[worker, account] = max(total, self._returned.get((worker, account), 0))

    def _note_answers(self, queue: list[Pending]) -> None:
        # Only together with what was returned: an answer must not be believed before its amount is in the books.
        answers, self._answers = self._answers, []
        by_number = {pending.number: pending for pending in queue}
        for number, worker, account in answers:
            if number in by_number:
                by_number[number].answered.add((worker, account))

    def _drop(self, worker: WorkerId) -> None:
        self._queue = [pending for pending in self._queue if pending.worker != worker]
        for pending in self._queue:
            pending.asked = {key: at for key, at in pending.asked.items() if key[0] != worker}

    # What is decided

    def _meter(self, account: str) -> Meter | None:
        return self._meters.get(meter_id_of(account, self._meters))

    def _decide(self, books: Books, queue: list[Pending]) -> Round:
        decided, now = Round(books), self._clock.monotonic()
        for pending in queue:
            if pending.accounts & decided.blocked and not pending.tops_up:
                decided.blocked |= pending.accounts
            elif (lent := self._answer(decided, pending, now)) is not None:
                decided.lent.append((pending, lent))
            else:
                decided.blocked |= pending.accounts
        return decided

    def _answer(self, decided: Round, pending: Pending, now: float) -> Lent | None:
        """What to answer; None if others were asked to return something first."""
        short = (
            [] if pending.tops_up else [want for want in pending.borrow.wants if self._is_short(decided.books, want)]
        )
        if not short:
            self._grant(decided, pending, now)
        for want in short:
            self._mark(decided, want.account, now)
        refused = [want.account for want in short if not self._may_suffice(decided, pending, want, now)]
        if short and not refused:
            for want in short:
                self._recall(decided, pending, want.account, now)
            return None
        return self._figures(decided.books, pending, refused, now)

    def _is_short(self, books: Books, want: Want) -> bool:
        return want.amount > books.accounts[want.account].available

    def _may_suffice(self, decided: Round, pending: Pending, want: Want, now: float) -> bool:
        """Whether what is not spent would do, and some of it may still come back."""
        row = decided.books.accounts[want.account]
        if row.cap - row.settled < want.amount:
            return False
        if any(self._holders(decided, pending, want.account, now)):
            return True
        on_its_way = any(account == want.account for _, account in self._returned)
        moving = on_its_way or self._contention.keeps_moving(want.account, now)
        return moving and now < pending.since + ABSENT_S

    def _holders(self, decided: Round, pending: Pending, account: str, now: float) -> list[LeaseRow]:
        """The leases of others from which something may still come back."""
        leases, may_return = decided.books.leases_on(account), self._contention.may_return
        return [row for row in leases if may_return(pending, row, linked=row.worker in self._links, now=now)]

    def _mark(self, decided: Round, account: str, now: float) -> None:
        """Let other hosts that have leases on it know that someone is short."""
        if any(row.host != self._host for row in decided.books.leases_on(account)):
            decided.marks.add(account)
            self._contention.note_mark(account, now)

    def _recall(self, decided: Round, pending: Pending, account: str, now: float) -> None:
        self._contention.begin(account, now)
        for row in self._holders(decided, pending, account, now):
            key = (row.worker, account)
            if row.worker in self._links and key not in pending.asked:
                pending.asked[key] = now
                decided.recalls.append((row.worker, Recall(account, pending.number)))

    def _grant(self, decided: Round, pending: Pending, now: float) -> None:
        for want in pending.borrow.wants:
            if not want.amount and (not pending.tops_up or want.account in decided.blocked):
                continue
            row = decided.books.accounts[want.account]
            scarce = self._contention.is_scarce(want.account, now)
            share = 0 if scarce else slice_of(row.cap, row.available, len(self._links))
            if amount := max(want.amount, share):
                decided.books.grant(pending.worker, want.account, amount)

    def _figures(self, books: Books, pending: Pending, refused: list[str], now: float) -> Lent:
        leases = {account: books.lease(pending.worker, account) for account in pending.accounts}
        accounts = [books.accounts[account] for account in refused]
        return Lent(
            pending.borrow.ticket,
            granted={account: lease.granted for account, lease in leases.items()},
            scarce=tuple(account for account in leases if self._contention.is_scarce(account, now)),
            refused=tuple(Refusal(row.id, row.cap, row.settled, row.leased) for row in accounts),
            returned={account: lease.returned for account, lease in leases.items()},
        )

    # What workers are told

    def _tell(self, decided: Round, greeted: set[WorkerId]) -> None:
        for worker in greeted:
            self._send(worker, _standing(decided.books, worker))
            self._informed.add(worker)
        for pending, lent in decided.lent:
            if pending in self._queue:  # else its link is gone, and a new one begins with all figures
                self._queue.remove(pending)
                self._send(pending.worker, lent)
        for worker, recall in decided.recalls:
            self._send(worker, recall)

    def _send(self, worker: WorkerId, message: FromLender) -> None:
        if link := self._links.get(worker):
            link.send(message)

    def _fail(self, why: str, sick_until: float) -> None:
        log.warning("nothing can be lent: %s", why)
        self._sick_until = sick_until
        queue, self._queue = self._queue, []
        for pending in queue:
            self._send(pending.worker, Lent(pending.borrow.ticket, {}, fault=why))

    def _sick(self) -> str:
        """Why nothing can be lent now, without asking the database again; empty if it may be asked."""
        return "the database did not answer a moment ago" if self._clock.monotonic() < self._sick_until else ""

    def _cut_off(self) -> str:
        """Why nothing this host lent may be relied on; empty if it may."""
        silent_s = self._clock.monotonic() - self._beaten_at
        if not self._database.shared or silent_s < _BEAT_GOOD_FOR_S:
            return ""
        return "this host is not known to be alive to the other hosts"


def _standing(books: Books, worker: WorkerId) -> Lent:
    """All figures of a worker: its first word on a new link."""
    leases = [row for row in books.leases.values() if row.worker == worker]
    return Lent(
        0,
        granted={row.account: row.granted for row in leases},
        returned={row.account: row.returned for row in leases},
    )
