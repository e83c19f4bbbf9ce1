"""Percentiles, by nearest rank: always a value that was really seen."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` (0 < share ≤ 1) of them do not exceed; 0.0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def percentiles(values: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Several percentiles of the same values, sorted only once."""
    ordered = sorted(values)
    return [ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0 for share in shares]
