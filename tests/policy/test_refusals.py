"""Refusals tell whose limit it is, how much is used, and when to come again."""

from intertie.core.lending import Refusal
from intertie.core.principal import Meter
from intertie.policy.refusals import budget_fault, limit_fault

USD = 1_000_000_000
BUDGET = Meter("b", "usd", 15 * USD, "group interns", period="month", zone="Europe/Berlin")
LIMIT = Meter("l", "requests", 20, "key ci")


def test_a_spent_budget_says_until_when_and_must_not_be_retried() -> None:
    fault = budget_fault(BUDGET, Refusal("b@2026-11-01", 15 * USD, 14 * USD, USD // 2), 2 * USD, 1_796_079_600.0)
    assert (fault.status, fault.code, fault.should_retry, fault.retry_after) == (429, "budget_exhausted", False, None)
    assert "group interns (15.00 USD a month) is spent: 14.00 USD are used, 1.00 USD are left" in fault.message
    assert "may cost 2.00 USD. It starts anew on 2026-12-01 00:00 (Europe/Berlin)." in fault.message


def test_a_reserved_budget_may_be_retried_soon() -> None:
    fault = budget_fault(BUDGET, Refusal("b@2026-11-01", 15 * USD, 10 * USD, 4 * USD), 2 * USD, None)
    assert (fault.code, fault.should_retry, fault.retry_after) == ("budget_reserved", True, 1.0)
    assert "10.00 USD are spent, 4.00 USD reserved" in fault.message


def test_a_limit_says_when_the_units_come_back() -> None:
    fault = limit_fault(LIMIT, 1, 12.25)
    assert (fault.status, fault.code, fault.retry_after) == (429, "rate_limit_exceeded", 12.25)
    assert fault.message == "key ci may use 20 requests in any 60 seconds; try again in 12 s."


def test_where_other_workers_hold_the_units_the_wait_is_the_average_one() -> None:
    assert limit_fault(LIMIT, 2, None).retry_after == 6.0
    assert limit_fault(Meter("c", "concurrent", 4, "key ci"), 1, None).retry_after == 1.0


def test_a_call_larger_than_the_limit_must_not_be_retried() -> None:
    fault = limit_fault(Meter("t", "tokens", 100, "key ci"), 101, None)
    assert fault.should_retry is False and "needs 101 tokens" in fault.message
