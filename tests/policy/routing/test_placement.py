"""What a request says of endpoints by name, price and keeping, and of other models: kept, told, and never relaxed."""

import pytest
from routing_world import NOW, asking, endpoint, only, pair, plan_for, price, site, snapshot, world

from intertie.config.snapshot import Route, Snapshot
from intertie.core.call import NO_ASK, Ask, Call, MaxPrice
from intertie.core.faults import InvalidRequest, NoCandidate, UpstreamBusy
from intertie.core.money import Price, Step, Tier, rated
from intertie.core.plan import Plan
from intertie.core.principal import Principal
from intertie.policy.routing.choice import Choice, resolve, wants_of
from intertie.policy.routing.choose import choose, worst_cost
from intertie.policy.routing.placement import Placement, placement_of
from intertie.policy.routing.table import build_table

SOMEONE = Principal("k", "key")


def dollars(amount: float) -> int:
    return int(amount * 1e9)


def three(**facts: object) -> Snapshot:
    """Endpoints a, b and c of model m at sites of their own; a is the fastest, c the slowest."""
    places = [site(name, rtt_ms=rtt) for name, rtt in (("sa", 1.0), ("sb", 100.0), ("sc", 200.0))]
    ends = [
        endpoint(name, f"s{name}", names=(name, f"s{name}", f"p{name}", "many"), retains=name != "b") for name in "abc"
    ]
    return snapshot(places, ends, **facts)


def resolved(known: Snapshot, ask: Ask, name: str = "m") -> Choice:
    tables = {
        one: build_table(known, one) for one in {end.model for end in known.endpoints.values()} | set(known.routes)
    }
    usual = wants_of(tables[name], SOMEONE, NO_ASK, False)
    return resolve(known, tables, SOMEONE, Call("chat", name, b"{}", prompt_tokens=400, ask=ask), usual, 0.0)


def asked(known: Snapshot, ask: Ask, name: str = "m", lot: float = 0.0) -> Plan:
    table, states = world(known, name)
    return choose(table, states, resolved(known, ask, name), NOW, lot)


def codes(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {group.code: group.endpoints for group in plan.dropped}


@pytest.mark.parametrize("name", ["b", "sb", "pb", "PB"])
def test_only_those_that_are_named_serve_whether_by_endpoint_site_or_provider(name: str) -> None:
    plan = asked(three(), Ask(only=(name, "unknown")))
    assert plan.order == ("b",)
    assert codes(plan) == {"only": ("a", "c")}
    assert plan.dropped[0].reason == f"only: {name.lower()} or unknown wanted"


@pytest.mark.parametrize("name", ["b", "sb", "pb", "PB"])
def test_those_to_be_ignored_never_serve(name: str) -> None:
    plan = asked(three(), Ask(ignore=(name, "unknown")))
    assert set(plan.order) == {"a", "c"}
    assert codes(plan) == {"ignore": ("b",)}
    assert plan.dropped[0].reason == f"ignore: {name.lower()} not wanted"


def test_who_may_keep_what_it_is_sent_does_not_serve_where_nothing_may_be_kept() -> None:
    plan = asked(three(), Ask(no_retention=True))
    assert (plan.order, codes(plan)) == (("b",), {"retention": ("a", "c")})


def test_what_the_request_itself_excludes_is_the_callers_to_correct() -> None:
    for ask, told in (
        (Ask(only=("nobody",)), "3 by only: nobody wanted"),
        (Ask(ignore=("many",)), "3 by ignore: many not wanted"),
        (Ask(only=("a", "c"), no_retention=True), "1 by only: a or c wanted"),
        (Ask(max_price=MaxPrice(prompt="0.01")), "3 by max price: above \\$0.01 per million prompt tokens"),
    ):
        with pytest.raises(InvalidRequest, match=told) as caught:
            asked(three(), ask)
        assert (caught.value.status, caught.value.code) == (400, "nothing_allowed")


def test_what_time_may_help_is_still_worth_another_try() -> None:
    known = three()
    table, states = world(known)
    states["b"].dispatched(NOW, 1, 0.1).failed(NOW, UpstreamBusy("full", 429, retry_after=5), 0.0)
    with pytest.raises(NoCandidate) as caught:
        choose(table, states, resolved(known, Ask(only=("b",))), NOW, 0.0)
    assert caught.value.retry_after == pytest.approx(5)


def test_long_lists_are_told_in_short() -> None:
    plan = asked(three(), Ask(only=("a", *(f"{index:0256}" for index in range(63)))))
    assert plan.order == ("a",)
    assert plan.dropped[0].reason.endswith("or 61 more wanted")
    assert len(plan.dropped[0].reason) < 256


def capped(own: Price | None, **caps: str) -> tuple[str, ...]:
    return asked(pair({"price": own}, {"price": price(0, 0)}), Ask(max_price=MaxPrice(**caps))).order


def test_no_list_price_above_the_cap_serves_be_it_the_cheapest_that_is_left() -> None:
    assert "one" in capped(price(1, 2), prompt="1", completion="2")
    assert "one" not in capped(price(1, 2), prompt="0.999999999")
    assert "one" not in capped(price(1, 2), completion="1.9")
    assert "one" in capped(rated({"input": 1, "per_request": 5_000}), request="0.000005")
    assert "one" not in capped(rated({"input": 1, "per_request": 5_000}), request="0.000004")
    assert "one" not in capped(None, prompt="1000")


def test_the_dearest_step_and_tier_count_since_either_may_come() -> None:
    stepped = rated({"input": dollars(1), "output": dollars(2)}, steps=[Step(200_000, price(2, 3))])
    assert "one" in capped(stepped, prompt="2", completion="3")
    assert "one" not in capped(stepped, prompt="1.5")
    tiered = rated({"input": dollars(1)}, tiers=[Tier("priority", rated({"input": 1}, steps=[Step(1, price(4, 1))]))])
    assert "one" not in capped(tiered, prompt="3")
    assert "one" in capped(tiered, prompt="4", completion="1")


def test_what_is_sold_by_the_piece_has_no_price_per_token() -> None:
    assert "one" not in capped(rated({"image": dollars(0.01)}), prompt="1000")


@pytest.mark.parametrize("field", ["prompt", "completion", "request"])
def test_a_cap_that_is_no_amount_is_refused_by_name(field: str) -> None:
    with pytest.raises(InvalidRequest, match="not an amount") as caught:
        placement_of(Ask(max_price=MaxPrice(**{field: "cheap"})), "m")
    assert caught.value.param == f"intertie.max_price.{field}"


def test_who_says_nothing_of_placement_has_none() -> None:
    assert placement_of(Ask(objective="x", strict=True, max_price=MaxPrice(), models=("m",)), "m") is None
    assert placement_of(Ask(fallbacks=False), "m") == Placement(fallbacks=False)


def test_an_order_stands_before_the_score_and_is_drawn_by_no_lot() -> None:
    for lot in (0.0, 0.5, 0.99):
        plan = asked(three(tolerance=1.0), Ask(order=("pc", "sb")), lot=lot)
        assert (plan.order, plan.probability) == (("c", "b", "a"), 1.0)
    assert [(group.code, group.endpoints) for group in plan.dropped] == [("order", ("b",)), ("order", ("a",))]


def test_within_one_name_of_an_order_the_score_decides_and_those_not_named_come_last() -> None:
    ends = [endpoint(name, f"s{name}", names=("far",) if name in "bc" else ()) for name in "abc"]
    known = snapshot(three().sites.values(), ends)
    assert asked(known, Ask(order=("nobody", "far"), weights={"ttft": 1.0})).order == ("b", "c", "a")
    drawn = {
        asked(snapshot(three().sites.values(), ends, tolerance=1.0), Ask(order=("far",)), lot=lot).order[0]
        for lot in (0.0, 0.9)
    }
    assert drawn == {"b", "c"}


def test_an_order_stands_before_soft_limits_and_what_gives_way_is_told() -> None:
    known = pair({"rtt_ms": 5_000.0, "names": ("one",)})
    plan = asked(known, Ask(order=("one",), slo_ttft_ms=500, explain=True))
    assert (plan.order, plan.relaxed) == (("one", "other"), ("latency target",))
    assert "The latency target gave way: another order was asked for." in plan.reasons
    assert plan.reasons[0].endswith("chosen before other, which stands back (order).")


def test_an_order_cannot_bring_back_what_may_not_serve() -> None:
    assert asked(three(), Ask(order=("a", "b"), ignore=("a",))).order == ("b", "c")


def test_without_fallbacks_one_is_tried_and_the_others_are_only_told_of() -> None:
    plan = asked(three(), Ask(fallbacks=False, explain=True))
    assert plan.order == ("a",)
    assert [one.endpoint for one in plan.candidates] == ["a", "b", "c"]
    assert plan.reasons[-1] == "No other is tried if it fails: no fallback was wanted."
    assert asked(three(), Ask(fallbacks=False, order=("c",))).order == ("c",)


MANY = snapshot(
    [site("s"), site("t")],
    [
        *(endpoint(name, "s", model=name, price=price(number, number)) for number, name in enumerate("mnopq", 1)),
        endpoint("m2", "t", model="m"),
        endpoint("vectors", "s", model="v", operations=("embeddings",)),
    ],
    routes={"r": Route("r", ("n", "m"), fallback=("o",)), "f": Route("f", ("m",), fallback=("q",))},
)  # fmt: skip


def test_other_models_stand_behind_everything_else_in_their_order_each_endpoint_once() -> None:
    plan = asked(MANY, Ask(models=("p", "r", "m", "p")))
    assert set(plan.order[:2]) == {"m", "m2"}
    assert plan.order[2:] == ("p", "n", "o")
    assert [(group.code, group.endpoints) for group in plan.dropped] == [
        ("model", ("p",)),
        ("model", ("n",)),
        ("model", ("o",)),
    ]
    plan = asked(MANY, Ask(models=("p",)), "f")
    assert plan.order[2:] == ("q", "p")
    assert [group.code for group in plan.dropped] == ["fallback", "model"]


def test_other_models_take_over_where_none_of_the_model_may_serve() -> None:
    plan = asked(MANY, Ask(models=("v", "p"), only=("p",)))
    assert (plan.order, codes(plan)) == (("p",), {"only": ("m", "m2")})
    assert asked(MANY, Ask(models=("p",)), "v").order == ("p",)


def test_what_a_request_excludes_is_excluded_of_other_models_too() -> None:
    assert asked(MANY, Ask(models=("p", "q"), ignore=("p",), fallbacks=False)).order[0] in ("m", "m2")
    assert asked(MANY, Ask(models=("p", "q"), ignore=("p", "t"))).order == ("m", "q")


def test_the_hold_covers_what_other_models_may_cost() -> None:
    table = build_table(MANY, "m")
    alone, more = (worst_cost(table, resolved(MANY, ask), 1_000, 1) for ask in (Ask(), Ask(models=("q", "n"))))
    assert alone == price(1, 1).worst(1_000, 4_096)
    assert more == price(5, 5).worst(1_000, 4_096)


def test_a_price_that_is_not_known_binds_other_models_under_a_budget_too() -> None:
    known = snapshot([site("s")], [endpoint("m", "s"), endpoint("x", "s", model="x", price=None)])
    table, states = world(known)
    choice = asking(under_budget=True, others=(build_table(known, "x"),))
    assert codes(choose(table, states, choice, NOW, 0.0)) == {"unpriced": ("x",)}


def test_other_models_are_told_from_the_sentences() -> None:
    plan = asked(MANY, Ask(models=("p",), explain=True, weights={"cost": 1.0}))
    assert any(
        line == "Not considered: p (model: kept for when those asked for before it fail)." for line in plan.reasons
    )


def test_a_session_keeps_its_place_only_where_the_order_allows() -> None:
    known = three()
    table, states = world(known)
    ask = resolved(known, Ask(order=("b",)))
    choice = Choice(ask.operation, ask.prompt_tokens, ask.wants, session="c")
    assert choose(table, states, choice, NOW, 0.0).order == ("b", "c", "a")
    assert only("affinity").affinity == 1.0 and plan_for(known, session="c", weights=only("affinity")).order[0] == "c"
