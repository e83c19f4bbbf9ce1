"""A plan told in sentences and in a header, and chosen again with other wants."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_world import EVEN, NOW, asking, eight_places, endpoint, only, pair, plan_for, price, site, snapshot, world

from intertie.config.snapshot import Route
from intertie.core.plan import AXES, Candidate, Objective, Plan, Weights, unpack
from intertie.policy.routing.choose import choose
from intertie.policy.routing.explain import HEADER_BYTES, header
from intertie.policy.routing.placement import Placement
from intertie.policy.routing.replay import replay
from intertie.policy.routing.table import build_table

NAMES = st.text(min_size=1, max_size=200)


def test_the_first_sentence_says_what_was_expected_and_why_it_was_chosen() -> None:
    known = pair({"rtt_ms": 5.0}, {"rtt_ms": 200.0, "price": price(0.01, 0.03)})
    first = plan_for(known, weights=Weights(ttft=0.9, cost=0.1), want_reasons=True).reasons[0]
    assert first.startswith("one: 90 ms expected, $0.0001168, 0.01")
    assert first.endswith("gCO2; chosen over other because it is faster, although that one is cheaper.")


def test_what_gave_way_what_was_dropped_and_the_lot_are_told() -> None:
    known = pair({"jurisdiction": ("EU",)}, {"jurisdiction": ("US",)})
    reasons = plan_for(known, residency=(("EU",),), slo_s=0.001, want_reasons=True).reasons
    assert "the only one that may serve this" in reasons[0]
    assert reasons[1:] == (
        "The latency target gave way: nothing kept it.",
        "Not considered: other (residency: EU wanted).",
    )
    drawn = plan_for(pair(tolerance=0.1), want_reasons=True).reasons
    assert drawn[1] == "Drawn by lot among near equals, with a probability of 50%."


def test_the_unknown_is_called_unknown() -> None:
    known = pair({"price": None, "watts": None}, {"price": None, "watts": None})
    assert "price unknown, footprint unknown" in plan_for(known, want_reasons=True).reasons[0]
    free = pair({"price": price(0, 0)}, {"price": price(0, 0)})
    assert "$0.00," in plan_for(free, want_reasons=True).reasons[0]


def test_near_equals_are_called_so_in_a_sentence() -> None:
    first = plan_for(pair(tolerance=0.1), want_reasons=True).reasons[0]
    assert first.endswith("gCO2; chosen over other, its near equal.")
    known = pair({"rtt_ms": 20.5}, tolerance=0.1)
    drawn = choose(*world(known), asking(weights=Weights(ttft=0.9, cost=0.1), want_reasons=True), NOW, 0.1)
    assert drawn.order[0] == "one"
    assert drawn.reasons[0].endswith("; chosen over other, its near equal.")


def test_every_reason_has_a_code_and_is_told_in_the_header() -> None:
    known = pair({"jurisdiction": ("US",)}, {"operations": ("chat", "embeddings")})
    told = json.loads(header(plan_for(known, residency=(("EU",),))))
    assert told["dropped"] == [{"endpoints": ["one"], "code": "residency", "reason": "residency: EU wanted"}]
    assert plan_for(known, operation="embeddings").dropped[0].code == "operation"
    limits = pair({"rtt_ms": 5_000.0})
    assert [(group.code, group.endpoints) for group in plan_for(limits).dropped] == [("limit", ("one",))]


def test_what_is_not_known_is_none_in_the_plan_and_null_in_the_header() -> None:
    plan = plan_for(pair({"price": None, "watts": None}, {"price": price(0, 0)}), weights=only("cost"))
    assert [(one.endpoint, one.cost_nano) for one in plan.candidates] == [("other", 0), ("one", None)]
    assert plan.candidates[1].gco2 is None
    told = json.loads(header(plan))["candidates"]
    assert [(one["cost_usd"], one["gco2"] is None) for one in told] == [("0.00", False), (None, True)]


def test_reasons_are_made_only_when_they_are_wanted() -> None:
    assert plan_for(pair()).reasons == ()


def test_the_header_holds_the_whole_of_a_usual_plan() -> None:
    plan = plan_for(eight_places(), want_reasons=True)
    told = json.loads(header(plan))
    assert told["chosen"] == plan.order[0]
    assert [one["endpoint"] for one in told["candidates"]] == list(plan.order)
    assert set(told["candidates"][0]["utilities"]) == set(AXES)
    assert "left_out" not in told


@given(st.lists(NAMES, min_size=1, max_size=40), st.lists(NAMES, max_size=10))
def test_the_header_is_short_ascii_without_line_breaks_whatever_the_names(names: list[str], words: list[str]) -> None:
    candidates = tuple(Candidate(name, name, 1.0, 2, 3.0, (0.1,) * 6, 0.5) for name in names)
    text = header(Plan(tuple(names), "objective", EVEN, candidates, reasons=tuple(words)))
    assert len(text) <= HEADER_BYTES
    assert all(" " <= letter <= "~" for letter in text)
    told = json.loads(text)
    assert told["candidates"][0]["endpoint"] == names[0]


def test_a_header_that_is_too_long_keeps_the_chosen_and_counts_what_it_leaves_out() -> None:
    places = [site(f"place-{index:03}") for index in range(60)]
    known = snapshot(places, [endpoint(f"endpoint-{one.id}", one.id) for one in places])
    told = json.loads(header(plan_for(known, want_reasons=True)))
    assert len(told["candidates"]) + told["left_out"] == 60
    assert told["candidates"][0]["endpoint"] == told["chosen"]


@given(st.fixed_dictionaries({axis: st.floats(0.01, 1) for axis in AXES}))
def test_replayed_with_other_weights_a_plan_is_what_the_choice_would_have_been(weights: dict[str, float]) -> None:
    recorded = msgspec.msgpack.decode(msgspec.msgpack.encode(plan_for(eight_places(tolerance=0.0))), type=Plan)
    again = replay(recorded, weights)
    total = sum(weights.values())
    wanted = Weights(**{axis: weight / total for axis, weight in weights.items()})
    chosen = plan_for(eight_places(tolerance=0.0), weights=wanted)
    assert again.order == chosen.order
    assert [one.score for one in again.candidates] == pytest.approx([one.score for one in chosen.candidates])
    assert again.reasons


def test_replayed_under_an_objective_its_target_and_cap_are_judged_anew() -> None:
    known = pair({"rtt_ms": 5.0, "price": price(2, 6)}, {"rtt_ms": 300.0})
    recorded = plan_for(known, weights=only("ttft"))
    assert recorded.order == ("one", "other")
    thrifty = Objective("thrifty", Weights(ttft=1.0), slo_ttft_ms=5_000, max_cost_nano=200_000)
    again = replay(recorded, thrifty)
    assert (again.order, again.objective) == (("other", "one"), "thrifty")
    assert again.dropped[0].reason.startswith("spend cap")
    hasty = replay(again, Objective("hasty", Weights(cost=1.0), slo_ttft_ms=200))
    assert hasty.order == ("one", "other")
    assert hasty.dropped[0].reason.startswith("latency target")
    assert replay(recorded, Objective("strict", EVEN, slo_ttft_ms=0.1)).relaxed == ("latency target",)


def test_replayed_what_stood_behind_stays_behind() -> None:
    table, states = world(pair({"gco2_per_kwh": 20.0}))
    states["one"].dispatched(NOW, 8_000, 0.1)
    recorded = choose(table, states, asking(), NOW, 0.0)
    assert recorded.order == ("other", "one")
    for wanted in ({"carbon": 1_000.0}, Objective("green", only("carbon"), slo_ttft_ms=9_000)):
        again = replay(recorded, wanted)
        assert again.order == ("other", "one")
        assert "long queue" in again.dropped[0].reason


ROUTED = snapshot(
    [site("s", rtt_ms=5.0), site("t", rtt_ms=300.0)],
    [
        endpoint("a", "s", price=price(2, 6), names=("x",)),
        endpoint("b", "t", names=("y",)),
        endpoint("later", "s", model="l"),
        endpoint("last", "s", model="k"),
    ],
    routes={"r": Route("r", ("m",), fallback=("l",))},
)


def routed(**facts: object) -> Plan:
    table, states = world(ROUTED, "r")
    others, weights = (build_table(ROUTED, "k"),), Weights(ttft=0.9, cost=0.1)
    return choose(table, states, asking(others=others, weights=weights, **facts), NOW, 0.0)


def test_replayed_a_fallback_and_other_models_stay_behind_in_their_order() -> None:
    recorded = unpack(routed().packed)
    assert recorded.order == ("a", "b", "later", "last")
    hurried = Objective("hurried", only("ttft"), slo_ttft_ms=100)
    for wanted, order in (({"cost": 9.0}, ("b", "a")), ({"ttft": 9.0}, ("a", "b")), (hurried, ("a", "b"))):
        again = replay(recorded, wanted)
        assert again.order == (*order, "later", "last")
        assert [group.code for group in again.dropped][-2:] == ["fallback", "model"]


def test_replayed_in_another_order_it_is_that_order_and_the_old_one_is_forgotten() -> None:
    rows = {row.id: row for name in "mlk" for row in build_table(ROUTED, name).offers["chat"].rows}
    recorded = unpack(routed(placement=Placement(order=("b",))).packed)
    assert recorded.order == ("b", "a", "later", "last")
    assert replay(recorded, {"ttft": 9.0}).order == recorded.order
    again = replay(recorded, {"cost": 9.0}, Placement(order=("x",)), rows)
    assert again.order == ("a", "b", "later", "last")
    assert [(group.code, group.endpoints) for group in again.dropped] == [
        ("order", ("b",)), ("fallback", ("later",)), ("model", ("last",)),
    ]  # fmt: skip
    assert replay(recorded, {}, Placement(ignore=("x", "y")), rows).order == ("later", "last")


def test_replayed_a_plan_of_one_endpoint_remains_one() -> None:
    recorded = unpack(routed(placement=Placement(fallbacks=False)).packed)
    assert (recorded.order, len(recorded.candidates)) == (("a",), 4)
    again = replay(recorded, {"cost": 9.0, "ttft": 0.0})
    assert (again.order, len(again.candidates)) == (("b",), 4)
