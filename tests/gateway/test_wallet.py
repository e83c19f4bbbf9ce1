"""The wallet alone: what it takes at once, what it asks, and how it bears every answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from intertie.core.clock import HandClock
from intertie.core.faults import BudgetExhausted, LenderAway, RateLimited
from intertie.core.lending import Borrow, Hello, Lent, Recall, Refusal, Return, Want
from intertie.core.principal import Meter
from intertie.core.record import Charge
from intertie.gateway import wallet as wallets
from intertie.gateway.wallet import Needs, Wallet

DAILY = Meter("b", "usd", 1_000, "group interns", period="day")
TOTAL = Meter("t", "usd", 1_000, "key ci")
RPM = Meter("rpm", "requests", 10, "key ci")
TPM = Meter("tpm", "tokens", 1_000, "key ci")
SLOTS = Meter("slots", "concurrent", 4, "key ci")
NOON = 1_790_078_400.0  # 2026-09-22 12:00 UTC
DAY, NEXT = "b@2026-09-22", "b@2026-09-23"


class Desk:
    """A wallet, its clock, and a lender played by the test."""

    def __init__(self) -> None:
        self.clock = HandClock(wall=NOON)
        self.said: list[Hello | Borrow | Return] = []
        self.wallet = Wallet("w1", self.said.append, self.clock)
        self.wallet.on_link(True)
        self.answer({})
        self.tasks: list[asyncio.Task[object]] = []

    def take(self, *needs: tuple[Meter, int]) -> object:
        return self.wallet.take(needs, self.clock.wall(), self.clock.monotonic())

    def holds(self, *needs: tuple[Meter, int]) -> wallets.Holds:
        holds = self.wallet.take(needs, self.clock.wall(), self.clock.monotonic())
        assert holds is not None
        return holds

    async def borrow(self, *needs: tuple[Meter, int]) -> asyncio.Task[wallets.Holds]:
        return await self.start(needs)

    async def start(self, needs: Needs) -> asyncio.Task[wallets.Holds]:
        task = asyncio.get_running_loop().create_task(self.wallet.borrow(needs))
        self.tasks.append(task)
        await asyncio.sleep(0)
        return task

    @property
    def asked(self) -> Borrow:
        borrow = self.said[-1]
        assert isinstance(borrow, Borrow)
        return borrow

    def answer(self, granted: dict[str, int], *refused: Refusal, **more: object) -> None:
        self.wallet.on_message(Lent(self.asked.ticket, granted, refused=refused, **more))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    for task in desk.tasks:
        task.cancel()
    await asyncio.gather(*desk.tasks, return_exceptions=True)


async def lent(desk: Desk, *needs: tuple[Meter, int], granted: dict[str, int]) -> wallets.Holds:
    task = await desk.borrow(*needs)
    desk.answer(granted)
    return await task


async def test_what_is_not_at_hand_is_borrowed_and_all_that_is_needed_is_named(desk: Desk) -> None:
    assert desk.take((DAILY, 30), (RPM, 1)) is None
    await lent(desk, (DAILY, 30), (RPM, 1), granted={DAY: 100, "rpm": 5})
    assert desk.asked.wants == (Want(DAY, 30), Want("rpm", 1))
    assert desk.take((DAILY, 70), (RPM, 1)) is not None
    await desk.borrow((DAILY, 10), (RPM, 1))
    assert desk.asked.wants == (Want(DAY, 10), Want("rpm", 0))


async def test_all_is_taken_or_nothing(desk: Desk) -> None:
    await lent(desk, (DAILY, 0), (RPM, 1), granted={DAY: 100, "rpm": 5})
    assert desk.take((RPM, 1), (DAILY, 101)) is None
    assert desk.wallet.standing(RPM).remaining == 9
    assert desk.take((RPM, 4), (DAILY, 100)) is not None


async def test_money_is_charged_to_the_account_of_its_period_and_limits_are_no_charge(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), (TOTAL, 30), (SLOTS, 1), granted={DAY: 100, "t@total": 100, "slots": 1})
    assert holds.charges() == (Charge(DAY, 30), Charge("t@total", 30))
    assert holds.charges(12) == (Charge(DAY, 12), Charge("t@total", 12))
    desk.wallet.settle(holds, 12, 0)
    assert desk.take((DAILY, 88)) is not None


async def test_holds_are_closed_once(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), granted={DAY: 100})
    desk.wallet.settle(holds, 1, 1)
    for close in (desk.wallet.release, desk.wallet.forfeit):
        with pytest.raises(AssertionError, match="exactly once"):
            close(holds)
    with pytest.raises(AssertionError, match="exactly once"):
        desk.wallet.settle(holds, 1, 1)


async def test_a_call_whose_cost_cannot_be_written_forfeits_its_hold(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), granted={DAY: 100})
    desk.wallet.forfeit(holds)
    assert desk.take((DAILY, 71)) is None and desk.take((DAILY, 70)) is not None


async def test_a_released_call_still_counts_as_a_request_but_costs_nothing(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 100), (RPM, 1), granted={DAY: 100, "rpm": 1})
    desk.wallet.release(holds)
    assert desk.take((DAILY, 100)) is not None and desk.take((RPM, 1)) is None
    desk.clock.go_on(60.25)
    assert desk.take((RPM, 1)) is not None


async def test_a_new_period_is_a_new_account_and_the_rest_of_the_old_one_goes_back(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), granted={DAY: 100})
    desk.clock.go_on(12 * 3_600 - 85)
    desk.wallet.tick()
    desk.answer({})
    desk.clock.go_on(85)
    assert desk.take((DAILY, 30)) is None
    await lent(desk, (DAILY, 30), granted={NEXT: 40})
    desk.wallet.tick()
    assert Return(DAY, 70) in desk.said
    desk.wallet.settle(holds, 10, 0)
    assert Return(DAY, 90) in desk.said
    assert DAY in desk.wallet.hello().returned
    desk.wallet.tick()
    assert DAY not in desk.wallet.hello().returned


async def test_a_clock_that_is_set_back_does_not_reopen_a_period_that_is_over(desk: Desk) -> None:
    desk.clock.jump(13 * 3_600)
    await lent(desk, (DAILY, 30), granted={NEXT: 40})
    desk.clock.jump(-13 * 3_600)
    assert desk.take((DAILY, 10)) is not None
    await desk.borrow((DAILY, 30))
    assert desk.asked.wants == (Want(NEXT, 30),)


async def test_who_came_first_is_served_first_even_if_less_would_do_for_others(desk: Desk) -> None:
    await lent(desk, (DAILY, 0), granted={DAY: 50})
    large = await desk.borrow((DAILY, 60))
    assert desk.take((DAILY, 10)) is None
    small = await desk.borrow((DAILY, 10))
    await asyncio.sleep(0)
    assert not small.done()
    desk.answer({DAY: 70})
    await asyncio.gather(large, small)


async def test_what_is_settled_here_serves_those_who_wait_here(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 100), granted={DAY: 100})
    waiting = await desk.borrow((DAILY, 60))
    desk.wallet.settle(holds, 20, 0)
    await waiting
    desk.answer({DAY: 100}, Refusal(DAY, 1_000, 0, 1_000))  # the answer comes late, and harms nobody


async def test_a_refusal_reaches_those_who_need_no_less_and_asked_by_then(desk: Desk) -> None:
    first = await desk.borrow((DAILY, 60))
    ask = desk.asked
    second, smaller = await desk.borrow((DAILY, 70)), await desk.borrow((DAILY, 5))
    desk.wallet.on_message(Lent(ask.ticket, {DAY: 0}, refused=(Refusal(DAY, 1_000, 950, 40),)))
    for task in (first, second):
        with pytest.raises(BudgetExhausted, match=r"group interns .* is spent"):
            await task
    await asyncio.sleep(0.02)
    assert not smaller.done() and desk.asked.wants == (Want(DAY, 5),)
    desk.answer({DAY: 5})
    await smaller


async def test_a_spent_budget_is_not_asked_for_again_until_its_cap_changes(desk: Desk) -> None:
    task = await desk.borrow((TOTAL, 60))
    desk.answer({}, Refusal("t@total", 1_000, 990, 0))
    with pytest.raises(BudgetExhausted):
        await task
    count = len(desk.said)
    with pytest.raises(BudgetExhausted):
        await desk.wallet.borrow([(TOTAL, 60)])
    assert len(desk.said) == count
    raised = Meter("t", "usd", 2_000, "key ci")
    await asyncio.sleep(0.02)
    await lent(desk, (raised, 60), granted={"t@total": 60})


async def test_a_refusal_of_more_than_is_missing_now_is_asked_again(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 50), granted={DAY: 50})
    task = await desk.borrow((DAILY, 60))
    ask = desk.asked
    desk.wallet.settle(holds, 0, 0)
    desk.wallet.on_message(Lent(ask.ticket, {DAY: 50}, refused=(Refusal(DAY, 1_000, 0, 960),)))
    assert desk.asked.wants == (Want(DAY, 10),)
    desk.answer({DAY: 60})
    await task


async def test_a_limit_says_when_to_come_again(desk: Desk) -> None:
    await lent(desk, (RPM, 1), granted={"rpm": 1})
    desk.clock.go_on(20)
    task = await desk.borrow((RPM, 1))
    desk.answer({"rpm": 1}, Refusal("rpm", 10, 0, 10))
    with pytest.raises(RateLimited) as limited:
        await task
    assert limited.value.retry_after == 40.25


async def test_a_recall_takes_what_is_free_and_makes_the_account_scarce(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), granted={DAY: 100})
    desk.wallet.on_message(Recall(DAY, 7))
    assert desk.said[-1] == Return(DAY, 70, 7)
    desk.wallet.settle(holds, 10, 0)
    assert desk.said[-1] == Return(DAY, 90)
    desk.wallet.on_message(Recall("unheard of", 8))
    assert desk.said[-1] == Return("unheard of", 0, 8)


async def test_scarce_units_go_back_even_if_someone_waits_here(desk: Desk) -> None:
    holds = await lent(desk, (DAILY, 30), granted={DAY: 30})
    waiting = await desk.borrow((DAILY, 10))
    desk.wallet.on_message(Recall(DAY, 7))
    desk.wallet.settle(holds, 10, 0)
    assert desk.said[-1] == Return(DAY, 20)
    assert not waiting.done()


async def test_more_is_asked_for_while_there_is_some(desk: Desk) -> None:
    await lent(desk, (DAILY, 10), granted={DAY: 110})
    assert desk.take((DAILY, 50)) and isinstance(desk.said[-1], Borrow)
    before = len(desk.said)
    assert desk.take((DAILY, 1))
    assert len(desk.said) == before + 1 and desk.asked.wants == (Want(DAY, 0),)
    assert desk.take((DAILY, 1)) and len(desk.said) == before + 1
    desk.answer({DAY: 210})
    assert desk.take((DAILY, 140))


async def test_a_caller_who_leaves_leaves_nothing_held(desk: Desk) -> None:
    task = await desk.borrow((DAILY, 60))
    ask = desk.asked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.wallet.on_message(Lent(ask.ticket, {DAY: 60}))
    assert desk.take((DAILY, 60)) is not None


async def test_a_caller_who_leaves_at_the_moment_of_the_answer_leaves_nothing_held(desk: Desk) -> None:
    task = await desk.borrow((DAILY, 60))
    desk.answer({DAY: 60})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.take((DAILY, 60)) is not None


async def test_a_broken_link_voids_the_question_and_a_new_one_asks_it_again(desk: Desk) -> None:
    task = await desk.borrow((DAILY, 60))
    desk.wallet.on_link(False)
    desk.said.clear()
    desk.wallet.on_link(True)
    assert [message.wants for message in desk.said if isinstance(message, Borrow)] == [(), (Want(DAY, 60),)]
    desk.answer({DAY: 60})
    await task


async def test_a_lender_that_stays_away_is_told_as_such(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallets, "PATIENCE_S", 0.02)
    with pytest.raises(LenderAway):
        await desk.wallet.borrow([(DAILY, 60)])


async def test_books_that_cannot_be_reached_refuse_all_who_wait(desk: Desk) -> None:
    tasks = [await desk.borrow((DAILY, 60)) for _ in range(3)]
    desk.wallet.on_message(Lent(2, {}, fault="the database does not answer"))
    for task in tasks:
        with pytest.raises(LenderAway, match="the database does not answer"):
            await task


async def test_leases_count_as_confirmed_from_the_question_on(desk: Desk) -> None:
    await lent(desk, (DAILY, 0), granted={DAY: 100})
    desk.clock.go_on(50)
    desk.wallet.tick()
    ask = desk.asked
    assert ask.wants == ()
    desk.clock.go_on(50)
    assert desk.take((DAILY, 1)) is None
    desk.wallet.on_message(Lent(ask.ticket, {}))
    assert desk.take((DAILY, 1)) is not None
    desk.clock.go_on(41)
    assert desk.take((DAILY, 1)) is None
    desk.wallet.tick()
    desk.answer({}, fault="this host is not known to be alive")
    assert desk.take((DAILY, 1)) is None
    assert desk.take() is not None


async def test_what_the_lender_took_back_is_not_spent_again(desk: Desk) -> None:
    await lent(desk, (DAILY, 0), granted={DAY: 100})
    desk.wallet.on_message(Lent(0, {DAY: 100}, returned={DAY: 100}))
    assert desk.take((DAILY, 1)) is None


async def test_where_a_limit_stands_is_told_for_the_headers(desk: Desk) -> None:
    holds = await lent(desk, (TPM, 400), granted={"tpm": 500})
    assert desk.wallet.standing(TPM).remaining == 600
    desk.wallet.settle(holds, 0, 100)
    standing = desk.wallet.standing(TPM)
    assert (standing.kind, standing.limit, standing.remaining, standing.reset_s) == ("tokens", 1_000, 900, 60.25)


@pytest.mark.parametrize(("meter", "fault"), [(DAILY, BudgetExhausted), (TPM, RateLimited)])
async def test_what_no_cap_allows_is_refused_unasked_and_holds_up_nobody(
    desk: Desk, meter: Meter, fault: type[Exception]
) -> None:
    said = list(desk.said)
    with pytest.raises(fault):
        await desk.wallet.borrow([(meter, 10**30)])
    assert desk.said == said
    await lent(desk, (meter, 30), granted={DAY if meter is DAILY else meter.id: 100})


async def test_a_question_that_cannot_be_sent_leaves_no_one_in_the_queue() -> None:
    said: list[Hello | Borrow | Return] = []
    broken = [False]

    def say(message: Hello | Borrow | Return) -> None:
        if broken.pop():
            raise OverflowError("integers beyond 64 bits do not fit the link")
        broken.append(False)
        said.append(message)

    wallet = Wallet("w1", say, HandClock(wall=NOON))
    wallet.on_link(True)
    broken[:] = [False, True]
    with pytest.raises(OverflowError):
        await wallet.borrow([(DAILY, 10)])
    waits = asyncio.get_running_loop().create_task(wallet.borrow([(DAILY, 10)]))
    await asyncio.sleep(0)
    asked = said[-1]
    assert isinstance(asked, Borrow) and asked.wants == (Want(DAY, 10),)
    wallet.on_message(Lent(1, {}))
    wallet.on_message(Lent(asked.ticket, {DAY: 100}))
    assert (await waits).charges() == (Charge(DAY, 10),)
