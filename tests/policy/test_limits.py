"""Purses by their public door: figures always add up, and no window of 60 seconds holds more than was granted."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from intertie.core.principal import MeterKind
from intertie.policy.limits import Purse, purse_for

KINDS: tuple[MeterKind, ...] = ("usd", "tokens", "requests", "concurrent")


def purse_of(kind: MeterKind, granted: int) -> Purse:
    purse = purse_for(kind)
    purse.adopt(granted)
    return purse


def test_money_that_is_spent_is_gone() -> None:
    purse = purse_of("usd", 100)
    assert purse.take(60, 0.0) and not purse.take(50, 0.0)
    purse.settle(60, 25, 1.0)
    assert (purse.free(1e9), purse.spent, purse.held) == (75, 25, 0)


def test_a_call_may_cost_more_than_its_hold_and_is_not_forgotten() -> None:
    purse = purse_of("usd", 100)
    assert purse.take(100, 0.0)
    purse.settle(100, 130, 0.0)
    assert purse.free(0.0) == -30 and purse.remaining(0.0) == 0
    assert purse.give_back(0.0) == 0
    purse.adopt(140)
    assert purse.free(0.0) == 10


def test_tokens_come_back_sixty_seconds_after_they_were_settled() -> None:
    purse = purse_of("tokens", 100)
    assert purse.take(90, 10.0)
    purse.settle(90, 70, 12.1)
    assert purse.free(72.0) == 30
    assert purse.free(72.35) == 100
    assert purse.spent == 0


def test_requests_count_from_the_moment_they_are_admitted_whatever_becomes_of_them() -> None:
    purse = purse_of("requests", 2)
    assert purse.take(1, 10.0) and purse.take(1, 20.0)
    purse.release(1)
    purse.settle(1, 0, 25.0)
    assert not purse.take(1, 69.9)
    assert purse.take(1, 70.25) and not purse.take(1, 70.25)


def test_a_take_can_be_undone_at_once() -> None:
    for kind in KINDS:
        purse = purse_of(kind, 5)
        assert purse.take(3, 1.0)
        purse.untake(3)
        assert purse.free(1.0) == 5 and purse.held == 0 and purse.spent == 0, kind


def test_a_slot_is_free_when_its_call_ends() -> None:
    purse = purse_of("concurrent", 1)
    assert purse.take(1, 0.0) and not purse.take(1, 0.0)
    purse.settle(1, 999, 0.5)
    assert purse.take(1, 0.5)


def test_it_says_how_long_to_wait_and_when_all_is_back() -> None:
    purse = purse_of("requests", 3)
    for at in (10.0, 20.0, 30.0):
        assert purse.take(1, at)
    assert purse.wait_s(2, 30.0) == 50.25
    assert purse.reset_s(30.0) == 60.25
    assert purse.wait_s(4, 30.0) is None
    assert purse.wait_s(3, 91.0) == 0.0 and purse.reset_s(91.0) == 0.0
    assert purse_of("usd", 1).wait_s(2, 0.0) is None


def test_what_is_given_back_is_told_as_a_sum_and_messages_may_come_twice() -> None:
    purse = purse_of("usd", 100)
    assert purse.take(30, 0.0)
    assert purse.give_back(0.0, keep=20) == 50
    assert purse.give_back(0.0, keep=20) == 0
    assert purse.adopt(100) == 0 and purse.adopt(90) == 0
    assert purse.returned == 50 and purse.free(0.0) == 20


def test_what_the_lender_took_back_is_no_longer_spent() -> None:
    purse = purse_of("usd", 100)
    assert purse.take(30, 0.0)
    assert purse.adopt(160, returned=100) == -40
    assert purse.free(0.0) == 30
    purse.settle(30, 30, 0.0)
    assert purse.free(0.0) == 30


moves = st.lists(st.tuples(st.integers(1, 40), st.floats(0.0, 40.0), st.floats(0.0, 50.0), st.integers(0, 40)))


@given(moves, st.floats(0, 1e6))
def test_no_sixty_seconds_see_more_requests_than_were_granted(
    steps: list[tuple[int, float, float, int]], t: float
) -> None:
    purse, taken = purse_of("requests", 50), list[tuple[float, int]]()
    for amount, pause, _, _ in steps:
        t += pause
        if purse.take(amount, t):
            taken.append((t, amount))
    assert_window(taken, 50)


@given(moves, st.floats(0, 1e6))
def test_no_sixty_seconds_see_more_tokens_settled_than_were_granted(
    steps: list[tuple[int, float, float, int]], t: float
) -> None:
    purse, settled = purse_of("tokens", 50), list[tuple[float, int]]()
    for hold, pause, lasts, actual in steps:
        t += pause
        if purse.take(hold, t):
            t += lasts
            purse.settle(hold, min(hold, actual), t)
            settled.append((t, min(hold, actual)))
        assert purse.held == 0
    assert_window(settled, 50)
    assert purse.free(t + 60.25) == 50


def assert_window(events: list[tuple[float, int]], cap: int) -> None:
    for end, _ in events:
        assert sum(amount for at, amount in events if end - 60 < at <= end) <= cap


class PurseMachine(RuleBasedStateMachine):
    """Any order of grants, takes, settlements and returns: the figures add up, and in the end all is free again."""

    @initialize(kind=st.sampled_from(KINDS))
    def begin(self, kind: MeterKind) -> None:
        self.kind, self.purse = kind, purse_for(kind)
        self.now, self.granted, self.holds = 1_000.0, 0, list[int]()

    @rule(more=st.integers(0, 100))
    def grant(self, more: int) -> None:
        self.granted += more
        self.purse.adopt(self.granted)

    @rule(amount=st.integers(0, 60))
    def take(self, amount: int) -> None:
        room = self.purse.free(self.now)
        assert self.purse.take(amount, self.now) == (room >= amount)
        if room >= amount:
            self.holds.append(amount)

    @precondition(lambda self: self.holds)
    @rule(share=st.floats(0, 1))
    def settle(self, share: float) -> None:
        hold = self.holds.pop()
        self.purse.settle(hold, int(hold * share), self.now)

    @precondition(lambda self: self.holds)
    @rule()
    def release(self) -> None:
        self.purse.release(self.holds.pop())

    @rule(keep=st.integers(0, 20))
    def give_back(self, keep: int) -> None:
        free = self.purse.free(self.now)
        assert self.purse.give_back(self.now, keep) == max(0, free - keep)

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def adds_up(self) -> None:
        purse = self.purse
        assert purse.free(self.now) >= 0 and purse.spent >= 0 and purse.returned <= self.granted
        assert purse.held == (0 if self.kind == "requests" else sum(self.holds))

    def teardown(self) -> None:
        for hold in self.holds:
            self.purse.release(hold)
        left = self.granted - self.purse.returned - (self.purse.spent if self.kind == "usd" else 0)
        assert self.purse.free(self.now + 61) == left


TestPurse = PurseMachine.TestCase
