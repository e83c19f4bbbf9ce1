"""The lender and wallets together: nothing is lent twice, and nobody is refused while the money would have sufficed."""

import asyncio
import time
from contextlib import suppress

import pytest
from bank import USD, Line, account, budget, leases, lending, pay, until_quiet, workers

from intertie.control.borrows import RecordingLink
from intertie.core.clock import HandClock
from intertie.core.faults import BudgetExhausted, LenderAway, RateLimited
from intertie.core.lending import Borrow, Hello, Recall, Return, Want
from intertie.core.principal import Meter
from intertie.store.database import Database

A = "budget@total"


async def test_a_slice_is_lent_once_and_then_spent_without_asking(database: Database) -> None:
    meter = budget(100 * USD)
    async with lending(database, meter) as lender:
        [line] = workers(lender, 1)
        await line.call([(meter, USD)])
        assert await account(database, A) == (100 * USD, 0, 100 * USD // 16)
        asked = len(line.heard)
        for _ in range(2):
            await line.call([(meter, USD)])
        assert len(line.heard) == asked


async def test_more_is_asked_for_before_it_is_needed(database: Database) -> None:
    meter = budget(100 * USD)
    async with lending(database, meter) as lender:
        [line] = workers(lender, 1)
        for _ in range(5):
            line.wallet.settle(await line.call([(meter, USD)]), USD, 0)
        await until_quiet()
        assert (await leases(database))["w1", A].granted > 100 * USD // 16


async def test_the_last_cent_can_be_spent_and_not_one_more(database: Database) -> None:
    meter = budget(1_000)
    async with lending(database, meter) as lender:
        lines = workers(lender, 4)
        for number in range(100):
            line = lines[number % 4]
            line.wallet.settle(await line.call([(meter, 10)]), 10, 0)
        for line in lines:
            with pytest.raises(BudgetExhausted):
                await line.call([(meter, 1)])
        assert await account(database, A) == (1_000, 0, 1_000)


async def test_money_that_lies_idle_with_others_is_fetched(database: Database) -> None:
    meter = budget(1_600)
    async with lending(database, meter) as lender:
        lines = workers(lender, 4)
        for line in lines[1:]:
            line.wallet.settle(await line.call([(meter, 100)]), 0, 0)
        holds = await lines[0].call([(meter, 1_600)])
        assert await account(database, A) == (1_600, 0, 1_600)
        lines[0].wallet.release(holds)
        await until_quiet()
        assert await account(database, A) == (1_600, 0, 0)  # scarce: leftovers come back at once


async def test_who_needs_what_is_only_reserved_may_try_again_and_who_needs_what_is_spent_may_not(
    database: Database,
) -> None:
    meter = budget(100)
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2)
        holds = await one.call([(meter, 80)])
        with pytest.raises(BudgetExhausted) as reserved:
            await two.call([(meter, 30)])
        assert (reserved.value.code, reserved.value.should_retry) == ("budget_reserved", True)
        one.wallet.settle(holds, 80, 0)
        await pay(database, "w1", A, 80)
        with pytest.raises(BudgetExhausted) as spent:
            await two.call([(meter, 30)])
        assert (spent.value.code, spent.value.should_retry) == ("budget_exhausted", False)
        await two.call([(meter, 20)])


async def test_a_large_call_is_not_starved_by_small_ones_that_come_later(database: Database) -> None:
    meter = budget(100)
    async with lending(database, meter) as lender:
        lines = workers(lender, 4)
        first = await lines[3].call([(meter, 10)])
        served = list[int]()

        async def call(number: int, amount: int) -> None:
            while len(served) <= number:
                with suppress(BudgetExhausted):
                    holds = await lines[number % 4].call([(meter, amount)])
                    served.append(number)
                    lines[number % 4].wallet.settle(holds, 0, 0)

        async with asyncio.TaskGroup() as tasks:
            lines[3].wallet.settle(first, 0, 0)
            tasks.create_task(call(0, 100))
            for number in range(1, 12):
                await asyncio.sleep(0)
                tasks.create_task(call(number, 20))
        assert served[0] == 0


async def test_calls_that_need_several_accounts_do_not_wait_in_a_circle(database: Database) -> None:
    meters = [budget(100, name) for name in ("a", "b", "c")]
    async with lending(database, *meters) as lender:
        lines = workers(lender, 3)

        async def call(number: int) -> None:
            needs = [(meters[(number + turn) % 3], 60) for turn in range(2)]
            for _ in range(20):
                try:
                    holds = await lines[number].call(needs)
                except BudgetExhausted as fault:
                    assert fault.code == "budget_reserved"
                else:
                    await asyncio.sleep(0.001)
                    lines[number].wallet.settle(holds, 0, 0)
                    return
            raise AssertionError(f"call {number} starved")

        started = time.monotonic()
        await asyncio.gather(*(call(number % 3) for number in range(9)))
        assert time.monotonic() - started < 2


async def test_a_worker_that_does_not_answer_is_waited_for_half_a_second(database: Database) -> None:
    meter = budget(100)
    async with lending(database, meter) as lender:
        silent = RecordingLink()
        lender.on_message(silent, Hello("silent"))
        lender.on_message(silent, Borrow(1, (Want(A, 100),)))
        await until_quiet()
        [line] = workers(lender, 1)
        started = time.monotonic()
        with pytest.raises(BudgetExhausted):
            await line.call([(meter, 1)])
        assert 0.45 < time.monotonic() - started < 1.0
        assert isinstance(silent.sent[-1], Recall)
        started = time.monotonic()
        with pytest.raises(BudgetExhausted):
            await line.call([(meter, 1)])
        assert time.monotonic() - started < 0.3
        lender.on_message(silent, Return(A, 100))
        await line.call([(meter, 100)])


async def test_a_link_that_breaks_loses_nothing_and_doubles_nothing(database: Database) -> None:
    meter = budget(1_000)
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2)
        holds = await one.call([(meter, 400)])
        one.cut()
        one.wallet.settle(holds, 100, 0)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(one.call([(meter, 700)]))
            await asyncio.sleep(0.05)
            one.connect()
        one.wallet.settle(asking.result(), 700, 0)
        with pytest.raises(BudgetExhausted):
            await two.call([(meter, 201)])
        await two.call([(meter, 200)])
        assert await account(database, A) == (1_000, 0, 1_000)


async def test_what_was_given_back_while_the_link_was_down_is_told_on_the_next(database: Database) -> None:
    meter = budget(1_000)
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2)
        holds = await one.call([(meter, 600)])
        with pytest.raises(BudgetExhausted):
            await two.call([(meter, 500)])
        one.cut()
        one.wallet.settle(holds, 0, 0)
        one.connect()
        await until_quiet()
        assert await account(database, A) == (1_000, 0, 0)


async def test_a_grant_that_was_lost_on_the_way_is_learned_on_the_next_link(database: Database) -> None:
    meter = budget(1_000)
    async with lending(database, meter) as lender:
        line = Line(lender, "w1", lender._clock)
        lost = RecordingLink()
        lender.on_message(lost, Hello("w1"))
        lender.on_message(lost, Borrow(1, (Want(A, 900),)))
        await until_quiet()
        lender.on_gone(lost)
        line.connect()
        await line.call([(meter, 1_000)])
        assert await account(database, A) == (1_000, 0, 1_000)


async def test_a_new_lender_knows_what_the_old_one_lent(database: Database) -> None:
    meter = budget(1_000)
    async with lending(database, meter) as old:
        [line] = workers(old, 1)
        holds = await line.call([(meter, 600)])
        line.cut()
    async with lending(database, meter) as new:
        line.lender = new
        line.connect()
        other = Line(new, "w2", new._clock)
        other.connect()
        with pytest.raises(BudgetExhausted):
            await other.call([(meter, 401)])
        line.wallet.release(holds)
        await other.call([(meter, 1_000)])


async def test_a_raised_cap_is_lent_and_a_lowered_one_is_not(database: Database) -> None:
    async with lending(database, budget(100)) as lender:
        [line] = workers(lender, 1)
        await line.call([(budget(100), 100)])
        with pytest.raises(BudgetExhausted):
            await line.call([(budget(100), 1)])
        raised = budget(200)
        lender.adopt({raised.id: raised})
        await line.call([(raised, 50)])
        lowered = budget(120)
        lender.adopt({lowered.id: lowered})
        with pytest.raises(BudgetExhausted):
            await line.call([(lowered, 50)])


async def test_an_account_without_a_meter_lends_nothing(database: Database) -> None:
    async with lending(database) as lender:
        [line] = workers(lender, 1)
        with pytest.raises(BudgetExhausted):
            await line.call([(budget(100), 1)])


async def test_limits_on_requests_come_back_after_a_minute_wherever_they_were_used(database: Database) -> None:
    clock = HandClock()
    meter = Meter("rpm", "requests", 10, "key ci")
    async with lending(database, meter) as lender:
        one, two = workers(lender, 2, clock)
        for number in range(10):
            line = (one, two)[number % 2]
            line.wallet.settle(await line.call([(meter, 1)]), 0, 0)
        with pytest.raises(RateLimited) as limited:
            await two.call([(meter, 1)])
        assert limited.value.retry_after is not None and 1 <= limited.value.retry_after <= 60.25
        clock.go_on(60.5)
        for line in (one, two):
            line.wallet.tick()
        await until_quiet()
        for _ in range(10):
            await two.call([(meter, 1)])
        with pytest.raises(RateLimited):
            await one.call([(meter, 1)])


async def test_calls_at_once_are_limited_over_all_workers(database: Database) -> None:
    meter = Meter("slots", "concurrent", 3, "key ci")
    async with lending(database, meter) as lender:
        lines = workers(lender, 3)
        holds = [await line.call([(meter, 1)]) for line in lines]
        with pytest.raises(RateLimited) as limited:
            await lines[0].call([(meter, 1)])
        assert limited.value.retry_after == 1.0
        lines[2].wallet.settle(holds[2], 0, 0)
        await lines[0].call([(meter, 1)])


async def test_without_a_link_a_call_waits_five_seconds_and_is_then_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.gateway.wallet.PATIENCE_S", 0.2)
    meter = budget(100)
    async with lending(database, meter) as lender:
        line = Line(lender, "w1", lender._clock)
        with pytest.raises(LenderAway):
            await line.call([(meter, 1)])
        line.connect()
        await line.call([(meter, 1)])


async def test_leases_that_nobody_confirms_are_not_spent(database: Database) -> None:
    clock = HandClock()
    meter = budget(1_000)
    async with lending(database, meter) as lender:
        [line] = workers(lender, 1, clock)
        await line.call([(meter, 10)])
        clock.go_on(80)
        assert line.wallet.take([(meter, 1)], clock.wall(), clock.monotonic())
        clock.go_on(11)
        assert line.wallet.take([(meter, 1)], clock.wall(), clock.monotonic()) is None
        assert line.wallet.take([], clock.wall(), clock.monotonic())
