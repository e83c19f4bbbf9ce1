"""Constraints that are never relaxed: which rows may serve a request at all, and why the others may not.

Operation (its rows are apart in the table), permission, what the request says of placement, room for prompt and output,
residency, a known price under a budget, health. Data is processed only at a site whose jurisdictions meet every wanted
set in at least one zone.
What a principal may not use is left out without a word: nobody learns of models that are not theirs.
"""

from collections.abc import Mapping, Sequence

from intertie.core.faults import Fault, InvalidRequest, NoCandidate
from intertie.core.plan import Dropped
from intertie.policy.routing.choice import Choice, Wants
from intertie.policy.routing.reasons import BUSY, CONTEXT, UNABLE, UNHEALTHY, UNPRICED, Why
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Row, Table, zone_mask

Drops = list[tuple[Row, Why]]

_PLACED = ("only", "ignore", "retention", "max_price")


def feasible(
    table: Table, rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, now: float
) -> tuple[list[Row], Drops]:
    """The rows that may serve the request at monotonic time `now`, and those that may not, each with its reason."""
    prompt, need = choice.prompt_tokens, choice.prompt_tokens + (choice.max_output or 0)
    wants = choice.wants
    wanted, must_be_priced = [zone_mask(table, zones) for zones in wants.residency], wants.under_budget
    kept: list[Row] = []
    drops: Drops = []
    if wants.permitted is not None or wants.placement is not None:
        rows = _may(rows, wants, drops)
    for row in rows:
        if need > row.context:
            drops.append((row, CONTEXT))
        elif wanted and 0 in [row.zones & mask for mask in wanted]:
            drops.append((row, _outside(wants)))
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


def _may(rows: Sequence[Row], wants: Wants, drops: Drops) -> list[Row]:
    """The rows that the principal may use and the request does not exclude; `drops` grows."""
    kept: list[Row] = []
    for row in rows:
        if wants.permitted is None or row.model in wants.permitted:
            why = wants.placement.against(row) if wants.placement else None
            if why is None:
                kept.append(row)
            else:
                drops.append((row, why))
    return kept


def _outside(wants: Wants) -> Why:
    return Why("residency", f"residency: {' and '.join('/'.join(zones) for zones in wants.residency)} wanted")


def dropped_groups(unable: Sequence[str], drops: Drops) -> tuple[Dropped, ...]:
    """The dropped rows, those of one reason together, in the order of the reasons' first appearance; before them the
    ids of those that are `unable` to do the operation.
    """
    groups: dict[Why, list[str]] = {UNABLE: list(unable)} if unable else {}
    for row, why in drops:
        groups.setdefault(why, []).append(row.id)
    return tuple(Dropped(tuple(endpoints), why.reason, why.code) for why, endpoints in groups.items())


def nothing_left(table: Table, choice: Choice, states: Mapping[str, EndpointState], drops: Drops, now: float) -> Fault:
    """The fault for a request that nothing may serve: the caller's where the request itself can never be served.

    InvalidRequest if no endpoint does the operation or none has room for the tokens, or time cannot help and the
    request excludes some by itself; else NoCandidate with the counts by reason, with `retry_after` if time alone can
    help and `should_retry` false if it cannot.
    """
    offer = table.offers[choice.operation]
    if not offer.rows and not offer.fallback and not drops:
        message = f"{table.name!r} does not do {choice.operation}"
        return InvalidRequest(message, code="unsupported_operation", param="model")
    reasons = [why.reason for _, why in drops]
    if drops and all(why is CONTEXT for _, why in drops):
        tokens = f"{choice.prompt_tokens} prompt tokens and {choice.max_output or 0} of output"
        message = f"about {tokens} do not fit; at most {max(row.context for row, _ in drops)} do"
        return InvalidRequest(message, code="context_length_exceeded", param="messages")
    counts = (
        "; ".join(f"{reasons.count(reason)} by {reason}" for reason in dict.fromkeys(reasons))
        or "its models are not yours"
    )
    waits = [_wait(states[row.id], choice.prompt_tokens, now) for row, why in drops if why in (UNHEALTHY, BUSY)]
    if not waits and any(why.code in _PLACED for _, why in drops):
        message = f"no endpoint of {table.name!r} may serve this request ({counts})"
        return InvalidRequest(message, code="nothing_allowed", param="intertie")
    message = f"no endpoint of {table.name!r} may serve this request now ({counts})"
    return NoCandidate(message, retry_after=min(waits) if waits else None, should_retry=bool(waits))


def _wait(state: EndpointState, tokens: int, now: float) -> float:
    """Seconds until the endpoint may be tried again; one second where that hangs on a probe under way."""
    until = state.free_at(tokens, now)
    if not state.breaker.closed:
        until = max(until, state.breaker.open_until)
    return until - now if until > now else 1.0
