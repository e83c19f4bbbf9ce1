"""Utilities against fixed references, and the score: how good each candidate is, whatever others there are.

Never min-max over the candidates at hand: one irrelevant site more would change the order of the others. Nothing is
counted twice: round trip, queue and cache are in the time to first token; capacity is the room left among the slots,
proximity the quality of the path.

Soft constraints rank before the score. What a candidate breaks is a sum of bits in which the latency target weighs most
and the carbon cap less than the spend cap, so the smallest sum is what is left when they are relaxed in the order
carbon, cost, latency, and only as far as needed. The lowest bit, a long queue, is set by the gate in `choose`. Above
all of them stands the place in an order that was asked for.
"""

from collections.abc import Sequence
from math import log

from intertie.core.plan import Candidate
from intertie.policy.routing.affinity import Warm
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.estimate import Estimate
from intertie.policy.routing.reasons import ORDERED, Why
from intertie.policy.routing.reference import CARBON, Scale
from intertie.policy.routing.state import EXPECTED_OUTPUT

PLACE, LATE, DEAR, DIRTY, QUEUED = 16, 8, 4, 2, 1
RELAXATIONS = ((DIRTY, "carbon cap"), (DEAR, "spend cap"), (LATE, "latency target"))

LATE_UTILITY = 0.05
"""At the target the line from 1 ends here and goes on as target / time: the least late of many still wins."""
FULL = 9
"""Capacity is 1 - load / (1 - load) / 9: gentle at first, nothing left at 90 % of the slots."""


def judge(
    estimates: Sequence[Estimate], choice: Choice, cost_scale: Scale, warm: Warm
) -> tuple[list[Candidate], list[float]]:
    """Utilities in the order of `AXES` and their weighted sum for each estimate; beside them the sums alone.

    The loop runs for every candidate of every request: what does not change within it stands before it,
    and numbers that meet floats are floats, for that is the interpreter's quick path.
    """
    weights, slo, held = choice.wants.weights, choice.wants.slo_s, warm.endpoint
    w_ttft, w_cost, w_affinity = weights.ttft, weights.cost, weights.affinity
    w_capacity, w_proximity, w_carbon = weights.capacity, weights.proximity, weights.carbon
    output = EXPECTED_OUTPUT if choice.max_output is None else min(choice.max_output, EXPECTED_OUTPUT)
    cheap, cost_span = cost_scale.low(choice.prompt_tokens, output), cost_scale.span
    clean, carbon_span = CARBON.low(choice.prompt_tokens, output), CARBON.span
    steepness = (1 - LATE_UTILITY) / slo
    candidates: list[Candidate] = []
    scores: list[float] = []
    for row, in_flight, ttft, _, cost, gco2 in estimates:
        ttft_u = 1.0 - steepness * ttft if ttft <= slo else LATE_UTILITY * slo / ttft
        cost_u = 0.0 if cost is None else 1.0 if cost <= cheap else 1.0 - log(cost / cheap) / cost_span
        carbon_u = 0.0 if gco2 is None else 1.0 if gco2 <= clean else 1.0 - log(gco2 / clean) / carbon_span
        if cost_u < 0.0:
            cost_u = 0.0
        if carbon_u < 0.0:
            carbon_u = 0.0
        affinity_u = warm.utility if row.id == held else 0.0
        free, proximity = FULL * (row.slots - in_flight), row.proximity
        capacity_u = 1.0 - in_flight / free if in_flight < free else 0.0
        score = w_ttft * ttft_u + w_cost * cost_u + w_affinity * affinity_u
        score += w_capacity * capacity_u + w_proximity * proximity + w_carbon * carbon_u
        utilities = (ttft_u, cost_u, affinity_u, capacity_u, proximity, carbon_u)
        nano = None if cost is None else int(cost + 0.5)
        candidates.append(Candidate(row.id, row.site, ttft * 1_000.0, nano, gco2, utilities, score))
        scores.append(score)
    return candidates, scores


def latency_utility(ttft: float, target: float) -> float:
    """A line from 1 at once to almost nothing at the target, then target / time. Both in the same unit."""
    return 1 - (1 - LATE_UTILITY) / target * ttft if ttft <= target else LATE_UTILITY * target / ttft


def violations(estimates: Sequence[Estimate], choice: Choice) -> list[int]:
    """What each estimate breaks of the soft constraints; what is unknown keeps no cap."""
    wants = choice.wants
    slo, most_nano, most_grams = wants.slo_s, wants.max_cost_nano, wants.max_gco2
    broken = [LATE if ttft > slo else 0 for _, _, ttft, _, _, _ in estimates]
    if most_nano is not None:
        for index, (_, _, _, _, cost, _) in enumerate(estimates):
            broken[index] += DEAR if cost is None or cost > most_nano else 0
    if most_grams is not None:
        for index, (_, _, _, _, _, gco2) in enumerate(estimates):
            broken[index] += DIRTY if gco2 is None or gco2 > most_grams else 0
    return broken


def relaxed(broken: int) -> tuple[str, ...]:
    """The names of the soft constraints that gave way, the first to give way first."""
    return tuple(name for bit, name in RELAXATIONS if broken & bit)


def behind(rank: int, best: int) -> Why:
    """Why a candidate that may serve was not considered for the first pick, which was among those of the best rank."""
    if rank // PLACE > best // PLACE:
        return ORDERED
    broken = rank & ~best
    names = (*relaxed(broken), *(("a long queue",) if broken & QUEUED else ()))
    return Why("queue" if broken & QUEUED else "limit", f"{' and '.join(names)}: kept for when the others fail")
