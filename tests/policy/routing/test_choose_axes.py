"""Each axis can move the choice, in its direction, by itself; and nothing moves the choice on another's account."""

import pytest
from routing_world import NOW, asking, endpoint, only, pair, plan_for, price, site, snapshot, world

from intertie.core.endpoint import Speed
from intertie.core.plan import AXES
from intertie.policy.routing.choose import choose

BETTER = {
    "ttft": ({"rtt_ms": 5.0}, {"rtt_ms": 200.0}),
    "cost": ({"price": price(0.1, 0.3)}, {"price": price(1.0, 3.0)}),
    "proximity": ({"jitter_ms": 1.0}, {"jitter_ms": 40.0}),
    "carbon": ({"gco2_per_kwh": 30.0}, {"gco2_per_kwh": 500.0}),
}


@pytest.mark.parametrize("axis", BETTER)
def test_a_declared_fact_moves_the_choice_on_its_axis(axis: str) -> None:
    good, bad = BETTER[axis]
    assert plan_for(pair(good, bad), weights=only(axis)).order == ("one", "other")
    assert plan_for(pair(bad, good), weights=only(axis)).order == ("other", "one")


@pytest.mark.parametrize("axis", BETTER)
def test_it_moves_no_other_axis(axis: str) -> None:
    first, second = plan_for(pair(*BETTER[axis])).candidates
    differing = {name for name, one, other in zip(AXES, first.utilities, second.utilities, strict=True) if one != other}
    assert differing == {axis}


def test_the_session_moves_the_choice_on_the_axis_of_affinity() -> None:
    for held in ("one", "other"):
        plan = plan_for(pair(), weights=only("affinity"), session=held)
        assert plan.order[0] == held
        assert plan.candidates[0].utilities[2] == 1.0


def test_a_digest_has_an_owner_that_is_worth_less_than_a_session() -> None:
    plan = plan_for(pair(), weights=only("affinity"), affinity=b"8 bytes.", prompt_tokens=1_024)
    assert [candidate.utilities[2] for candidate in plan.candidates] == [0.6, 0.0]
    short = plan_for(pair(), weights=only("affinity"), affinity=b"8 bytes.", prompt_tokens=128)
    assert [candidate.utilities[2] for candidate in short.candidates] == [0.075, 0.0]


def test_free_slots_move_the_choice_on_the_axis_of_capacity() -> None:
    table, states = world(pair())
    for _ in range(20):
        states["one"].dispatched(NOW, 0, 0.1)
    assert choose(table, states, asking(weights=only("capacity")), NOW, 0.0).order == ("other", "one")
    for _ in range(25):
        states["other"].dispatched(NOW, 0, 0.1)
    assert choose(table, states, asking(weights=only("capacity")), NOW, 0.0).order == ("one", "other")


def test_capacity_is_worth_nothing_from_nine_tenths_of_the_slots_on() -> None:
    table, states = world(pair({"speed": Speed(slots=10)}))
    worth = []
    for _ in range(12):
        plan = choose(table, states, asking(weights=only("capacity")), NOW, 0.0)
        worth.append(next(one.utilities[3] for one in plan.candidates if one.endpoint == "one"))
        states["one"].dispatched(NOW, 0, 0.1)
    assert worth[0] == 1.0
    assert worth == sorted(worth, reverse=True)
    assert worth[8] > 0.5
    assert worth[9:] == pytest.approx([0.0] * 3)


def test_weights_decide_between_a_fast_and_a_cheap_place() -> None:
    known = pair({"rtt_ms": 5.0, "price": price(1.0, 3.0)}, {"rtt_ms": 300.0})
    assert plan_for(known, weights=only("ttft")).order[0] == "one"
    assert plan_for(known, weights=only("cost")).order[0] == "other"


def test_an_unknown_price_or_footprint_is_not_taken_for_zero() -> None:
    assert plan_for(pair({"price": None}), weights=only("cost")).order[0] == "other"
    assert plan_for(pair({"watts": None}), weights=only("carbon")).order[0] == "other"
    assert plan_for(pair({"gco2_per_kwh": None}), weights=only("carbon")).order[0] == "other"
    free = plan_for(pair({"price": price(0, 0)}), weights=only("cost"))
    assert (free.order[0], free.candidates[0].utilities[1]) == ("one", 1.0)


def test_among_the_late_the_least_late_still_wins() -> None:
    plan = plan_for(pair({"rtt_ms": 900.0}, {"rtt_ms": 400.0}), weights=only("ttft"), slo_s=0.05)
    assert plan.order == ("other", "one")
    assert plan.relaxed == ("latency target",)


def test_another_jurisdiction_or_a_farther_tier_is_a_worse_path() -> None:
    sites = [site("here"), site("near"), site("abroad", jurisdiction=("US",)), site("far", tier="provider")]
    known = snapshot(sites, [endpoint(one.id, one.id) for one in sites[1:]], here="here")
    worth = {one.endpoint: one.utilities[4] for one in plan_for(known).candidates}
    assert worth == pytest.approx({"near": 0.9, "abroad": 0.7, "far": 0.7})
