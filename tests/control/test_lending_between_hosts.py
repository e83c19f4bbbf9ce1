"""Several hosts on one database: what lies idle with one is fetched by the other, and nothing is lent twice."""

import asyncio
import time

import pytest
from bank import Line, account, budget, lending, until_quiet

from intertie.control.lender import Lender
from intertie.core.clock import HandClock, SystemClock
from intertie.core.faults import BudgetExhausted, LenderAway
from intertie.core.lending import Borrow, Hello, Lent, Want
from intertie.store.database import Database

A = "budget@total"


def worker(lender: Lender, name: str) -> Line:
    line = Line(lender, name, SystemClock())
    line.connect()
    return line


async def test_money_that_lies_idle_with_another_host_is_fetched(postgres_database: Database) -> None:
    meter = budget(1_000)
    async with (
        lending(postgres_database, meter, host="a") as here,
        lending(postgres_database, meter, host="b") as there,
    ):
        near, far = worker(here, "w1"), worker(there, "w2")
        far.wallet.settle(await far.call([(meter, 900)]), 0, 0)
        holds = await near.call([(meter, 800)])
        with pytest.raises(BudgetExhausted) as reserved:
            await far.call([(meter, 300)])
        assert reserved.value.code == "budget_reserved"
        near.wallet.settle(holds, 0, 0)
        await far.call([(meter, 1_000)])
        assert await account(postgres_database, A) == (1_000, 0, 1_000)


async def test_two_hosts_lend_the_last_of_a_budget_only_once(postgres_database: Database) -> None:
    meter = budget(1_000)
    async with (
        lending(postgres_database, meter, host="a") as here,
        lending(postgres_database, meter, host="b") as there,
    ):
        lines = [worker(here, "w1"), worker(there, "w2"), worker(here, "w3"), worker(there, "w4")]
        calls = [lines[number % 4].call([(meter, 70)]) for number in range(40)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 14
        assert all(isinstance(outcome, BudgetExhausted) for outcome in outcomes if isinstance(outcome, BaseException))


async def test_once_the_others_know_of_the_shortage_nobody_waits_for_them_again(postgres_database: Database) -> None:
    meter = budget(1_000)
    async with (
        lending(postgres_database, meter, host="a") as here,
        lending(postgres_database, meter, host="b") as there,
    ):
        near, far = worker(here, "w1"), worker(there, "w2")
        holds = await far.call([(meter, 900)])
        waits = list[float]()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(BudgetExhausted):
                await near.call([(meter, 200)])
            waits.append(time.monotonic() - began)
        assert waits[0] > 2.5 and max(waits[1:]) < 0.5
        far.wallet.settle(holds, 0, 0)
        await until_quiet()
        began = time.monotonic()
        await near.call([(meter, 1_000)])
        assert time.monotonic() - began < 0.5


async def test_a_host_that_cannot_write_its_beat_lends_and_confirms_nothing(
    postgres_database: Database,
) -> None:
    clock = HandClock()
    lender = Lender(postgres_database, "a", clock)
    meter = budget(1_000)
    lender.adopt({meter.id: meter})
    await lender.beat()
    line = Line(lender, "w1", clock)
    line.connect()
    await asyncio.sleep(0)
    await lender.round()
    clock.go_on(26)
    for borrow in (Borrow(8, ()), Borrow(9, (Want(A, 1),))):
        lender.on_message(line, borrow)
    assert all(isinstance(word, Lent) and "not known to be alive" in word.fault for word in line.heard[-2:])
    with pytest.raises(LenderAway):
        await line.call([(meter, 1)])
    heard = len(line.heard)
    await lender.beat()
    assert isinstance(line.heard[heard], Lent) and line.heard[heard].ticket == 0  # all figures, before anything else
    lender.on_message(line, Borrow(10, ()))
    assert line.heard[-1] == Lent(10, {})


async def test_a_worker_is_confirmed_only_after_it_knows_all_figures(postgres_database: Database) -> None:
    lender = Lender(postgres_database, "a", HandClock())
    await lender.beat()
    line = Line(lender, "w1", HandClock())
    lender.on_message(line, Hello("w1"))
    lender.on_message(line, Borrow(1, ()))
    assert line.heard == []
    await lender.round()
    assert [word.ticket for word in line.heard if isinstance(word, Lent)] == [0, 1]
