"""Hard constraints and the faults that tell of them; soft ones and the order in which they give way."""

import pytest
from routing_world import NOW, asking, endpoint, only, pair, plan_for, price, site, snapshot, world

from intertie.config.snapshot import Route
from intertie.core.faults import InvalidRequest, NoCandidate, NotFound, UpstreamBusy
from intertie.policy.routing.choose import choose
from intertie.policy.routing.table import build_table

DEAR = price(50, 150)


def test_a_prompt_that_fits_nowhere_is_the_callers_to_shorten() -> None:
    known = pair({"context": 1_000}, {"context": 2_000})
    assert plan_for(known, prompt_tokens=1_500).order == ("other",)
    assert plan_for(known, prompt_tokens=500, max_output=1_000).order == ("other",)
    with pytest.raises(InvalidRequest, match="at most 2000 do") as caught:
        plan_for(known, prompt_tokens=1_500, max_output=501)
    assert (caught.value.code, caught.value.status) == ("context_length_exceeded", 400)


def test_an_operation_that_nobody_does_is_the_callers_to_change() -> None:
    with pytest.raises(InvalidRequest, match="does not do embeddings"):
        plan_for(pair(), operation="embeddings")
    plan = plan_for(pair({"operations": ("embeddings",)}), operation="embeddings")
    assert plan.order == ("one",)
    assert (plan.dropped[0].endpoints, plan.dropped[0].reason[:9]) == (("other",), "operation")


def test_each_wanted_set_of_jurisdictions_must_be_met() -> None:
    known = pair({"jurisdiction": ("EU", "DE")}, {"jurisdiction": ("EU", "FR")})
    assert len(plan_for(known, residency=(("EU",),)).order) == 2
    plan = plan_for(known, residency=(("EU",), ("fr", "US")))
    assert plan.order == ("other",)
    assert plan.dropped[0].reason == "residency: EU and fr/US wanted"
    with pytest.raises(NoCandidate, match="2 by residency: EU and MARS wanted") as caught:
        plan_for(known, residency=(("EU",), ("MARS",)))
    assert caught.value.retry_after is None
    assert caught.value.should_retry is False


def test_a_site_of_no_jurisdiction_is_nowhere_that_was_wanted() -> None:
    assert plan_for(pair({"jurisdiction": ()}), residency=(("EU",),)).order == ("other",)


def test_without_a_price_nothing_runs_under_a_budget() -> None:
    known = pair({"price": None})
    assert len(plan_for(known).order) == 2
    plan = plan_for(known, under_budget=True)
    assert plan.order == ("other",)
    assert plan.dropped[0].reason.startswith("price")


def test_a_route_spans_models_but_only_those_that_are_permitted_and_names_no_other() -> None:
    ends = [endpoint("a", "s", model="ma"), endpoint("b", "s", model="mb")]
    table, states = world(snapshot([site("s")], ends, routes={"r": Route("r", ("ma", "mb"))}), "r")
    assert set(choose(table, states, asking(), NOW, 0.0).order) == {"a", "b"}
    plan = choose(table, states, asking(permitted=frozenset({"mb"})), NOW, 0.0)
    assert (plan.order, plan.dropped) == (("b",), ())
    with pytest.raises(NoCandidate, match="its models are not yours") as caught:
        choose(table, states, asking(permitted=frozenset({"other"})), NOW, 0.0)
    assert "mb" not in caught.value.message


def test_a_fallback_stands_behind_the_candidates_and_takes_over_when_none_is_left() -> None:
    ends = [endpoint("a", "far", model="ma"), endpoint("b", "near", model="mb")]
    places = [site("far", rtt_ms=300.0), site("near", rtt_ms=1.0)]
    table, states = world(snapshot(places, ends, routes={"r": Route("r", ("ma",), fallback=("mb",))}), "r")
    plan = choose(table, states, asking(weights=only("ttft")), NOW, 0.0)
    assert plan.order == ("a", "b")
    assert (plan.dropped[0].endpoints, plan.dropped[0].reason[:8]) == (("b",), "fallback")
    states["a"].dispatched(NOW, 1, 0.1).failed(NOW, UpstreamBusy("full", 429, retry_after=5))
    assert choose(table, states, asking(), NOW, 0.0).order == ("b",)


def test_a_pause_that_was_asked_for_tells_the_caller_when_to_come_back() -> None:
    table, states = world(pair())
    for state, seconds in zip(states.values(), (30, 10), strict=True):
        state.dispatched(NOW, 1, 0.1).failed(NOW, UpstreamBusy("full", 429, retry_after=seconds), 0.0)
    with pytest.raises(NoCandidate, match="2 by busy") as caught:
        choose(table, states, asking(), NOW, 0.0)
    assert caught.value.retry_after == pytest.approx(10)
    assert caught.value.should_retry


def test_a_name_that_is_neither_model_nor_route_does_not_exist() -> None:
    with pytest.raises(NotFound, match="'nothing' does not exist"):
        build_table(pair(), "nothing")


@pytest.mark.parametrize(
    ("facts", "wanted", "relaxed"),
    [
        ({}, {}, ()),
        ({"gco2_per_kwh": 900.0}, {"max_gco2": 1e-6}, ("carbon cap",)),
        ({"price": DEAR}, {"max_cost_nano": 1_000, "max_gco2": 1.0}, ("spend cap",)),
        ({"rtt_ms": 5_000.0}, {"max_cost_nano": 10**9}, ("latency target",)),
        ({"rtt_ms": 5_000.0}, {"max_cost_nano": 1}, ("spend cap", "latency target")),
    ],
)
def test_what_nothing_keeps_gives_way_and_is_told(facts: dict, wanted: dict, relaxed: tuple[str, ...]) -> None:
    assert plan_for(pair(facts, facts), **wanted).relaxed == relaxed


def test_the_carbon_cap_gives_way_before_the_spend_cap_and_that_before_the_latency_target() -> None:
    late, dear, dirty = {"rtt_ms": 5_000.0}, {"price": DEAR}, {"gco2_per_kwh": 900.0}
    caps = {"max_cost_nano": 1_000_000, "max_gco2": 0.02}
    assert plan_for(pair(dirty, dear), **caps).order == ("one", "other")
    assert plan_for(pair(dirty, dear), **caps).relaxed == ("carbon cap",)
    assert plan_for(pair(late, dear), **caps).order == ("other", "one")
    assert plan_for(pair(late, dear), **caps).relaxed == ("spend cap",)
    both = plan_for(pair(late, dear | dirty), **caps)
    assert (both.order[0], both.relaxed) == ("other", ("carbon cap", "spend cap"))
    assert both.dropped[0].reason == "latency target: kept for when the others fail"


def test_an_unknown_price_keeps_no_spend_cap() -> None:
    assert plan_for(pair({"price": None}), max_cost_nano=10**9).order == ("other", "one")


def test_soft_constraints_go_before_any_weight() -> None:
    known = pair({"rtt_ms": 5_000.0, "gco2_per_kwh": 1.0})
    assert plan_for(known, weights=only("carbon")).order == ("other", "one")
