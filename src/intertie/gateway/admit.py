"""Step 4, admit: every limit and budget that binds the caller has room for the worst case, or the request is refused.

The worst case is what the dearest candidate could charge: every byte of the prompt a token, all output produced. It is
held until the request is settled, and written to the journal before anything is spent. Limits on tokens per minute take
the estimate instead: what was really used counts in the end, and a rate exceeded once is made good within the minute.
"""

from intertie.core.faults import InvalidRequest, StoreFault
from intertie.core.principal import Meter
from intertie.core.record import Admitted
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage
from intertie.gateway.wallet import Holds
from intertie.policy.routing.choice import resolve
from intertie.policy.routing.choose import worst_cost


async def admit(live: Live, passage: Passage) -> Holds:
    """Take the holds. Raises RateLimited, BudgetExhausted, LenderAway or StoreFault; then nothing is held."""
    principal, call = passage.principal, passage.call
    assert principal is not None and call is not None
    wall, table = live.clock.wall(), live.tables[call.model]
    meters, pays = live.meters_of(principal, call.model)
    passage.choice = resolve(live.snapshot, table, principal, call, pays, wall)
    needs = _needs(live, passage, meters) if meters else []
    holds = live.wallet.take(needs, wall, live.clock.monotonic()) or await live.wallet.borrow(needs)
    row = Admitted(
        passage.sequence, wall, principal.key_id, principal.user, principal.group, principal.project,
        call.operation, call.model, holds.charges, call.ask.tags, passage.choice.objective,
    )  # fmt: skip
    try:
        live.journal.admitted(row)
    except StoreFault:
        live.wallet.release(holds)
        raise
    return holds


def _needs(live: Live, passage: Passage, meters: tuple[Meter, ...]) -> list[tuple[Meter, int]]:
    call, choice, principal = passage.call, passage.choice, passage.principal
    assert call is not None and choice is not None and principal is not None
    needs: list[tuple[Meter, int]] = []
    for meter in meters:
        if meter.kind == "usd":
            cost = worst_cost(live.tables[call.model], choice, len(call.body), call.choices)
            if cost is None and not principal.allow_unpriced:
                raise InvalidRequest(
                    f"No price is known for {call.model!r}, and {meter.owner} has a budget; unknown is not zero.",
                    code="model_unpriced", param="model",
                )  # fmt: skip
            needs.append((meter, cost or 0))
        elif meter.kind == "tokens":
            output = live.snapshot.default_max_output if call.max_output is None else call.max_output
            needs.append((meter, call.prompt_tokens + output * call.choices))
        else:
            needs.append((meter, 1))
    return needs
