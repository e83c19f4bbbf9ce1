"""Whether a failed attempt may be tried again."""

from hypothesis import given
from hypothesis import strategies as st

from intertie.config.snapshot import RetryPolicy
from intertie.core.faults import BudgetExhausted, CallerLeft, ConnectFailed, UpstreamBusy, UpstreamRefused
from intertie.policy.retry import RetryBudget, may_retry

POLICY = RetryPolicy(max_attempts=3, budget_share=0.2, budget_floor=2)
FAILED = ConnectFailed("refused")


def test_a_failure_before_the_first_byte_may_be_tried_elsewhere_until_the_attempts_are_used_up() -> None:
    budget = RetryBudget()
    assert may_retry(FAILED, False, 1, POLICY, budget, 100.0)
    assert may_retry(UpstreamBusy("busy", 429), False, 2, POLICY, budget, 100.0)
    assert not may_retry(FAILED, False, 3, POLICY, RetryBudget(), 100.0)


def test_never_after_the_first_byte() -> None:
    assert not may_retry(FAILED, True, 1, POLICY, RetryBudget(), 100.0)


def test_never_what_is_the_callers_doing_or_what_the_endpoint_refused() -> None:
    for fault in (BudgetExhausted("spent"), CallerLeft("gone"), UpstreamRefused("no", 400)):
        assert not may_retry(fault, False, 1, POLICY, RetryBudget(), 100.0)


def test_where_traffic_is_thin_the_floor_holds_and_comes_back_after_ten_seconds() -> None:
    budget = RetryBudget()
    assert [may_retry(FAILED, False, 1, POLICY, budget, 100.0) for _ in range(3)] == [True, True, False]
    assert not may_retry(FAILED, False, 1, POLICY, budget, 109.9)
    assert may_retry(FAILED, False, 1, POLICY, budget, 110.0)


def test_a_no_takes_nothing_from_the_budget() -> None:
    budget = RetryBudget()
    for _ in range(50):
        may_retry(FAILED, True, 1, POLICY, budget, 100.0)
    assert may_retry(FAILED, False, 1, POLICY, budget, 100.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=200))
def test_retries_of_any_ten_seconds_stay_within_the_share_or_the_floor(events: list[tuple[bool, float]]) -> None:
    budget, now, requests, retries = RetryBudget(), 100.0, [], []
    for is_request, pause in events:
        now += pause
        if is_request:
            budget.requested(now)
            requests.append(now)
        elif may_retry(FAILED, False, 1, POLICY, budget, now):
            retries.append(now)
        window = int(now) - 10  # a retry may outlive, by up to a window, the requests that made room for it
        recent = sum(int(at) > window for at in retries)
        assert recent <= max(2, 0.2 * sum(int(at) > window - 10 for at in requests))
