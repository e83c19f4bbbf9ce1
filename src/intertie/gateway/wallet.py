"""The wallet: all that this worker may spend without asking, and the one place where it asks for more.

    take    at once, all or nothing, from the purses at hand; None says: borrow
    borrow  waits for its turn and for the lender; served in the order in which calls came, per account
    settle | release | forfeit   closes what was taken, exactly once

A call that waits stands in the queue of each account it needs, in all of them at the same moment, so two calls meet in
the same order everywhere and none waits in a circle. Only a call that is first in all its queues asks the lender.

The owner calls `hello` and then `on_link(True)` on each new link, `on_link(False)` when it breaks, `on_message` for
what the lender says, and `tick` about once a second. Leases that no answer has confirmed for 90 seconds, counted from
the question, are not spent any more: the lender may have taken this worker for dead.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import Fault, LenderAway
from intertie.core.ids import WorkerId
from intertie.core.lending import Borrow, Hello, Lent, Recall, Refusal, Return, Want
from intertie.core.principal import Meter
from intertie.gateway.holds import Holds, Lease, Standing, Waiter
from intertie.policy.budget import period_of
from intertie.policy.refusals import budget_fault, is_spent, limit_fault

CONFIRMED_FOR_S = 90.0
PATIENCE_S = 5.0
_RENEW_EVERY_S = 10.0
_REST_S = 0.01
"""After a refusal the same account is not asked for again so soon: the lender is shielded from storms of retries."""

Needs = Sequence[tuple[Meter, int]]
Say = Callable[[Hello | Borrow | Return], None]
"""Sends to the lender; does nothing while the link is down (all figures are cumulative, `Hello` repeats them)."""


class _Ask(msgspec.Struct, frozen=True):
    """A question under way: when it was asked, for whom, and how much of what."""

    at: float
    waiter: Waiter | None
    amounts: dict[str, int]


class Wallet:
    """The purses of one worker, and its side of the talk with the lender."""

    def __init__(self, worker: WorkerId, say: Say, clock: Clock) -> None:
        self._worker, self._say, self._clock = worker, say, clock
        self._current: dict[str, Lease] = {}  # by meter: the lease of the present period
        self._leases: dict[str, Lease] = {}  # by account: also those of past periods with calls under way
        self._asks: dict[int, _Ask] = {}
        self._ticket = 0
        self._up = False
        self._confirmed_until = float("-inf")
        self._renew_at = float("-inf")
        self._wall = 0.0

    def take(self, needs: Needs, now_wall: float, now_mono: float) -> Holds | None:
        """Take all that a call needs (amounts in the meters' units), or nothing and say None: then it must borrow."""
        if now_mono >= self._confirmed_until and needs:
            return None
        current = self._current
        taken: list[tuple[Lease, int]] = []
        for meter, amount in needs:
            lease = current.get(meter.id)
            if lease is None or lease.meter is not meter or now_wall >= lease.until:
                lease = self._lease(meter, now_wall)
            purse = lease.purse
            if lease.queue or not purse.take(amount, now_mono):
                _untake(taken)
                return None
            if purse.room < lease.low:
                self._top_up(lease, now_mono)
            taken.append((lease, amount))
        return Holds(taken)

    async def borrow(self, needs: Needs) -> Holds:
        """Wait until all can be taken. Raises RateLimited, BudgetExhausted, or LenderAway after 5 seconds."""
        wall = self._clock.wall()
        wanted = [(self._lease(meter, wall), amount) for meter, amount in needs]
        for lease, amount in wanted:
            known = lease.refusal
            if known is None or known.cap != lease.meter.cap:
                known = Refusal(lease.account, lease.meter.cap, 0, 0)
            if amount > known.cap or (lease.money and is_spent(known, amount)):
                raise self._fault(lease, known, amount)
        waiter = Waiter(wanted, self._clock.monotonic())
        try:
            for lease in waiter.leases:
                lease.queue.append(waiter)
            self._pump(waiter.leases)
            answered, _ = await asyncio.wait([waiter.future], timeout=PATIENCE_S)
        except asyncio.CancelledError:
            if waiter.future.done() and waiter.future.exception() is None:
                self.release(waiter.future.result())
            raise
        finally:
            waiter.give_up()
            self._pump(waiter.leases)
        if not answered:
            raise LenderAway("Budgets and limits cannot be checked now.", retry_after=1.0)
        return waiter.future.result()

    def settle(self, holds: Holds, cost_nano: int | None, tokens: int) -> None:
        """Close the holds of a call that cost so much and used so many tokens; what it cost unknown, all was spent."""
        holds.close()
        now = self._clock.monotonic()
        for lease, amount in holds.taken:
            used = tokens if not lease.money else amount if cost_nano is None else cost_nano
            lease.purse.settle(amount, used, now)
        self._make_use(holds, now)

    def release(self, holds: Holds) -> None:
        """Close the holds of a call that spent nothing. Limits on requests count it all the same."""
        holds.close()
        for lease, amount in holds.taken:
            lease.purse.release(amount)
        self._make_use(holds, self._clock.monotonic())

    def forfeit(self, holds: Holds) -> None:
        """Close the holds of a call whose cost could not be written down: all of them count as spent."""
        holds.close()
        now = self._clock.monotonic()
        for lease, amount in holds.taken:
            lease.purse.settle(amount, amount, now)
        self._make_use(holds, now)

    def standing(self, meter: Meter) -> Standing:
        """Where the limit stands, counting this worker's own use only."""
        now = self._clock.monotonic()
        purse = self._lease(meter, self._clock.wall()).purse
        purse.free(now)  # what is back by now
        remaining = max(0, meter.cap - purse.spent - purse.held)
        return Standing(meter.kind, meter.cap, remaining, purse.reset_s(now))

    def hello(self) -> Hello:
        """The first word on a new link."""
        return Hello(self._worker, {account: lease.purse.returned for account, lease in self._leases.items()})

    def on_link(self, up: bool) -> None:
        """The link to the lender came up (and `hello` was sent) or broke; what was asked on the old one is void."""
        self._up = up
        self._renew_at = float("-inf")
        for ask in self._asks.values():
            if ask.waiter:
                ask.waiter.asked = False
        self._asks.clear()
        if up:
            self._renew(self._clock.monotonic())
            self._pump(list(self._leases.values()))

    def on_message(self, message: Lent | Recall) -> None:
        """What the lender says."""
        if isinstance(message, Lent):
            self._lent(message)
        else:
            self._recalled(message)

    def tick(self) -> None:
        """Confirm the leases now and then, and give back what is left of periods that are over."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        if self._up and now >= self._renew_at:
            self._renew(now)
        for lease in [lease for lease in self._leases.values() if wall >= lease.until]:
            self._retire(lease, now)

    def leave(self) -> None:
        """The worker's life ends: what is free goes back at once, instead of when its death is noticed."""
        now = self._clock.monotonic()
        for lease in self._leases.values():
            self._give_back(lease, now)

    # What is asked

    def _ask(self, waiter: Waiter) -> None:
        if waiter.asked or not self._up:
            return
        loop = asyncio.get_running_loop()
        waiter.asked = True
        rest = max(lease.rest_until for lease in waiter.leases) - loop.time()
        if rest > 0:
            loop.call_later(rest, self._rested, waiter)
            return
        now = self._clock.monotonic()
        amounts = {lease.account: max(0, amount - lease.purse.free(now)) for lease, amount in waiter.needs}
        self._send(_Ask(now, waiter, amounts))

    def _rested(self, waiter: Waiter) -> None:
        waiter.asked = False
        self._pump(waiter.leases)

    def _top_up(self, lease: Lease, now: float) -> None:
        lease.low = 0  # one question at a time
        if self._up:
            self._send(_Ask(now, None, {lease.account: 0}))

    def _renew(self, now: float) -> None:
        self._renew_at = now + _RENEW_EVERY_S
        self._send(_Ask(now, None, {}))

    def _send(self, ask: _Ask) -> None:
        self._ticket += 1
        self._asks[self._ticket] = ask
        self._say(Borrow(self._ticket, tuple(Want(account, amount) for account, amount in ask.amounts.items())))

    # What is answered

    def _lent(self, lent: Lent) -> None:
        ask = self._asks.pop(lent.ticket, None)
        touched: list[tuple[Lease, int]] = []
        for account, granted in lent.granted.items():
            if lease := self._leases.get(account):
                touched.append((lease, lease.purse.adopt(granted, lent.returned.get(account, 0))))
                self._mark(lease, account in lent.scarce or self._current.get(lease.meter.id) is not lease)
        if ask and not lent.fault:
            self._confirmed_until = max(self._confirmed_until, ask.at + CONFIRMED_FOR_S)
        if ask and ask.waiter:
            ask.waiter.asked = False
            self._answered(ask, ask.waiter, lent)
            self._pump(ask.waiter.leases)
        self._pump([lease for lease, _ in touched])
        for lease, more in touched:
            if more > 0 and not lease.scarce:
                lease.low = min(more, lease.purse.room) // 2

    def _answered(self, ask: _Ask, waiter: Waiter, lent: Lent) -> None:
        if waiter.future.done() or self._serve(waiter):
            return
        if lent.fault:
            away = LenderAway(f"Budgets and limits cannot be checked: {lent.fault}", retry_after=1.0)
            for lease, amount in waiter.needs:
                self._refuse(lease, amount, ask.at, lambda _: away)
            return
        now = self._clock.monotonic()
        refused = {refusal.account: refusal for refusal in lent.refused}
        for lease, amount in waiter.needs:
            refusal = refused.get(lease.account)
            # Where less is missing than was asked for, the refusal is about a question that is no longer ours.
            if refusal and amount - lease.purse.free(now) >= ask.amounts[lease.account]:
                lease.refusal = refusal if lease.money else None
                lease.rest_until = asyncio.get_running_loop().time() + _REST_S
                return self._refuse(lease, amount, ask.at, partial(self._fault, lease, refusal))

    def _refuse(self, lease: Lease, amount: int, asked_at: float, fault: Callable[[int], Fault]) -> None:
        """The first in the queue is refused, and so is everyone who waited by then and needs no less."""
        for waiter in list(lease.queue):
            need = next(need for other, need in waiter.needs if other is lease)
            if need >= amount and waiter.since <= asked_at and not waiter.future.done():
                waiter.future.set_exception(fault(need))
                waiter.leave()

    def _fault(self, lease: Lease, refusal: Refusal, need: int) -> Fault:
        if lease.money:
            return budget_fault(lease.meter, refusal, need, lease.until if lease.until < float("inf") else None)
        return limit_fault(lease.meter, need, lease.purse.wait_s(need, self._clock.monotonic()))

    def _recalled(self, recall: Recall) -> None:
        lease = self._leases.get(recall.account)
        if lease:
            lease.purse.give_back(self._clock.monotonic())
            self._mark(lease, scarce=True)
        self._say(Return(recall.account, lease.purse.returned if lease else 0, recall.ticket))

    # Who waits

    def _pump(self, leases: Iterable[Lease]) -> None:
        """Serve whoever is first in all the queues it stands in, as long as that succeeds; then let the first ask."""
        todo = list(leases)
        while todo:
            queue = todo.pop().queue
            if queue and (waiter := queue[0]).is_first():
                if self._serve(waiter):
                    todo.extend(waiter.leases)
                else:
                    self._ask(waiter)

    def _serve(self, waiter: Waiter) -> bool:
        now = self._clock.monotonic()
        if not waiter.is_first() or now >= self._confirmed_until:
            return False
        taken: list[tuple[Lease, int]] = []
        for lease, amount in waiter.needs:
            if not lease.purse.take(amount, now):
                _untake(taken)
                return False
            taken.append((lease, amount))
        waiter.leave()
        waiter.future.set_result(Holds(taken))
        return True

    def _make_use(self, holds: Holds, now: float) -> None:
        """What became free is for those who wait here; where it is scarce, for whoever has waited longest anywhere."""
        for lease, _ in holds.taken:
            if lease.scarce:
                self._give_back(lease, now)
            if lease.queue:
                self._pump([lease])

    def _mark(self, lease: Lease, scarce: bool) -> None:
        lease.scarce = scarce
        if scarce:
            lease.low = 0

    def _give_back(self, lease: Lease, now: float) -> None:
        if lease.purse.give_back(now):
            self._say(Return(lease.account, lease.purse.returned))

    # Leases

    def _lease(self, meter: Meter, wall: float) -> Lease:
        """The lease of the present period. A clock that is set back does not reopen a period that is over."""
        self._wall = wall = max(self._wall, wall)
        period = period_of(meter, wall)
        lease = self._leases.get(period.account)
        if lease is None:
            lease = self._leases[period.account] = Lease(period.account, meter)
        lease.meter, lease.until = meter, period.end or float("inf")
        before = self._current.get(meter.id)
        self._current[meter.id] = lease
        if before is not None and before is not lease:
            self._mark(before, scarce=True)
        return lease

    def _retire(self, lease: Lease, now: float) -> None:
        """Give back what is left of a period that is over; forget it once nothing of it can still move."""
        self._mark(lease, scarce=True)
        if self._current.get(lease.meter.id) is lease:
            del self._current[lease.meter.id]
        if lease.queue or any(lease.account in ask.amounts for ask in self._asks.values()):
            return
        self._give_back(lease, now)
        if self._up and not lease.purse.held:
            del self._leases[lease.account]


def _untake(taken: list[tuple[Lease, int]]) -> None:
    for lease, amount in taken:
        lease.purse.untake(amount)
