"""Constraints that are never relaxed: which rows may serve a request at all, and why the others may not.

Operation (its rows are apart in the table), permission, room for prompt and output, residency, a known price under a
budget, health. Data is processed only at a site whose jurisdictions meet every wanted set in at least one zone.
What a principal may not use is left out without a word: nobody learns of models that are not theirs.
"""

from collections.abc import Mapping, Sequence

from intertie.core.faults import Fault, InvalidRequest, NoCandidate
from intertie.core.plan import Dropped
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Offer, Row, Table

CONTEXT = "context: prompt and output do not fit"
UNPRICED = "price: none is known, and a budget applies"
UNHEALTHY = "health: left alone after failures"
BUSY = "busy: it asked to be left alone for a moment"
UNABLE = "operation: it does not do this"

Drops = list[tuple[Row, str]]


def feasible(
    table: Table, rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, now: float
) -> tuple[list[Row], Drops]:
    """The rows that may serve the request at monotonic time `now`, and those that may not, each with its reason."""
    prompt, need = choice.prompt_tokens, choice.prompt_tokens + (choice.max_output or 0)
    wanted = [zone_mask(table, zones) for zones in choice.wants.residency]
    outside = (
        "residency: " + " and ".join("/".join(zones) for zones in choice.wants.residency) + " wanted" if wanted else ""
    )
    permitted, must_be_priced = choice.wants.permitted, choice.wants.under_budget
    kept: list[Row] = []
    drops: Drops = []
    for row in rows:
        if permitted is not None and row.model not in permitted:
            continue
        if need > row.context:
            drops.append((row, CONTEXT))
        elif wanted and 0 in [row.zones & mask for mask in wanted]:
            drops.append((row, outside))
        elif must_be_priced and not row.priced:
            drops.append((row, UNPRICED))
        else:
            state = states[row.id]
            if not state.breaker.closed and not state.breaker.admits(now):
                drops.append((row, UNHEALTHY))
            elif state.busy_until > now or (state.limits is not None and state.free_at(prompt, now) > now):
                drops.append((row, BUSY))
            else:
                kept.append(row)
    return kept, drops


def zone_mask(table: Table, zones: Sequence[str]) -> int:
    """The bits of jurisdictions, whatever their case; one that no site lies in has none and so is never met."""
    mask = 0
    for zone in zones:
        mask |= table.zones.get(zone.upper(), 0)
    return mask


def dropped_groups(offer: Offer, drops: Drops) -> tuple[Dropped, ...]:
    """The dropped rows, those of one reason together, in the order of the reasons' first appearance."""
    if not drops and not offer.unable:
        return ()
    groups: dict[str, list[str]] = {UNABLE: list(offer.unable)} if offer.unable else {}
    for row, reason in drops:
        groups.setdefault(reason, []).append(row.id)
    return tuple(Dropped(tuple(endpoints), reason) for reason, endpoints in groups.items())


def nothing_left(table: Table, choice: Choice, states: Mapping[str, EndpointState], drops: Drops, now: float) -> Fault:
    """The fault for a request that nothing may serve: the caller's where the request itself can never be served.

    InvalidRequest if no endpoint does the operation or none has room for the tokens; else NoCandidate with the counts
    by reason, with `retry_after` if time alone can help and `should_retry` false if it cannot.
    """
    offer = table.offers[choice.operation]
    if not offer.rows and not offer.fallback:
        message = f"{table.name!r} does not do {choice.operation}"
        return InvalidRequest(message, code="unsupported_operation", param="model")
    reasons = [reason for _, reason in drops]
    if reasons and all(reason == CONTEXT for reason in reasons):
        tokens = f"{choice.prompt_tokens} prompt tokens and {choice.max_output or 0} of output"
        message = f"about {tokens} do not fit; at most {max(row.context for row, _ in drops)} do"
        return InvalidRequest(message, code="context_length_exceeded", param="messages")
    counts = (
        "; ".join(f"{reasons.count(reason)} by {reason}" for reason in dict.fromkeys(reasons))
        or "its models are not yours"
    )
    message = f"no endpoint of {table.name!r} may serve this request now ({counts})"
    waits = [_wait(states[row.id], choice.prompt_tokens, now) for row, reason in drops if reason in (UNHEALTHY, BUSY)]
    return NoCandidate(message, retry_after=min(waits) if waits else None, should_retry=bool(waits))


def _wait(state: EndpointState, tokens: int, now: float) -> float:
    """Seconds until the endpoint may be tried again; one second where that hangs on a probe under way."""
    until = state.free_at(tokens, now)
    if not state.breaker.closed:
        until = max(until, state.breaker.open_until)
    return until - now if until > now else 1.0
