"""Step 10, observe: the request is counted, logged as one line (who, what, where, how long, how much; no body), and
told as a span where a collector wants them.
"""

from intertie.core.faults import Fault, UpstreamError, UpstreamFault
from intertie.core.ids import RequestId
from intertie.core.principal import Principal
from intertie.core.record import Observation, Settled
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage, now

_MAX_WORD = 128
_LIKELY = {
    401: " (is its credential good?)",
    403: " (may its credential use this?)",
    404: " (is its url whole, and is upstream_model served there?)",
}
"""What most often is wrong in the configuration where an endpoint answers so; its own words may hold a prompt."""


def observe(live: Live, passage: Passage) -> None:
    """Count and log a request that has ended."""
    row, call, principal, fault = passage.row, passage.call, passage.principal, passage.fault
    model = call.model if call and call.model in live.tables else ""
    if row is not None:
        live.meters.ended(model, passage.door.operation, principal.group if principal else "", row)
    elif fault is not None:
        live.meters.refused(model, passage.door.operation, fault, now() - passage.request.received)
    if live.log is not None or passage.trace is not None:
        line = _line(live, passage, row)
        if live.log is not None:
            live.log.write(line)
        _trace(live, passage, line)


def note(live: Live, name: RequestId, fault: Fault) -> None:
    """Count and log a refusal that came before there was a passage: malformed HTTP, no such page, no key for a body."""
    live.meters.refused("", "", fault, 0.0)
    if live.log is not None:
        live.log.write(Observation(live.stamp(live.clock.wall()), name, "refused", fault.status, fault.code))


def _trace(live: Live, passage: Passage, line: Observation) -> None:
    if live.spans is not None and passage.trace is not None:
        ended = live.clock.wall()
        live.spans.ended(passage.trace, line, ended - (now() - passage.request.received), ended)


def _line(live: Live, passage: Passage, row: Settled | None) -> Observation:
    call, principal, headers, fault = passage.call, passage.principal, passage.request.headers, passage.fault
    line = Observation(
        live.stamp(row.at if row else live.clock.wall()),
        passage.name,
        row.outcome if row else "refused",
        row.status if row else (fault.status if fault else 0),
        fault.code if fault else "",
        operation=passage.door.operation,
    )
    if principal is not None:
        line.key, line.user, line.group, line.project = _who(principal)
    if isinstance(fault, UpstreamFault):
        line.why = _why(fault)
    if call is not None:
        line.model, line.stream = call.model[:_MAX_WORD], call.stream
    if b"x-client-request-id" in headers:
        line.caller_id = headers[b"x-client-request-id"][:_MAX_WORD].decode("latin-1")
    if b"x-stainless-retry-count" in headers:
        line.retry = headers[b"x-stainless-retry-count"][:_MAX_WORD].decode("latin-1")
    if row is not None:
        _add_row(line, row, passage)
    return line


def _why(fault: UpstreamFault) -> str:
    if isinstance(fault, UpstreamError):
        return f"status {fault.upstream_status}{_LIKELY.get(fault.upstream_status, '')}"
    return fault.message[:_MAX_WORD]


def _who(principal: Principal) -> tuple[str, str, str, str]:
    return principal.key_id, principal.user, principal.group, principal.project


def _add_row(line: Observation, row: Settled, passage: Passage) -> None:
    usage = row.usage
    line.endpoint, line.site, line.attempts = row.endpoint, row.site, row.attempts
    line.prompt_tokens, line.cached_tokens = usage.prompt, usage.cached
    line.completion_tokens, line.usage_estimated = usage.completion, usage.estimated
    line.reasoning_tokens, line.written_tokens = usage.reasoning, usage.written + usage.written_1h
    line.tier = usage.tier
    line.cost_nano, line.gco2 = row.cost_nano, row.gco2
    line.ttft_ms, line.duration_ms = int(row.ttft_s * 1_000), int(row.duration_s * 1_000)
    if passage.choice is not None:
        line.objective = passage.choice.wants.objective
