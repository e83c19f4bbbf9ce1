"""A plan: which endpoints to try, in order, and why these."""

from functools import cached_property
from typing import Literal

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
    """One endpoint as judged for one request: estimates in their units, utilities in [0, 1] in the order of `AXES`.

    `cost_nano` and `gco2` are None where price or footprint is not known.
    """

    endpoint: str
    site: str
    ttft_ms: float
    cost_nano: int | None
    gco2: float | None
    utilities: tuple[float, float, float, float, float, float]
    score: float


DropCode = Literal[
    "operation", "only", "ignore", "retention", "max_price", "context", "residency", "unpriced", "unhealthy", "busy",
    "limit", "queue", "order", "fallback", "model", "",
]  # fmt: skip
"""Why an endpoint was not considered, for programs. From `limit` on it may serve, but only when the others fail: it
breaks a soft limit, has a long queue, was asked for later or not by name, or is a fallback of the route or the call.
Plans that were recorded before there were codes have none."""


class Dropped(msgspec.Struct, array_like=True, gc=False):
    """Why a group of endpoints was not considered: `(("fra-1", "fra-2"), "residency: EU wanted", "residency")`."""

    endpoints: tuple[str, ...]
    reason: str
    code: DropCode = ""


class Plan(msgspec.Struct, array_like=True, dict=True):
    """The ordered choice. `order` holds endpoint ids, the first to be tried first: those of the `candidates` in their
    order, or the first of them alone where no other is to be tried.

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


def unpack(packed: bytes) -> Plan:
    """A plan as it was journalled; raises msgspec.DecodeError if it is none.

    Plans from before `Dropped` had codes say 0 for what was not known. What is known to be 0 has utility 1.
    """
    plan = _unpack(packed)
    for candidate in plan.candidates:
        if not candidate.cost_nano and not candidate.utilities[AXES.index("cost")]:
            candidate.cost_nano = None
        if not candidate.gco2 and not candidate.utilities[AXES.index("carbon")]:
            candidate.gco2 = None
    return plan


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Plan).decode
