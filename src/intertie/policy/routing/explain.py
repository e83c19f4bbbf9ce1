"""A plan told to people and to programs."""

import json
from collections.abc import Mapping

from intertie.core.money import show_usd
from intertie.core.plan import AXES, Candidate, Plan

HEADER_BYTES = 6_144

_LIKED = ("faster", "cheaper", "likelier to have the prompt cached", "freer", "on a better path", "lower in carbon")


def sentences(plan: Plan) -> tuple[str, ...]:
    """The plan in sentences: what was chosen and over which, what gave way, what was dropped and why."""
    chosen = plan.candidates[0]
    told = [f"{describe(chosen)}; {_comparison(plan, chosen)}."]
    if plan.probability < 1:
        told.append(f"Drawn by lot among near equals, with a probability of {plan.probability:.0%}.")
    told += [f"The {name} gave way: {_given_way(plan)}." for name in plan.relaxed]
    if len(plan.order) < len(plan.candidates):
        told.append("No other is tried if it fails: no fallback was wanted.")
    told += [f"Not considered: {', '.join(group.endpoints)} ({group.reason})." for group in plan.dropped]
    return tuple(told)


def describe(candidate: Candidate) -> str:
    """In a phrase what is expected of it: `fra-edge: 84 ms expected, $0.000012, 0.02 gCO2`."""
    cost = "price unknown" if candidate.cost_nano is None else f"${show_usd(candidate.cost_nano)}"
    carbon = "footprint unknown" if candidate.gco2 is None else f"{candidate.gco2:.2g} gCO2"
    return f"{candidate.endpoint}: {candidate.ttft_ms:.0f} ms expected, {cost}, {carbon}"


def _given_way(plan: Plan) -> str:
    """Why a soft limit did: an order that was asked for stands above it."""
    ordered = any(group.code == "order" for group in plan.dropped)
    return "another order was asked for" if ordered else "nothing kept it"


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
    why = f" because it is {' and '.join(ahead)}" if ahead else ", its near equal"
    return f"chosen over {other.endpoint}{why}" + (f", although that one is {' and '.join(lost)}" if lost else "")


def header(plan: Plan) -> str:
    """The plan as compact JSON for `x-intertie-explain`: ASCII without control characters, at most 6 KB.

    What does not fit is left out from the end of the order, then of the dropped, and `left_out` says how many.
    """
    candidates = [_told(candidate) for candidate in plan.candidates]
    dropped = [
        {"endpoints": list(group.endpoints), "code": group.code, "reason": group.reason} for group in plan.dropped
    ]
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
        "cost_usd": None if candidate.cost_nano is None else show_usd(candidate.cost_nano),
        "gco2": None if candidate.gco2 is None else float(f"{candidate.gco2:.3g}"),
        "utilities": {axis: round(utility, 3) for axis, utility in zip(AXES, candidate.utilities, strict=True)},
        "score": round(candidate.score, 4),
    }


def _ascii(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")
