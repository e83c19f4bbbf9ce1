"""What an endpoint's account has left is capacity: less of it draws fewer requests, none of it none."""

import pytest
from routing_world import NOW, asking, only, pair, world

from intertie.core.faults import NoCandidate, UpstreamBusy
from intertie.core.plan import Plan
from intertie.core.usage import Usage
from intertie.policy.routing.choose import choose
from intertie.policy.routing.reasons import BUSY
from intertie.policy.routing.recent import Recent
from intertie.policy.routing.state import LONGEST_BUSY_S, EndpointState, live_states


def told(state: EndpointState, left: int, limit: int = 100, kind: str = "requests", reset: str = "1m0s") -> None:
    """One answer whose head tells what is left."""
    headers = {
        f"x-ratelimit-{word}-{kind}".encode(): str(value).encode()
        for word, value in (("remaining", left), ("limit", limit), ("reset", reset))
    }
    flight = state.dispatched(NOW, 1, 0.1)
    flight.told(NOW, headers)
    flight.answered(NOW, 0.1, 1.1, Usage(1, 10))


def capacity(plan: Plan, endpoint: str) -> float:
    return next(one.utilities[3] for one in plan.candidates if one.endpoint == endpoint)


def test_an_endpoint_with_nothing_left_is_busy_until_something_is_and_the_plan_says_so() -> None:
    table, states = world(pair())
    told(states["one"], 0)
    plan = choose(table, states, asking(), NOW, 0.0)
    assert plan.order == ("other",)
    assert [(group.code, group.reason) for group in plan.dropped if "one" in group.endpoints] == [BUSY]
    assert "one" in choose(table, states, asking(), NOW + 0.7, 0.0).order


def test_a_caller_is_told_when_the_first_of_all_exhausted_accounts_has_room() -> None:
    table, states = world(pair())
    told(states["one"], 0, reset="1m40s")
    told(states["other"], 0, limit=10, reset="1m40s")
    with pytest.raises(NoCandidate) as refused:
        choose(table, states, asking(), NOW, 0.0)
    assert refused.value.retry_after == pytest.approx(1.0, rel=0.1)


def test_tokens_that_are_short_stop_long_prompts_and_let_short_ones_through() -> None:
    table, states = world(pair())
    told(states["one"], 1_000, limit=100_000, kind="tokens")
    assert choose(table, states, asking(prompt_tokens=5_000), NOW, 0.0).order == ("other",)
    assert "one" in choose(table, states, asking(prompt_tokens=500), NOW, 0.0).order


def test_capacity_falls_with_what_is_left() -> None:
    seen: list[float] = []
    for left in (100, 60, 40, 20, 10):
        table, states = world(pair())
        told(states["one"], left)
        seen.append(capacity(choose(table, states, asking(), NOW, 0.0), "one"))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 1.0
    assert seen[-1] < 0.3


def test_among_equals_the_lot_falls_where_more_is_left() -> None:
    table, states = world(pair(tolerance=1.0))
    told(states["one"], 50)
    told(states["other"], 100)
    picked = [choose(table, states, asking(weights=only("proximity")), NOW, lot / 300).order[0] for lot in range(300)]
    assert picked.count("one") == pytest.approx(100, abs=5)


def test_answers_that_tell_nothing_leave_an_endpoint_as_it_was() -> None:
    _, states = world(pair())
    flight = states["one"].dispatched(NOW, 1, 0.1)
    flight.told(NOW, {b"content-type": b"application/json", b"retry-after": b"9"})
    assert states["one"].limits is None
    assert states["one"].free_at(10**9, NOW) <= NOW


def test_what_is_nearly_used_up_is_judged_anew_for_each_request() -> None:
    table, states = world(pair())
    recent = Recent()
    told(states["one"], 5, limit=1_000)
    told(states["other"], 5, limit=1_000)
    picked: list[str] = []
    for _ in range(10):
        picked.append(recent.choose(table, states, asking(), NOW, 0.0).order[0])
        states[picked[-1]].dispatched(NOW, 1, 0.1)
    assert sorted(picked) == ["one"] * 5 + ["other"] * 5
    with pytest.raises(NoCandidate):
        recent.choose(table, states, asking(), NOW, 0.0)


def test_refusals_in_a_row_that_give_no_time_double_the_pause_and_an_answer_forgives_them() -> None:
    _, states = world(pair())
    state, now, pauses = states["one"], NOW, list[float]()
    for _ in range(12):
        for flight in [state.dispatched(now, 1, 0.1) for _ in range(3)]:
            flight.failed(now, UpstreamBusy("full", 429), 0.0)
        pauses.append(state.busy_until - now)
        now = state.busy_until
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] <= LONGEST_BUSY_S
    state.dispatched(now, 1, 0.1).answered(now, 0.1, 1.1, Usage(1, 10))
    state.dispatched(now, 1, 0.1).failed(now, UpstreamBusy("full", 429), 0.0)
    assert state.busy_until - now == 1.0


def test_limits_that_are_declared_hold_without_a_word_from_the_provider_and_start_anew_when_changed() -> None:
    snapshot = pair(one={"rpm": 2})
    table, states = world(snapshot)
    for _ in range(2):
        assert "one" in choose(table, states, asking(), NOW, 0.0).order
        states["one"].dispatched(NOW, 1, 0.1)
    assert choose(table, states, asking(), NOW, 0.0).order == ("other",)
    assert live_states(snapshot, states)["one"] is states["one"]
    renewed = live_states(pair(one={"rpm": 3}), states)
    assert "one" in choose(table, renewed, asking(), NOW, 0.0).order
