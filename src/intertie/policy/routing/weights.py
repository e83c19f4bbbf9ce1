"""Weights of the axes: those of the objective, with what a principal and a request lay over them."""

from collections.abc import Mapping
from math import isfinite

from intertie.core.faults import InvalidRequest
from intertie.core.plan import AXES, Objective, Weights

BALANCED = Objective("balanced", Weights(ttft=0.25, cost=0.25, affinity=0.2, capacity=0.15, proximity=0.05, carbon=0.1))
"""Stands in where a snapshot does not declare its own default objective."""


def blend(base: Weights, *overlays: Mapping[str, float] | None) -> Weights:
    """The base with each overlay's axes in place of its own, later ones last, normalised to a sum of 1.

    Raises InvalidRequest for an axis that does not exist, a weight that is no number from 0 up, or nothing but zeros.
    """
    given = {axis: getattr(base, axis) for axis in AXES}
    for overlay in overlays:
        for axis, weight in (overlay or {}).items():
            if axis not in given:
                raise _refusal(f"there is no axis {axis!r}; the axes are {', '.join(AXES)}")
            if not isfinite(weight) or weight < 0:
                raise _refusal(f"the weight of {axis} must be a number from 0 up, not {weight}")
            given[axis] = weight
    total = sum(given.values())
    if not 0 < total < float("inf"):
        raise _refusal("at least one weight must be above 0, and their sum finite")
    return Weights(**{axis: weight / total for axis, weight in given.items()})


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_weights", param="intertie.weights")
