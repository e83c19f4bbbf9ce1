"""What holds of every choice, whatever the world: residency, independence of others, monotony, honest probabilities."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_world import CHEAP, NOW, asking, eight_places, endpoint, price, site, snapshot, world

from intertie.config.snapshot import Route, Snapshot
from intertie.core.faults import ConnectFailed, NoCandidate, UpstreamBusy
from intertie.core.money import Price
from intertie.core.plan import AXES, Plan, Weights
from intertie.policy.routing.choose import choose, worst_cost
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.weights import blend

ZONES = ("EU", "DE", "FR", "US", "SG")
# In thousandths: weights so small that their scores vanish in rounding make ties, and a tie is drawn by lot.
THOUSANDTHS = st.integers(0, 1_000).map(lambda number: number / 1_000)
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(AXES, THOUSANDTHS)).filter(lambda given: sum(given.values()) > 0.01)
DOLLARS = st.one_of(st.just(0.0), st.floats(0.02, 80))
PRICES = st.one_of(st.none(), st.builds(price, DOLLARS, DOLLARS))
ANCHORS = [  # another model's prices, which hold the references of the cost axis where they are
    endpoint(f"anchor-{index}", "s0", model="anchor", price=price(dollars, dollars))
    for index, dollars in enumerate((0.01, 0.01, 0.01, 90, 90, 90))
]


@dataclass
class Spot:
    """A site with one endpoint, and what has happened there."""

    rtt_ms: float
    jitter_ms: float
    gco2: float | None
    dollars: Price | None
    busy: int
    zones: tuple[str, ...]
    fate: str


def any_spot(busiest: int = 40) -> st.SearchStrategy[Spot]:
    """Any spot; with up to 31 requests under way none waits for one of its 32 slots."""
    return st.builds(
        Spot,
        rtt_ms=st.floats(0.1, 900),
        jitter_ms=st.floats(0, 60),
        gco2=st.one_of(st.none(), st.floats(1, 900)),
        dollars=PRICES,
        busy=st.integers(0, busiest),
        zones=st.lists(st.sampled_from(ZONES), max_size=3, unique=True).map(tuple),
        fate=st.sampled_from(["well", "open", "busy", "failed"]),
    )


def place(spots: list[Spot], **facts) -> tuple[Snapshot, dict[str, EndpointState]]:
    """A world of the spots `s0`, `s1`, … with all that has happened there."""
    sites = [
        site(f"s{index}", rtt_ms=spot.rtt_ms, jitter_ms=spot.jitter_ms, gco2_per_kwh=spot.gco2, jurisdiction=spot.zones)
        for index, spot in enumerate(spots)
    ]
    endpoints = [endpoint(f"s{index}", f"s{index}", price=spot.dollars) for index, spot in enumerate(spots)]
    known = snapshot(sites, [*endpoints, *ANCHORS], **facts)
    _, states = world(known)
    for index, spot in enumerate(spots):
        happen(states[f"s{index}"], spot)
    return known, states


def happen(state: EndpointState, spot: Spot) -> None:
    for _ in range(spot.busy):
        state.dispatched(NOW - 1, 0, 0.1)
    for _ in range({"open": 5, "failed": 1}.get(spot.fate, 0)):
        state.dispatched(NOW - 1, 10, 0.1).failed(NOW - 1, ConnectFailed("refused"))
    if spot.fate == "busy":
        state.dispatched(NOW - 1, 10, 0.1).failed(NOW - 1, UpstreamBusy("full", 429, retry_after=30))


def chosen(known: Snapshot, states: dict[str, EndpointState], name: str = "m", **facts) -> Plan | None:
    table, _ = world(known, name)
    try:
        return choose(table, states, asking(**facts), NOW, 0.0)
    except NoCandidate:
        return None


@given(
    spots=st.lists(any_spot(31), min_size=1, max_size=6), extra=any_spot(31), weights=WEIGHTS, slo=st.floats(0.02, 3)
)
def test_a_site_more_never_reorders_the_others(
    spots: list[Spot], extra: Spot, weights: dict[str, float], slo: float
) -> None:
    """Of all that the choice does, only the gate before long queues looks from one candidate to another."""
    wanted = {"weights": blend(Weights(), weights), "slo_s": slo, "max_cost_nano": 100_000}
    before, after = chosen(*place(spots), **wanted), chosen(*place([*spots, extra]), **wanted)
    if before is None or after is None:
        return
    assert [end for end in after.order if end != f"s{len(spots)}"] == list(before.order)
    scores = {one.endpoint: (one.utilities, one.score) for one in after.candidates}
    assert all(scores[one.endpoint] == (one.utilities, one.score) for one in before.candidates)


@given(
    spots=st.lists(any_spot(), min_size=1, max_size=7),
    residency=st.lists(
        st.lists(st.sampled_from((*ZONES, "eu", "MARS")), min_size=1, max_size=2).map(tuple), max_size=2
    ),
    session=st.sampled_from(["", "s0", "s1"]),
    slo=st.floats(0.001, 2),
)
def test_data_never_goes_where_it_may_not(
    spots: list[Spot], residency: list[tuple[str, ...]], session: str, slo: float
) -> None:
    known, states = place(spots, routes={"r": Route("r", ("absent",), fallback=("m",))})
    for name in ("m", "r"):
        plan = chosen(
            known, states, name=name, residency=tuple(residency), session=session, slo_s=slo, affinity=b"12345678"
        )
        for end in plan.order if plan else ():
            zones = set(known.sites[end].jurisdiction)
            assert all(zones & {zone.upper() for zone in wanted} for wanted in residency)


@given(
    spots=st.lists(any_spot(), min_size=2, max_size=6),
    weights=WEIGHTS,
    axis=st.sampled_from(AXES),
    more=st.floats(0.01, 5),
)
def test_a_higher_weight_never_lowers_what_is_chosen_on_its_axis(
    spots: list[Spot], weights: dict[str, float], axis: str, more: float
) -> None:
    known, states = place(spots)
    heavier = {**weights, axis: weights[axis] + more}
    before = chosen(known, states, weights=blend(Weights(), weights), session="s1")
    after = chosen(known, states, weights=blend(Weights(), heavier), session="s1")
    if before and after:
        index = AXES.index(axis)
        assert after.candidates[0].utilities[index] >= before.candidates[0].utilities[index] - 1e-9


@given(spots=st.lists(any_spot(), min_size=1, max_size=7), tolerance=st.floats(0, 0.5))
def test_the_probabilities_sum_to_one_and_are_those_of_the_draw(spots: list[Spot], tolerance: float) -> None:
    known, states = place(spots, tolerance=tolerance)
    table, _ = world(known)
    lots, drawn, told = 400, {}, {}
    for step in range(lots):
        try:
            plan = choose(table, states, asking(), NOW, step / lots)
        except NoCandidate:
            return
        drawn[plan.order[0]] = drawn.get(plan.order[0], 0) + 1
        told[plan.order[0]] = plan.probability
    assert sum(told.values()) == pytest.approx(1.0)
    for end, count in drawn.items():
        assert count / lots == pytest.approx(told[end], abs=2 / lots)


@given(spots=st.lists(any_spot(), min_size=1, max_size=7), lot=st.floats(0, 1, exclude_max=True))
def test_the_order_names_each_candidate_once_and_the_first_is_within_the_tolerance(
    spots: list[Spot], lot: float
) -> None:
    known, states = place(spots, tolerance=0.1)
    table, _ = world(known)
    try:
        plan = choose(table, states, asking(), NOW, lot)
    except NoCandidate:
        return
    assert len(set(plan.order)) == len(plan.order)
    assert plan.order == tuple(one.endpoint for one in plan.candidates)
    behind = {end for group in plan.dropped for end in group.endpoints}
    best = max(one.score for one in plan.candidates if one.endpoint not in behind)
    assert plan.order[0] not in behind
    assert plan.candidates[0].score >= best - 0.1


@given(
    dollars=st.lists(PRICES, min_size=1, max_size=6),
    prompt=st.integers(0, 200_000),
    limit=st.integers(1, 9_000),
    choices=st.integers(1, 4),
)
def test_the_hold_is_exactly_the_dearest_price(
    dollars: list[Price | None], prompt: int, limit: int, choices: int
) -> None:
    known = snapshot([site("s")], [endpoint(f"e{index}", "s", price=one) for index, one in enumerate(dollars)])
    table, _ = world(known)
    worst = worst_cost(table, asking(max_output=limit), prompt, choices)
    assert worst == max((one.worst(prompt, limit * choices) for one in dollars if one), default=None)
    unlimited = worst_cost(table, asking(), prompt, choices)
    assert unlimited == max((one.worst(prompt, 4_096 * choices) for one in dollars if one), default=None)


def test_the_hold_counts_only_models_that_are_permitted_and_those_of_the_fallback() -> None:
    ends = [endpoint("a", "s", model="a"), endpoint("b", "s", model="b", price=price(5, 5))]
    known = snapshot([site("s")], ends, routes={"r": Route("r", ("a",), fallback=("b",))})
    table, _ = world(known, "r")
    both, one = (worst_cost(table, asking(permitted=permitted), 1_000, 1) for permitted in (None, frozenset({"a"})))
    assert both is not None
    assert both > CHEAP.worst(1_000, 4_096)
    assert one == CHEAP.worst(1_000, 4_096)


def test_eight_places_are_judged_and_the_better_half_is_near() -> None:
    table, states = world(eight_places())
    plan = choose(table, states, asking(), NOW, 0.0)
    assert len(plan.order) == 8
    assert plan.order[0] in ("m-fra", "m-par")
