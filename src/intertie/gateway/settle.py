"""Step 8, settle: usage to cost to journal row; the hold is closed. Exactly once, on every way out.

Synchronous on purpose: with nothing to wait for, neither a cancel nor another request can come between.
"""

from typing import Final

import msgspec

from intertie.core.endpoint import Operation
from intertie.core.faults import CallerLeft, Draining, StoreFault, UpstreamFault
from intertie.core.record import Outcome, Settled
from intertie.core.usage import NOTHING, Usage
from intertie.gateway.holds import Holds
from intertie.gateway.live import Live
from intertie.gateway.passage import Attempt, Passage, now

_WORDS: Final[tuple[Operation, ...]] = ("chat", "completions", "transcription", "translation")


def settle(live: Live, passage: Passage) -> None:
    """Close the books on a request that was admitted.

    If the journal cannot be written, that is how the request ends, and its whole hold counts as spent: so will whoever
    finds the journal without this row.
    """
    holds, attempt, call = passage.holds, passage.attempt, passage.call
    if holds is None or call is None:
        return
    usage = used(passage)
    price = attempt.lane.endpoint.price if attempt else None
    cost = 0 if usage is NOTHING else price.of(usage) if price else None
    if usage.estimated and cost is not None and (held := holds.charges()):
        cost = min(cost, held[0].amount)  # our own guess never costs more than what was set aside
    if passage.terms is not None and passage.terms.narrow:
        _spare(live, passage, holds)
    try:
        row = _row(live, passage, usage, cost)
        live.journal.settled(row)
        live.wallet.settle(holds, cost, usage.prompt + usage.completion)
        passage.row, passage.cost = row, cost
    except StoreFault as fault:
        passage.fault = fault
    finally:
        if holds.open:
            live.wallet.forfeit(holds)


def _spare(live: Live, passage: Passage, holds: Holds) -> None:
    """Release what the meters of models hold that did not serve: a route's candidates, others that the call names."""
    call, choice = passage.call, passage.choice
    assert call is not None and choice is not None
    named, served = call.model, ""
    if passage.attempt is not None:
        endpoint = passage.attempt.lane.endpoint
        served, tables = endpoint.model, (passage.view.tables[named], *choice.others)
        named = next(table.name for table in tables if table.serves(call.operation, endpoint.id))
    if (others := holds.others(named, served)) is not None:
        live.wallet.release(others)


def _row(live: Live, passage: Passage, usage: Usage, cost: int | None) -> Settled:
    """What the journal is told of an admitted request that has ended."""
    holds, attempt, call = passage.holds, passage.attempt, passage.call
    assert holds is not None and call is not None
    lane = attempt.lane if attempt else None
    price = lane.endpoint.price if lane else None
    return Settled(
        passage.sequence,
        live.clock.wall(),
        outcome(passage),
        passage.fault.status if passage.fault else passage.status,
        lane.endpoint.id if lane else "",
        lane.site.id if lane else "",
        lane.endpoint.upstream_model if lane else "",
        usage,
        cost,
        price.source if price else "",
        holds.charges(cost),
        first_token_s(attempt),
        now() - passage.request.received,
        lane.footprint_g(usage) if lane else 0.0,
        passage.attempts,
        passage.fault.code if passage.fault else "",
        live.pack_plan(passage.plan),
        call.stream,
    )


def used(passage: Passage) -> Usage:
    """What was consumed: the upstream's figures, or our own count where they cannot have come.

    An endpoint that was not asked, or failed before it spoke, is not paid. A caller who left pays the prompt (the
    endpoint has read it) and what was delivered.
    """
    attempt, call, fault = passage.attempt, passage.call, passage.fault
    if attempt is None or call is None or not attempt.sent:
        return NOTHING
    if attempt.heard.usage is not None:
        return attempt.heard.usage
    if isinstance(fault, UpstreamFault) and not attempt.first_byte:
        return NOTHING
    if fault is None and not call.stream:
        words = len(passage.body) // 4 if call.operation in _WORDS else 0
        return msgspec.structs.replace(call.units, prompt=call.prompt_tokens, completion=words, estimated=True)
    prompt = attempt.heard.prompt or Usage(call.prompt_tokens)
    return msgspec.structs.replace(prompt, completion=attempt.heard.events, estimated=True)


def outcome(passage: Passage) -> Outcome:
    """How the request ended, in one word (see `core.record.Outcome`)."""
    fault = passage.fault
    if fault is None:
        return "served"
    if isinstance(fault, CallerLeft):
        return "left"
    if passage.attempt is None:
        return "refused"
    begun = passage.attempt.first_byte > 0
    return "cut" if begun and isinstance(fault, UpstreamFault | Draining) else "failed"


def first_token_s(attempt: Attempt | None) -> float:
    """Seconds from sending to the first byte; 0 if none came."""
    return attempt.first_byte - attempt.started if attempt and attempt.first_byte else 0.0
