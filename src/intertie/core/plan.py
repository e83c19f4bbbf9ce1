"""A plan: which endpoints to try, in order, and why these."""

from functools import cached_property

import msgspec

AXES = ("ttft", "cost", "affinity", "capacity", "proximity", "carbon")


class Weights(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How much each axis counts; they are normalised to a sum of 1 before use."""

    ttft: float = 0.0
    cost: float = 0.0
    affinity: float = 0.0
    capacity: float = 0.0
    proximity: float = 0.0
    carbon: float = 0.0


class Objective(msgspec.Struct, frozen=True):
    """A named set of weights and limits: what a business wants of the choice.

    `slo_ttft_ms` is the time to first token beyond which an answer is worth nothing on that axis.
    """

    name: str
    weights: Weights
    slo_ttft_ms: float = 2_000.0
    max_cost_nano: int | None = None


class Candidate(msgspec.Struct, array_like=True, gc=False):
    """One endpoint as judged for one request: estimates in their units, utilities in [0, 1] in the order of `AXES`."""

    endpoint: str
    site: str
    ttft_ms: float
    cost_nano: int
    gco2: float
    utilities: tuple[float, float, float, float, float, float]
    score: float


class Dropped(msgspec.Struct, array_like=True, gc=False):
    """Why a group of endpoints was not considered: `(("fra-1", "fra-2"), "residency: EU wanted")`."""

    endpoints: tuple[str, ...]
    reason: str


class Plan(msgspec.Struct, array_like=True, dict=True):
    """The ordered choice. `order` holds endpoint ids, the first to be tried first.

    `probability` is that of the first pick under the random draw in the tolerance band (for off-policy evaluation);
    `relaxed` names soft constraints that had to give way; `reasons` are sentences for people.
    """

    order: tuple[str, ...]
    objective: str
    weights: Weights
    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()
    relaxed: tuple[str, ...] = ()
    probability: float = 1.0
    reasons: tuple[str, ...] = ()

    @cached_property
    def packed(self) -> bytes:
        """The plan as msgpack, as it is journalled; made once, so nothing of the plan changes afterwards."""
        return _pack(self)


_pack = msgspec.msgpack.Encoder().encode
