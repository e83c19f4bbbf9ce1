"""Percentiles by nearest rank."""

from hypothesis import given
from hypothesis import strategies as st

from intertie.sim.percentile import percentile, percentiles


def test_of_a_hundred_values_the_percentiles_are_their_ranks():
    values = [float(n) for n in range(100, 0, -1)]
    assert percentiles(values, (0.5, 0.9, 0.99, 1.0)) == [50.0, 90.0, 99.0, 100.0]


def test_of_no_values_a_percentile_is_zero():
    assert percentile([], 0.5) == 0.0
    assert percentiles([], (0.5, 0.99)) == [0.0, 0.0]


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0.01, 1.0))
def test_enough_values_do_not_exceed_a_percentile(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
