"""The circuit breaker: when it opens, for how long, and how it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.config.snapshot import BreakerPolicy
from intertie.policy.health import JITTER, Breaker

POLICY = BreakerPolicy(failures=3, open_s=10.0, max_open_s=60.0, close_after=2)


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(now, breaker.dispatched(), 0.5)


def succeed(breaker: Breaker, now: float) -> None:
    breaker.succeeded(now, breaker.dispatched())


def test_it_opens_after_so_many_failures_in_a_row_and_admits_nothing_until_its_time_is_over() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 100.0, 2)
    assert breaker.state(100.0) == "closed"
    fail(breaker, 100.0)
    assert breaker.state(100.0) == "open"
    assert not breaker.admits(109.9)
    assert breaker.state(110.0) == "half_open"
    assert breaker.admits(110.0)


def test_a_success_in_between_breaks_the_row() -> None:
    breaker = Breaker(POLICY)
    for _ in range(6):
        fail(breaker, 100.0, 2)
        succeed(breaker, 100.0)
        succeed(breaker, 100.0)
    assert breaker.state(100.0) == "closed"


def test_more_than_half_of_twenty_in_a_minute_opens_it_without_any_row() -> None:
    breaker = Breaker(BreakerPolicy(failures=1_000))
    for second in range(9):
        succeed(breaker, 100.0 + second)
        fail(breaker, 100.0 + second)
    fail(breaker, 109.0)
    assert breaker.closed, "nineteen outcomes are too few to judge"
    fail(breaker, 109.0)
    assert not breaker.closed


def test_outcomes_older_than_a_minute_do_not_count() -> None:
    breaker = Breaker(BreakerPolicy(failures=1_000))
    fail(breaker, 100.0, 15)
    succeed(breaker, 171.0)
    fail(breaker, 171.0, 6)
    assert breaker.closed


def test_half_open_it_admits_one_probe_at_a_time_and_closes_after_enough_good_ones() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 100.0, 3)
    probe = breaker.dispatched()
    assert probe
    assert not breaker.admits(111.0)
    breaker.succeeded(111.0, probe)
    assert breaker.state(111.0) == "half_open"
    assert breaker.admits(111.0)
    succeed(breaker, 111.5)
    assert breaker.state(111.5) == "closed"


def test_a_probe_whose_caller_left_makes_room_for_the_next() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 100.0, 3)
    breaker.left(breaker.dispatched())
    assert breaker.admits(111.0)
    assert breaker.state(111.0) == "half_open"


def test_each_bad_probe_doubles_the_time_up_to_the_cap() -> None:
    breaker, now, lengths = Breaker(POLICY), 100.0, []
    fail(breaker, now, 3)
    for _ in range(6):
        lengths.append(breaker.open_until - now)
        now = breaker.open_until
        fail(breaker, now)
    assert lengths == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_a_relapse_soon_after_closing_goes_on_doubling_and_a_late_one_starts_anew() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 100.0, 3)
    succeed(breaker, 110.0)
    succeed(breaker, 110.0)
    fail(breaker, 115.0, 3)
    assert breaker.open_until == 135.0
    succeed(breaker, 135.0)
    succeed(breaker, 135.0)
    fail(breaker, 300.0, 3)
    assert breaker.open_until == 310.0


def test_what_was_sent_before_the_opening_neither_closes_nor_prolongs_it() -> None:
    breaker = Breaker(POLICY)
    early = [breaker.dispatched() for _ in range(6)]
    for probe in early[:3]:
        breaker.failed(100.0, probe, 0.5)
    until = breaker.open_until
    breaker.failed(101.0, early[3], 0.5)
    breaker.succeeded(112.0, early[4])
    breaker.succeeded(112.0, early[5])
    assert breaker.open_until == until
    assert breaker.state(112.0) == "half_open"


@given(jitter=st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_the_end_by_a_fifth_either_way(jitter: float) -> None:
    breaker = Breaker(BreakerPolicy(failures=1, open_s=10.0))
    breaker.failed(100.0, breaker.dispatched(), jitter)
    assert 10 * (1 - JITTER) <= breaker.open_until - 100.0 <= 10 * (1 + JITTER)


@given(st.lists(st.tuples(st.sampled_from(["good", "bad", "left"]), st.floats(0, 40)), max_size=60))
def test_whatever_happens_it_stays_in_its_states_and_comes_back(events: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(POLICY), 100.0
    for event, pause in events:
        now += pause
        if not breaker.admits(now):
            assert breaker.state(now) == "open"
            continue
        probe = breaker.dispatched()
        assert probe == (not breaker.closed)
        if event == "good":
            breaker.succeeded(now, probe)
        elif event == "bad":
            breaker.failed(now, probe, 0.0)
        else:
            breaker.left(probe)
    now += POLICY.max_open_s * 2
    assert breaker.admits(now)
    for _ in range(POLICY.close_after):
        succeed(breaker, now)
    assert breaker.closed


def test_thousands_of_trips_stay_at_the_cap() -> None:
    breaker, now = Breaker(POLICY), 100.0
    fail(breaker, now, 3)
    for _ in range(2_000):
        now = breaker.open_until
        fail(breaker, now)
    assert breaker.open_until - now == pytest.approx(60.0)
