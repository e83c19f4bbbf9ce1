"""A plan told to people and to programs, and a recorded plan chosen again with other weights."""

import json
from collections.abc import Mapping, Sequence

import msgspec

from intertie.core.money import show_usd
from intertie.core.plan import AXES, Candidate, Dropped, Objective, Plan, Weights
from intertie.policy.routing.score import DEAR, LATE, RELAXATIONS, behind_reason, latency_utility, relaxed
from intertie.policy.routing.weights import blend

HEADER_BYTES = 6_144

_LIKED = ("faster", "cheaper", "likelier to have the prompt cached", "freer", "on a better path", "lower in carbon")

LASTING = 16
"""Above all violations: a queue or a fallback's place, which another objective does not change."""


def sentences(plan: Plan) -> tuple[str, ...]:
    """The plan in sentences: what was chosen and over which, what gave way, what was dropped and why."""
    chosen = plan.candidates[0]
    told = [f"{describe(chosen)}; {_comparison(plan, chosen)}."]
    if plan.probability < 1:
        told.append(f"Drawn by lot among near equals, with a probability of {plan.probability:.0%}.")
    told += [f"The {name} gave way: nothing kept it." for name in plan.relaxed]
    told += [f"Not considered: {', '.join(group.endpoints)} ({group.reason})." for group in plan.dropped]
    return tuple(told)


def describe(candidate: Candidate) -> str:
    """In a phrase what is expected of it: `fra-edge: 84 ms expected, $0.000012, 0.02 gCO2`."""
    cost = f"${show_usd(candidate.cost_nano)}" if price_known(candidate) else "price unknown"
    carbon = f"{candidate.gco2:.2g} gCO2" if footprint_known(candidate) else "footprint unknown"
    return f"{candidate.endpoint}: {candidate.ttft_ms:.0f} ms expected, {cost}, {carbon}"


def price_known(candidate: Candidate) -> bool:
    """Whether the price was known: what costs nothing has utility 1, what has no price utility 0."""
    return candidate.cost_nano > 0 or candidate.utilities[1] > 0


def footprint_known(candidate: Candidate) -> bool:
    """Whether power and grid intensity were known, told apart in the same way."""
    return candidate.gco2 > 0 or candidate.utilities[5] > 0


def _comparison(plan: Plan, chosen: Candidate) -> str:
    """Chosen over whom, and by which axes: those that spoke for it and against it, with their share of the score."""
    if len(plan.candidates) == 1:
        return "the only one that may serve this"
    behind = {end: group.reason for group in plan.dropped for end in group.endpoints}
    rivals = [candidate for candidate in plan.candidates[1:] if candidate.endpoint not in behind]
    if not rivals:
        other = plan.candidates[1].endpoint
        return f"chosen before {other}, which stands back ({behind[other].partition(':')[0]})"
    other = max(rivals, key=lambda candidate: candidate.score)
    gains = [
        (getattr(plan.weights, axis) * (chosen.utilities[index] - other.utilities[index]), index)
        for index, axis in enumerate(AXES)
    ]
    ahead = [_LIKED[index] for gain, index in sorted(gains, reverse=True) if gain > 0.001][:2]
    lost = [_LIKED[index] for gain, index in sorted(gains) if gain < -0.001][:2]
    why = f"because it is {' and '.join(ahead)}" if ahead else "its near equal"
    return f"chosen over {other.endpoint} {why}" + (f", although that one is {' and '.join(lost)}" if lost else "")


def header(plan: Plan) -> str:
    """The plan as compact JSON for `x-intertie-explain`: ASCII without control characters, at most 6 KB.

    What does not fit is left out from the end of the order, then of the dropped, and `left_out` says how many.
    """
    candidates = [_told(candidate) for candidate in plan.candidates]
    dropped = [{"endpoints": list(group.endpoints), "reason": group.reason} for group in plan.dropped]
    body: dict[str, object] = {
        "objective": plan.objective,
        "weights": {axis: round(getattr(plan.weights, axis), 3) for axis in AXES},
        "chosen": plan.order[0] if plan.order else "",
        "probability": round(plan.probability, 4),
        "relaxed": list(plan.relaxed),
        "reasons": list(plan.reasons),
        "candidates": candidates,
        "dropped": dropped,
    }
    text = _ascii(body)
    left_out = 0
    while len(text) > HEADER_BYTES and (len(candidates) > 1 or dropped or body["reasons"]):
        if len(candidates) > 1:
            candidates.pop()
        elif dropped:
            dropped.pop()
        else:
            body["reasons"] = []
        left_out += 1
        text = _ascii(body | {"left_out": left_out})
    return text


def _told(candidate: Candidate) -> dict[str, object]:
    return {
        "endpoint": candidate.endpoint,
        "site": candidate.site,
        "ttft_ms": round(candidate.ttft_ms, 1),
        "cost_usd": show_usd(candidate.cost_nano) if price_known(candidate) else None,
        "gco2": float(f"{candidate.gco2:.3g}") if footprint_known(candidate) else None,
        "utilities": {axis: round(utility, 3) for axis, utility in zip(AXES, candidate.utilities, strict=True)},
        "score": round(candidate.score, 4),
    }


def _ascii(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")


def replay(plan: Plan, wanted: Mapping[str, float] | Objective) -> Plan:
    """The plan as it would have been with other weights or under another objective, from its recorded candidates.

    Deterministic: the best score first. Weights are laid over those of the plan, and whatever stood behind the others
    stays behind. An objective brings its own weights, latency target and spend cap, so these are judged anew.
    """
    if isinstance(wanted, Objective):
        weights, name = blend(wanted.weights), wanted.name
        candidates = [_under(candidate, wanted) for candidate in plan.candidates]
        stands = _stands_under(plan, candidates, wanted)
        best = min(stands.values())
        dropped, gave_way = _dropped_under(plan, stands, best), relaxed(best)
    else:
        weights, name, candidates = blend(plan.weights, wanted), plan.objective, plan.candidates
        stands, dropped, gave_way = _stands(plan), plan.dropped, plan.relaxed
    scored = [msgspec.structs.replace(candidate, score=_score(candidate, weights)) for candidate in candidates]
    order = sorted(scored, key=lambda candidate: (stands[candidate.endpoint], -candidate.score))
    endpoints = tuple(candidate.endpoint for candidate in order)
    again = Plan(endpoints, name, weights, tuple(order), dropped, gave_way)
    again.reasons = sentences(again)
    return again


def _under(candidate: Candidate, objective: Objective) -> Candidate:
    utility = latency_utility(candidate.ttft_ms, objective.slo_ttft_ms)
    return msgspec.structs.replace(candidate, utilities=(utility, *candidate.utilities[1:]))


def _score(candidate: Candidate, weights: Weights) -> float:
    return sum(getattr(weights, axis) * utility for axis, utility in zip(AXES, candidate.utilities, strict=True))


def _stands(plan: Plan) -> dict[str, int]:
    """0 for those that competed for the first pick, then the recorded order of those that did not."""
    behind = {endpoint for group in plan.dropped for endpoint in group.endpoints}
    return {end: index + 1 if end in behind else 0 for index, end in enumerate(plan.order)}


def _stands_under(plan: Plan, candidates: Sequence[Candidate], objective: Objective) -> dict[str, int]:
    """The violations of another objective's target and cap, above which stands what no objective can change."""
    lasting = {
        endpoint
        for group in plan.dropped
        for endpoint in group.endpoints
        if not set(group.reason.partition(":")[0].split(" and ")) <= {name for _, name in RELAXATIONS}
    }
    cap = objective.max_cost_nano
    return {
        candidate.endpoint: (LATE if candidate.ttft_ms > objective.slo_ttft_ms else 0)
        + (DEAR if cap is not None and (candidate.cost_nano > cap or not price_known(candidate)) else 0)
        + (LASTING if candidate.endpoint in lasting else 0)
        for candidate in candidates
    }


def _dropped_under(plan: Plan, stands: Mapping[str, int], best: int) -> tuple[Dropped, ...]:
    """What the record dropped for good, and what now stands behind, each with its reason."""
    kept = [group for group in plan.dropped if not set(group.endpoints) & stands.keys() or _lasts(group, stands)]
    groups: dict[str, list[str]] = {}
    for endpoint, stand in stands.items():
        if best < stand < LASTING:
            groups.setdefault(behind_reason(stand & ~best), []).append(endpoint)
    return (*kept, *(Dropped(tuple(endpoints), reason) for reason, endpoints in groups.items()))


def _lasts(group: Dropped, stands: Mapping[str, int]) -> bool:
    return any(stands.get(endpoint, 0) >= LASTING for endpoint in group.endpoints)
