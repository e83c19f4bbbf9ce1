"""Step 9, observe: the request is counted and logged as one line: who, what, where, how long, how much; no body."""

from datetime import UTC, datetime

from intertie.core.ids import request_id
from intertie.core.money import show_usd
from intertie.core.record import Observation, Settled
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage, now

_MAX_CALLER_ID = 128


def observe(live: Live, passage: Passage) -> None:
    """Count and log a request that has ended."""
    row, call, principal, fault = passage.row, passage.call, passage.principal, passage.fault
    model = call.model if call and call.model in live.tables else ""
    if row is not None:
        live.meters.ended(model, passage.operation, principal.group if principal else "", row)
    elif fault is not None:
        live.meters.refused(model, passage.operation, fault, now() - passage.request.received)
    if live.log is not None:
        live.log.write(_line(live, passage, row))


def _line(live: Live, passage: Passage, row: Settled | None) -> Observation:
    call, principal, headers = passage.call, passage.principal, passage.request.headers
    at = row.at if row else live.clock.wall()
    line = Observation(
        at=datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        request=request_id(live.worker, passage.sequence),
        outcome=row.outcome if row else "refused",
        status=row.status if row else (passage.fault.status if passage.fault else 0),
        code=passage.fault.code if passage.fault else "",
        operation=passage.operation,
        caller_id=headers.get(b"x-client-request-id", b"")[:_MAX_CALLER_ID].decode("latin-1"),
        retry=headers.get(b"x-stainless-retry-count", b"")[:4].decode("latin-1"),
    )
    if principal is not None:
        line.key, line.user = principal.key_id, principal.user
        line.group, line.project = principal.group, principal.project
    if call is not None:
        line.model, line.stream = call.model[:_MAX_CALLER_ID], call.stream
    if passage.plan is not None:
        line.objective = passage.plan.objective
    if row is not None:
        _add_row(line, row)
    return line


def _add_row(line: Observation, row: Settled) -> None:
    line.endpoint, line.site, line.attempts = row.endpoint, row.site, row.attempts
    line.prompt_tokens, line.cached_tokens = row.usage.prompt, row.usage.cached
    line.completion_tokens, line.usage_estimated = row.usage.completion, row.usage.estimated
    line.cost_usd = show_usd(row.cost_nano) if row.cost_nano is not None else ""
    line.gco2, line.ttft_ms = round(row.gco2, 6), round(row.ttft_s * 1000, 1)
    line.duration_ms = round(row.duration_s * 1000, 1)
