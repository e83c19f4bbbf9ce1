"""Facts worked out before any request: the way to a place, the scales of cost and carbon, what a token emits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_world import PLACES, endpoint, price, site, snapshot

from intertie.core.endpoint import Speed
from intertie.core.site import Site
from intertie.policy.routing.path import quality, rtt_prior
from intertie.policy.routing.reference import cost_scale, grams_per_token

FRANKFURT = Site("fra", at=PLACES["fra"][0])


@pytest.mark.parametrize(
    ("city", "lowest", "highest"), [("par", 0.008, 0.025), ("ash", 0.09, 0.18), ("sin", 0.15, 0.25)]
)
def test_the_expected_round_trip_is_near_what_is_measured_between_cities(
    city: str, lowest: float, highest: float
) -> None:
    assert lowest < rtt_prior(Site(city, at=PLACES[city][0]), FRANKFURT) < highest


def test_a_declared_round_trip_goes_before_the_distance_and_that_before_the_tier() -> None:
    assert rtt_prior(Site("x", rtt_ms=7, at=PLACES["syd"][0]), FRANKFURT) == 0.007
    assert rtt_prior(FRANKFURT, FRANKFURT) == 0.001
    assert rtt_prior(Site("x", "edge"), FRANKFURT) == 0.01
    assert rtt_prior(Site("x", "provider"), None) == 0.08


@given(jitter=st.floats(0, 500), loss=st.floats(0, 1))
def test_jitter_and_loss_only_worsen_a_path(jitter: float, loss: float) -> None:
    assert 0 <= quality(site("x", jitter_ms=jitter, loss=loss), None) <= quality(site("x"), None) <= 1


def test_the_scale_of_cost_spans_the_prices_in_whole_powers_of_ten() -> None:
    ends = [endpoint(f"e{index}", "s", price=price(0.03 * 2**index, 0.2 * 2**index)) for index in range(8)]
    scale = cost_scale(snapshot([site("s")], ends), "chat")
    assert (scale.input, scale.output) == (10.0, 100.0)
    assert scale.low(1_000, 100) == 20_000
    nearly_the_same = cost_scale(snapshot([site("s")], ends[:7]), "chat")
    assert (nearly_the_same.input, nearly_the_same.output) == (10.0, 100.0)


def test_without_prices_or_with_free_ones_there_is_still_a_scale() -> None:
    for dollars in (None, price(0, 0)):
        scale = cost_scale(snapshot([site("s")], [endpoint("e", "s", price=dollars)]), "chat")
        assert scale.span > 0
        assert scale.low(1, 1) > 0


def test_grams_are_power_by_time_by_intensity_and_unknown_where_either_is() -> None:
    busy = endpoint("e", "s", watts=720.0, speed=Speed(prefill_tps=10_000, decode_tps=50, slots=32))
    grams = grams_per_token(busy, site("s", gco2_per_kwh=500.0))
    assert grams == pytest.approx((720 / 3.6e6 * 500 / 10_000, 720 / 3.6e6 * 500 / (50 * 16)))
    assert grams_per_token(busy, site("s", gco2_per_kwh=None)) is None
    assert grams_per_token(endpoint("e", "s", watts=None), site("s")) is None
