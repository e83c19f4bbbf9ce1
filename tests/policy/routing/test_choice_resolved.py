"""What a call, its principal and the snapshot add up to as one choice."""

import pytest
from routing_world import EVEN, endpoint, pair, site, snapshot, world

from intertie.config.snapshot import Route
from intertie.core.call import NO_ASK, Ask, Call
from intertie.core.faults import InvalidRequest
from intertie.core.plan import AXES, Objective, Weights
from intertie.core.principal import Principal
from intertie.policy.routing.affinity import name_digest, sign, tenant
from intertie.policy.routing.choice import Choice, resolve, wants_of

WALL = 1_790_000_000.0
KNOWN = snapshot(
    [site("s")],
    [endpoint("e", "s")],
    objectives={
        "realtime": Objective("realtime", Weights(ttft=3, proximity=1), slo_ttft_ms=200),
        "economy": Objective("economy", Weights(cost=8, carbon=2), slo_ttft_ms=9_000, max_cost_nano=5_000_000),
    },
    routes={"r": Route("r", ("m",), objective="realtime")},
    default_objective="economy",
)
SOMEONE = Principal("k", "key")


def resolved(ask: Ask | None = None, principal: Principal = SOMEONE, name: str = "m", **facts) -> Choice:
    call = Call("chat", name, b"{}", prompt_tokens=10, ask=ask or Ask(), **facts)
    table = world(KNOWN, name)[0]
    usual = wants_of(table, principal, NO_ASK, facts.pop("under_budget", False))
    return resolve(KNOWN, {name: table}, principal, call, usual, WALL)


def test_the_request_goes_before_the_principal_before_the_route_before_the_default() -> None:
    economist = Principal("k", "key", objective="economy")
    assert resolved().wants.objective == "economy"
    assert resolved(name="r").wants.objective == "realtime"
    assert resolved(name="r", principal=economist).wants.objective == "economy"
    assert resolved(Ask(objective="realtime"), economist).wants.objective == "realtime"


def test_weights_are_laid_over_each_other_axis_by_axis_and_sum_to_one() -> None:
    choice = resolved(Ask(weights={"cost": 1.0}), Principal("k", "key", weights={"cost": 9.0, "ttft": 0.8}))
    assert choice.wants.weights == Weights(ttft=0.4, cost=0.5, carbon=0.1)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"speed": 1.0}, "ttft, cost, affinity, capacity, proximity, carbon"),
        ({"cost": -1.0}, "from 0 up"),
        ({"cost": float("nan")}, "from 0 up"),
        ({"cost": float("inf")}, "from 0 up"),
        (dict.fromkeys(AXES, 0.0), "above 0"),
        (dict.fromkeys(AXES, 1e308), "finite"),
    ],
)
def test_weights_that_mean_nothing_are_refused_with_what_is_allowed(weights: dict[str, float], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        resolved(Ask(weights=weights))
    assert caught.value.param == "intertie.weights"


def test_an_unknown_objective_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="balanced, economy, realtime") as caught:
        resolved(Ask(objective="fast"))
    assert caught.value.param == "intertie.objective"


def test_the_latency_target_is_the_requests_or_the_objectives() -> None:
    assert resolved().wants.slo_s == 9.0
    assert resolved(Ask(slo_ttft_ms=150)).wants.slo_s == 0.15
    for wrong in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(InvalidRequest, match="above 0"):
            resolved(Ask(slo_ttft_ms=wrong))


def test_of_two_spend_caps_the_lower_holds() -> None:
    assert resolved().wants.max_cost_nano == 5_000_000
    assert resolved(Ask(max_cost_usd="0.001")).wants.max_cost_nano == 1_000_000
    assert resolved(Ask(max_cost_usd="1")).wants.max_cost_nano == 5_000_000
    with pytest.raises(InvalidRequest, match="not an amount") as caught:
        resolved(Ask(max_cost_usd="cheap"))
    assert caught.value.param == "intertie.max_cost_usd"


def test_residency_of_principal_and_request_both_hold() -> None:
    principal = Principal("k", "key", residency=("EU",))
    assert resolved(Ask(residency=("DE", "EU")), principal).wants.residency == (("EU",), ("DE", "EU"))
    assert resolved().wants.residency == ()


def test_a_residency_that_no_site_lies_in_is_the_callers_to_correct_but_not_the_principals() -> None:
    with pytest.raises(InvalidRequest, match="no site lies in MARS or US; there are EU") as caught:
        resolved(Ask(residency=("MARS", "US")))
    assert (caught.value.code, caught.value.param) == ("unknown_residency", "intertie.residency")
    assert resolved(Ask(residency=("MARS", "eu"))).wants.residency == (("MARS", "eu"),)
    assert resolved(principal=Principal("k", "key", residency=("MARS",))).wants.residency == (("MARS",),)


def test_who_may_use_a_route_may_use_what_it_stands_for() -> None:
    assert resolved(principal=Principal("k", "key", models=frozenset({"r"})), name="r").wants.permitted is None
    assert resolved(principal=Principal("k", "key", models=frozenset({"x"})), name="r").wants.permitted == {"x"}


def test_a_session_is_the_endpoint_of_a_token_or_the_digest_of_a_name() -> None:
    token = sign(KNOWN.pepper, tenant(SOMEONE), "e", WALL)
    assert resolved(Ask(session=token), affinity=b"8 bytes.").session == "e"
    assert resolved(Ask(session=token), Principal("other", "key"), affinity=b"8 bytes.").session == ""
    assert resolved(Ask(session="chat-1")).affinity == name_digest(tenant(SOMEONE), "chat-1")
    assert resolved(affinity=b"8 bytes.").affinity == b"8 bytes."


def test_who_may_go_without_prices_is_not_held_to_them() -> None:
    table = world(KNOWN)[0]
    assert wants_of(table, SOMEONE, NO_ASK, True).under_budget
    assert not wants_of(table, Principal("k", "key", allow_unpriced=True), NO_ASK, True).under_budget


def test_a_snapshot_without_objectives_is_balanced() -> None:
    known = pair()
    wants = wants_of(world(known)[0], SOMEONE, NO_ASK, False)
    assert wants.objective == "balanced"
    assert sum(getattr(wants.weights, axis) for axis in AXES) == pytest.approx(1.0)
    assert sum(getattr(EVEN, axis) for axis in AXES) == pytest.approx(1.0)
