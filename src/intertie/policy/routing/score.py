"""Utilities against fixed references, and the score: how good each candidate is, whatever others there are.

Never min-max over the candidates at hand: one irrelevant site more would change the order of the others. Nothing is
counted twice: round trip, queue and cache are in the time to first token; capacity is the room left among the slots,
proximity the quality of the path.

Soft constraints rank before the score. A candidate's violations are a number in which the latency target weighs most
and the carbon cap least, so the smallest number is what is left when the caps are relaxed in the order carbon, cost,
latency, and only as far as needed.
"""

from collections.abc import Sequence
from math import log

from intertie.core.plan import Candidate
from intertie.policy.routing.affinity import Warm
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.estimate import Estimate
from intertie.policy.routing.reference import CARBON, Scale
from intertie.policy.routing.state import EXPECTED_OUTPUT

LATE, DEAR, DIRTY = 4, 2, 1
RELAXATIONS = ((DIRTY, "carbon cap"), (DEAR, "spend cap"), (LATE, "latency target"))

LATE_UTILITY = 0.05
"""At the target the line from 1 ends here and goes on as target / time: the least late of many still wins."""
FULL = 9.0
"""Capacity is 1 - load / (1 - load) / 9: gentle at first, nothing left at 90 % of the slots."""

Judged = tuple[Candidate, int]
"""A candidate and its violations of soft constraints."""


def judge(estimates: Sequence[Estimate], choice: Choice, cost_scale: Scale, warm: Warm) -> list[Judged]:
    """Utilities in the order of `AXES`, their weighted sum, and the violations, for each estimate."""
    weights = choice.weights
    w_ttft, w_cost, w_affinity = weights.ttft, weights.cost, weights.affinity
    w_capacity, w_proximity, w_carbon = weights.capacity, weights.proximity, weights.carbon
    slo, held, capped = choice.slo_s, warm.endpoint, (choice.max_cost_nano, choice.max_gco2) != (None, None)
    output = EXPECTED_OUTPUT if choice.max_output is None else min(choice.max_output, EXPECTED_OUTPUT)
    cost_low, cost_span = max(1e-9, cost_scale.low(choice.prompt_tokens, output)), cost_scale.span
    carbon_low, carbon_span = max(1e-12, CARBON.low(choice.prompt_tokens, output)), CARBON.span
    judged: list[Judged] = []
    for row, state, ttft, _, cost, gco2 in estimates:
        ttft_u = latency_utility(ttft, slo)
        cost_u = 0.0 if cost is None else 1.0 if cost <= cost_low else 1 - log(cost / cost_low) / cost_span
        affinity_u = warm.utility if row.id == held else 0.0
        load = state.in_flight / row.slots
        capacity_u = 1 - load / (1 - load) / FULL if load < 0.9 else 0.0
        carbon_u = 0.0 if not row.metered else 1.0 if gco2 <= carbon_low else 1 - log(gco2 / carbon_low) / carbon_span
        cost_u, carbon_u = cost_u if cost_u > 0 else 0.0, carbon_u if carbon_u > 0 else 0.0
        score = w_ttft * ttft_u + w_cost * cost_u + w_affinity * affinity_u
        score += w_capacity * capacity_u + w_proximity * row.proximity + w_carbon * carbon_u
        utilities = (ttft_u, cost_u, affinity_u, capacity_u, row.proximity, carbon_u)
        nano = 0 if cost is None else int(cost + 0.5)
        violations = (LATE if ttft > slo else 0) + (
            _over_caps(choice, cost, gco2 if row.metered else None) if capped else 0
        )
        judged.append((Candidate(row.id, row.site, ttft * 1_000, nano, gco2, utilities, score), violations))
    return judged


def latency_utility(ttft: float, target: float) -> float:
    """A line from 1 at once to almost nothing at the target, then target / time. Both in the same unit."""
    return 1 - (1 - LATE_UTILITY) * ttft / target if ttft <= target else LATE_UTILITY * target / ttft


def _over_caps(choice: Choice, cost: float | None, gco2: float | None) -> int:
    """The caps of the request that its expected cost and footprint do not keep; what is unknown keeps none."""
    dear = choice.max_cost_nano is not None and (cost is None or cost > choice.max_cost_nano)
    dirty = choice.max_gco2 is not None and (gco2 is None or gco2 > choice.max_gco2)
    return DEAR * dear + DIRTY * dirty


def relaxed(violations: int) -> tuple[str, ...]:
    """The names of the soft constraints that gave way, the first to give way first."""
    return tuple(name for bit, name in RELAXATIONS if violations & bit)


def behind_reason(violations: int) -> str:
    """Why a candidate that may serve was not considered for the first pick: what it violates, else its queue."""
    return f"{' and '.join(relaxed(violations)) or 'a long queue'}: kept for when the others fail"
