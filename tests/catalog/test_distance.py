from hypothesis import given
from hypothesis import strategies as st

from intertie.catalog.distance import distance_km, rtt_estimate_ms

places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
FRANKFURT, SINGAPORE, ASHBURN, PARIS = (50.1155, 8.6842), (1.2897, 103.8501), (39.0437, -77.4875), (48.8534, 2.3488)


def test_distances_between_known_cities() -> None:
    assert round(distance_km(FRANKFURT, SINGAPORE)) == 10_265
    assert round(distance_km(FRANKFURT, PARIS)) == 479
    assert round(distance_km((0, 0), (0, 180))) == 20_015


@given(places, places)
def test_a_distance_is_the_same_both_ways_and_never_more_than_half_around(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    assert abs(distance_km(one, other) - distance_km(other, one)) < 1e-6
    assert 0 <= distance_km(one, other) <= 20_016


@given(places, places)
def test_no_round_trip_is_faster_than_light_in_fibre(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert rtt_estimate_ms(one, other) >= distance_km(one, other) / 100  # 200 km per ms, there and back


def test_the_estimate_is_near_what_was_measured() -> None:
    for place, measured_ms in ((PARIS, 9.8), (ASHBURN, 89.8), (SINGAPORE, 155.1)):
        assert 0.6 <= rtt_estimate_ms(FRANKFURT, place) / measured_ms <= 1.4
