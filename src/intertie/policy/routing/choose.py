"""The choice: which endpoints to try for one request, in which order, and why.

constraints -> estimates -> hot or cold -> score -> a lot among the best -> the rest in order of failover. A fallback of
a route is judged in the same way and stands behind everything else. Pure: time and lot are arguments.
"""

from collections.abc import Mapping, Sequence

from intertie.core.money import Nano
from intertie.core.plan import Candidate, Dropped, Plan
from intertie.policy.routing.affinity import warm_place
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.constraints import dropped_groups, feasible, nothing_left
from intertie.policy.routing.estimate import Estimate, estimate
from intertie.policy.routing.explain import sentences
from intertie.policy.routing.score import Judged, behind_reason, judge, relaxed
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Row, Table

HOT_QUANTILE = 0.84
HOT_FLOOR = 0.1
"""Prequal's rule (NSDI '24): hot is a queue above the 0.84 quantile of all, never one under a tenth of the target."""
SESSION_PATIENCE = 0.5
"""The session's endpoint stays cold up to a queue of half the target."""


def choose(table: Table, states: Mapping[str, EndpointState], choice: Choice, now: float, lot: float) -> Plan:
    """The plan for a request at monotonic time `now`, the first pick drawn by `lot` in [0, 1).

    `states` holds one state per endpoint. Raises NoCandidate if nothing may serve the request now, InvalidRequest if
    nothing ever could.
    """
    offer = table.offers[choice.operation]
    rows, drops = feasible(table, offer.rows, states, choice, now)
    later: list[Row] = []
    if offer.fallback:
        later, more = feasible(table, offer.fallback, states, choice, now)
        drops += more
    if not rows:
        rows, later = later, []
    if not rows:
        raise nothing_left(table, choice, states, drops, now)
    plan = _ranked(table, rows, states, choice, now, lot)
    plan.dropped = dropped_groups(offer, drops) + plan.dropped
    if later:
        behind = _ranked(table, later, states, choice, now, lot)
        plan.order += behind.order
        plan.candidates += behind.candidates
        plan.dropped += (Dropped(behind.order, "fallback: kept for when the others fail"),)
    if choice.want_reasons:
        plan.reasons = sentences(plan)
    return plan


def worst_cost(table: Table, choice: Choice) -> Nano | None:
    """The most the request can cost at any endpoint it may be sent to; None if none of them has a known price.

    Looks at permission only, not at health or place: a hold must cover whatever the plan will turn out to be.
    """
    permitted, limit, prompt = choice.permitted, choice.max_output, choice.prompt_tokens
    worst = None
    for dear in table.offers[choice.operation].dearest:
        if permitted is None or dear.model in permitted:
            cost = dear.price.worst(prompt, dear.max_output if limit is None else limit)
            if worst is None or cost > worst:
                worst = cost
    return worst


def _ranked(
    table: Table, rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, now: float, lot: float
) -> Plan:
    """The plan over rows that may all serve. A rank is twice the violations, one more for a hot row; 0 is best."""
    warm = warm_place(rows, states, choice.session, choice.affinity)
    estimates = estimate(rows, states, choice, warm, now)
    judged = judge(estimates, choice, table.offers[choice.operation].cost, warm)
    ranks = [2 * violations for _, violations in judged]
    for index in _hot(estimates, choice.slo_s, warm.endpoint):
        ranks[index] += 1
    best = min(ranks)
    first, probability = _drawn(estimates, judged, [i for i, rank in enumerate(ranks) if rank == best], table, lot)
    order = _order([candidate for candidate, _ in judged], ranks, first)
    return Plan(
        order=tuple([candidate.endpoint for candidate in order]),
        objective=choice.objective,
        weights=choice.weights,
        candidates=tuple(order),
        dropped=_behind(judged, ranks, best) if max(ranks) > best else (),
        relaxed=relaxed(best >> 1) if best > 1 else (),
        probability=probability,
    )


def _hot(estimates: Sequence[Estimate], slo_s: float, session: str) -> list[int]:
    """The rows with queues so long, beside those of the others, that the score is not asked about them.

    The longest of unequal queues is above the quantile and the shortest is not, so a cold row always remains.
    """
    waits = [wait for _, _, _, wait, _, _ in estimates]
    floor = HOT_FLOOR * slo_s
    if max(waits) <= floor:
        return []
    ordered = sorted(waits)
    position = HOT_QUANTILE * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    limit = max(floor, ordered[low] + (position - low) * (ordered[high] - ordered[low]))
    patience = max(limit, SESSION_PATIENCE * slo_s)
    return [
        index
        for index, (row, _, _, wait, _, _) in enumerate(estimates)
        if wait > (patience if row.id == session else limit)
    ]


def _drawn(
    estimates: Sequence[Estimate], judged: Sequence[Judged], eligible: Sequence[int], table: Table, lot: float
) -> tuple[int, float]:
    """The first pick and its probability: by lot among those within the tolerance of the best, by free slots."""
    scores = {index: judged[index][0].score for index in eligible}
    least = max(scores.values()) - table.tolerance
    near = [index for index, score in scores.items() if score >= least]
    if len(near) == 1:
        return near[0], 1.0
    room = [max(1, row.slots - state.in_flight) for row, state, _, _, _, _ in (estimates[index] for index in near)]
    total = sum(room)
    mark = lot * total
    for index, free in zip(near, room, strict=True):
        mark -= free
        if mark < 0:
            return index, free / total
    return near[-1], room[-1] / total


def _order(candidates: Sequence[Candidate], ranks: Sequence[int], first: int) -> list[Candidate]:
    """The first pick, then the others: by rank, those at another site first, by score. Scores are at most 1."""
    site = candidates[first].site
    keys = [
        4.0 * rank + (2.0 if candidate.site == site else 0.0) - candidate.score
        for candidate, rank in zip(candidates, ranks, strict=True)
    ]
    keys[first] = -2.0
    return [candidates[index] for index in sorted(range(len(keys)), key=keys.__getitem__)]


def _behind(judged: Sequence[Judged], ranks: Sequence[int], best: int) -> tuple[Dropped, ...]:
    """Those that were not considered for the first pick although they may serve, by what stands against them."""
    groups: dict[str, list[str]] = {}
    for (candidate, violations), rank in zip(judged, ranks, strict=True):
        if rank > best:
            groups.setdefault(behind_reason(violations & ~(best >> 1)), []).append(candidate.endpoint)
    return tuple(Dropped(tuple(endpoints), reason) for reason, endpoints in groups.items())
