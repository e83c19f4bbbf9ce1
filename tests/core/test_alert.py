"""Thresholds of budgets."""

import pytest

from intertie.core.alert import reached


@pytest.mark.parametrize(
    ("settled", "cap", "percents"),
    [(0, 10, ()), (49, 100, ()), (8, 10, (50, 80)), (10, 10, (50, 80, 90, 100)), (5, 0, ())],
)
def test_a_threshold_is_reached_at_its_very_figure(settled: int, cap: int, percents: tuple[int, ...]) -> None:
    assert reached(settled, cap) == percents
