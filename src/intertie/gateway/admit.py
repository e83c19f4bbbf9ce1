"""Step 4, admit: every limit and budget that binds the caller has room for the worst case, or the request is refused.

The worst case is what the dearest candidate could charge: every byte of the prompt a token, all output produced. It is
held until the request is settled, and written to the journal before anything is spent. Limits on tokens per minute take
the estimate instead: what was really used counts in the end, and a rate exceeded once is made good within the minute.
"""

from collections.abc import Container, Sequence
from typing import Final

import msgspec

from intertie.core.call import Call
from intertie.core.faults import InvalidRequest, StoreFault
from intertie.core.money import Nano
from intertie.core.principal import KINDS, Meter, MeterKind
from intertie.core.record import Admitted
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage
from intertie.gateway.terms import joined
from intertie.gateway.wallet import Holds
from intertie.policy.routing.choice import Choice, resolve
from intertie.policy.routing.choose import worst_cost
from intertie.policy.routing.table import Table

_MOST_SEARCHES: Final = 16
"""Searches that one answer is believed to make at most, where the endpoint may search the web."""


async def admit(live: Live, passage: Passage, kinds: Container[MeterKind] = KINDS) -> Holds:
    """Take the holds. Raises RateLimited, BudgetExhausted, LenderAway or StoreFault; then nothing is held.

    `kinds` are the meters that are asked, where some are held for a session and others for each of its responses.
    """
    principal, call = passage.principal, passage.call
    assert principal is not None and call is not None
    wall, terms = live.clock.wall(), live.terms_of(principal, call.model)
    if call.ask.models:
        terms = joined(terms, [live.terms_of(principal, name) for name in call.ask.models])
    passage.terms = terms
    choice = passage.choice = resolve(live.snapshot, live.tables, principal, call, terms.wants, wall)
    needs = _needs(live, passage, choice, [one for one in terms.meters if one.kind in kinds]) if terms.meters else ()
    holds = live.wallet.take(needs, wall, live.clock.monotonic()) or await live.wallet.borrow(needs)
    row = Admitted(
        passage.sequence, wall, principal.key_id, principal.user, principal.group, principal.project,
        call.operation, call.model, holds.charges(), call.ask.tags, choice.wants.objective,
    )  # fmt: skip
    try:
        live.journal.admitted(row)
    except StoreFault:
        live.wallet.release(holds)
        raise
    return holds


def _needs(live: Live, passage: Passage, choice: Choice, meters: Sequence[Meter]) -> list[tuple[Meter, int]]:
    principal, call = passage.principal, passage.call
    assert principal is not None and call is not None
    needs: list[tuple[Meter, int]] = []
    for meter in meters:
        kind = meter.kind
        if kind == "usd":
            cost = _worst(live.tables[call.model], choice, call)
            if cost is None and not principal.allow_unpriced:
                raise InvalidRequest(
                    f"No price is known for {call.operation} with {call.model!r}, and {meter.owner} has a budget; "
                    "unknown is not zero.",
                    code="model_unpriced", param="model",
                )  # fmt: skip
            needs.append((meter, cost or 0))
        elif kind == "tokens":
            output = live.snapshot.default_max_output if call.max_output is None else call.max_output
            needs.append((meter, call.prompt_tokens + output * call.choices))
        else:
            needs.append((meter, 1))
    return needs


def _worst(table: Table, choice: Choice, call: Call) -> Nano | None:
    """The most the call can cost. Where the endpoint runs tools, what they find may fill its whole context."""
    prompt, units = call.units.prompt or len(call.body), call.units
    if call.hosted:
        offer = table.offers[call.operation]
        prompt = max([prompt, *(row.context for row in (*offer.rows, *offer.fallback))])
        units = msgspec.structs.replace(units, searches=max(units.searches, _MOST_SEARCHES))
    return worst_cost(table, choice, prompt, call.choices, units)
