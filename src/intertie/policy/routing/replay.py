"""A recorded plan chosen again: with other weights, under another objective, or placed otherwise.

A candidate stands where three things put it, the first of them first: whether it serves the model, a fallback or
another model that the call names; its place in an order that was asked for; what it breaks of the soft limits. Among
those that stand alike the score decides. What was dropped for good stays dropped: nobody judged it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from intertie.core.faults import InvalidRequest
from intertie.core.plan import AXES, Candidate, Dropped, Objective, Plan, Weights
from intertie.policy.routing.explain import sentences
from intertie.policy.routing.placement import NO_PLACEMENT, Placement
from intertie.policy.routing.reasons import ORDERED, Why
from intertie.policy.routing.score import DEAR, LATE, QUEUED, behind, latency_utility, relaxed
from intertie.policy.routing.table import Row
from intertie.policy.routing.weights import blend

_LIMITS = ("limit", "queue")
_WITHIN = ("order", *_LIMITS)
_NO_ROWS: Mapping[str, Row] = {}


class _Stand(NamedTuple):
    group: int
    place: int
    broken: int


def replay(
    plan: Plan,
    wanted: Mapping[str, float] | Objective,
    placement: Placement = NO_PLACEMENT,
    rows: Mapping[str, Row] = _NO_ROWS,
) -> Plan:
    """The plan as it would have been with other weights or under another objective, from its recorded candidates.

    Deterministic: the best score first. Weights are laid over those of the plan, and whatever stood behind the others
    stays behind. An objective brings its own weights, latency target and spend cap, so these are judged anew. A
    placement excludes and orders endpoints, of which `rows` tell the names. Raises InvalidRequest if that leaves none.
    """
    objective = wanted if isinstance(wanted, Objective) else None
    weights = blend(wanted.weights) if isinstance(wanted, Objective) else blend(plan.weights, wanted)
    kept, excluded = _allowed(plan, placement, rows)
    scored = [_judged(candidate, weights, objective) for candidate in kept]
    stands = {one.endpoint: _stand(plan, one, placement, rows, objective) for one in scored}
    best = min(stands.values())
    order = sorted(scored, key=lambda candidate: (stands[candidate.endpoint], -candidate.score))
    alone = not placement.fallbacks or len(plan.order) < len(plan.candidates)
    again = Plan(
        order=tuple(candidate.endpoint for candidate in (order[:1] if alone else order)),
        objective=objective.name if objective else plan.objective,
        weights=weights,
        candidates=tuple(order),
        dropped=(*_for_good(plan), *excluded, *_behind(plan, order, stands, objective)),
        relaxed=relaxed(best.broken) if objective else plan.relaxed,
    )
    again.reasons = sentences(again)
    return again


def _allowed(plan: Plan, placement: Placement, rows: Mapping[str, Row]) -> tuple[list[Candidate], list[Dropped]]:
    """The candidates that a placement does not exclude, and the groups of those that it does."""
    kept: list[Candidate] = []
    groups: dict[Why, list[str]] = {}
    for candidate in plan.candidates:
        why = None if placement is NO_PLACEMENT else placement.against(rows[candidate.endpoint])
        if why is None:
            kept.append(candidate)
        else:
            groups.setdefault(why, []).append(candidate.endpoint)
    if not kept:
        raise InvalidRequest(f"nothing that was judged then is left: {'; '.join(why.reason for why in groups)}")
    return kept, [Dropped(tuple(endpoints), why.reason, why.code) for why, endpoints in groups.items()]


def _judged(candidate: Candidate, weights: Weights, objective: Objective | None) -> Candidate:
    utilities = candidate.utilities
    if objective is not None:
        utilities = (latency_utility(candidate.ttft_ms, objective.slo_ttft_ms), *utilities[1:])
    score = sum(getattr(weights, axis) * utility for axis, utility in zip(AXES, utilities, strict=True))
    return msgspec.structs.replace(candidate, utilities=utilities, score=score)


def _stand(
    plan: Plan, candidate: Candidate, placement: Placement, rows: Mapping[str, Row], objective: Objective | None
) -> _Stand:
    """Where a candidate stands: as recorded, but for what an order or an objective says anew."""
    number, code = _recorded(plan, candidate.endpoint)
    group = number if code not in _WITHIN else 0
    place = number if code == "order" else 0
    broken = number if code in _LIMITS else 0
    if placement.order:
        place = placement.place(rows[candidate.endpoint])
    if objective is not None:
        broken = _broken(candidate, objective) + (QUEUED if code == "queue" else 0)
    return _Stand(group, place, broken)


def _recorded(plan: Plan, endpoint: str) -> tuple[int, str]:
    """The number of the group that it was dropped with, from 1, and the code; 0 if it competed for the first pick."""
    for number, group in enumerate(plan.dropped, 1):
        if endpoint in group.endpoints:
            return number, group.code
    return 0, ""


def _broken(candidate: Candidate, objective: Objective) -> int:
    """What it breaks of an objective's target and cap; what is not known keeps no cap."""
    cost, cap = candidate.cost_nano, objective.max_cost_nano
    late = LATE if candidate.ttft_ms > objective.slo_ttft_ms else 0
    return late + (DEAR if cap is not None and (cost is None or cost > cap) else 0)


def _for_good(plan: Plan) -> list[Dropped]:
    """The groups whose endpoints could not serve at all."""
    judged = {candidate.endpoint for candidate in plan.candidates}
    return [group for group in plan.dropped if judged.isdisjoint(group.endpoints)]


def _behind(
    plan: Plan, order: Sequence[Candidate], stands: Mapping[str, _Stand], objective: Objective | None
) -> list[Dropped]:
    """Those that now stand behind the best, each with what put it there."""
    best = stands[order[0].endpoint]
    groups: dict[tuple[int, int, Why], list[str]] = {}
    for endpoint in (candidate.endpoint for candidate in order):
        stand = stands[endpoint]
        if stand > best:
            why = _why(plan, endpoint, stand, best, objective)
            groups.setdefault((stand.group, stand.place, why), []).append(endpoint)
    return [Dropped(tuple(endpoints), why.reason, why.code) for (_, _, why), endpoints in groups.items()]


def _why(plan: Plan, endpoint: str, stand: _Stand, best: _Stand, objective: Objective | None) -> Why:
    if stand.group == best.group:
        if stand.place > best.place:
            return ORDERED
        if objective is not None:
            return behind(stand.broken, best.broken)
    number, _ = _recorded(plan, endpoint)
    group = plan.dropped[number - 1]
    return Why(group.code, group.reason)
