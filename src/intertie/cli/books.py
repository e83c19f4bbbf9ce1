"""`intertie budgets`, `usage` and `ledger verify`: what was spent, by whom, and whether the books agree."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import uvloop

from intertie.cli.moments import ago, iso, shown
from intertie.cli.screen import Json, complain, emit, out, show_table
from intertie.cli.stored import PATIENCE_S, Gateway, On, compiled, opened
from intertie.cli.units import UNITS, Unit, units_told, units_used
from intertie.config.settings import Settings
from intertie.control.budgets import BudgetState, budget_states
from intertie.core.clock import SystemClock
from intertie.core.faults import InvalidRequest
from intertie.core.money import show_usd
from intertie.store import reports
from intertie.store.reports import By, UsageRow
from intertie.store.stored_keys import all_keys
from intertie.store.verify import Verdict, verify

_BUDGETS = ("whose", "model", "period", "cap $", "spent $", "lent $", "left $", "", "%", "resets")
_TOKENS = ("requests", "served", "tokens in", "cached", "tokens out")
_COSTS = ("cost $", "g CO2", "p50 ms", "p90 ms")
_BAR = 20


def budgets(*, json: Json = False, on: On = None) -> int:
    """Every budget in its current period: cap, spent, lent to workers, left, and when it resets.

    What is lent is held by requests under way, or kept by workers for the next ones; it is not spent yet.

    Parameters
    ----------
    json
        Print one JSON object: `budgets`. Amounts are exact decimal dollars, as text.
    """
    settings, document = (on or Gateway()).configured()
    now = SystemClock.wall()
    meters = compiled(document, settings, now).meters.values()

    async def read() -> Sequence[BudgetState]:
        async with opened(settings) as database:
            return await budget_states(database, meters, now)

    states = uvloop.run(read())
    if json:
        emit({"budgets": [budget_told(state) for state in states]})
    elif states:
        show_table("Budgets", _BUDGETS, [_budget_row(state) for state in states])
    else:
        out().print("The configuration declares no budgets.")
    return 0


def usage(*, by: By = "group", since: str = "7d", until: str = "", json: Json = False, on: On = None) -> int:
    """What requests consumed and cost, summed over their group, user, key, project, model, place, day, objective or
    service tier.

    What nobody used (audio, images, cache writes …) has no column.

    Parameters
    ----------
    by
        What to sum over. Days are those of UTC.
    since
        Count requests admitted from here on: a span such as 7d or 12h before now, or a date (UTC).
    until
        Count requests admitted before this. Now, if not given.
    json
        Print one JSON object: `since`, `until`, `by`, `rows`, `total`. Costs are exact decimal dollars, as text.
    """
    now = SystemClock.wall()
    span = ago(since, now, "--since"), ago(until, now, "--until") if until else now
    if span[0] >= span[1]:
        raise InvalidRequest(f"--since {since} is not before --until {until or 'now'}", param="since")
    rows, keys = uvloop.run(_usage((on or Gateway()).settings(), by, *span))
    if json:
        told = {"rows": [{by: row.name, **_usage_told(row)} for row in rows], "total": _usage_told(_total(rows))}
        emit({"since": iso(span[0]), "until": iso(span[1]), "by": by, **told})
    else:
        named = [msgspec.structs.replace(row, name=keys.get(row.name, row.name)) for row in rows]
        _show_usage(by, span, named)
    return 0


def ledger_verify(*, json: Json = False, on: On = None) -> int:
    """Check the books against themselves: ledger, charges, accounts and leases. Exit code 1 if they contradict.

    Parameters
    ----------
    json
        Print one JSON object: `sound`, `accounts`, `requests`, `open_requests`, `findings`.
    """
    verdict = uvloop.run(_verdict((on or Gateway()).settings()))
    if json:
        emit(_verdict_told(verdict))
    else:
        _show_verdict(verdict)
    return 0 if verdict.sound else 1


def budget_told(state: BudgetState) -> dict[str, Any]:
    """A budget as JSON tells it; `percent` of the cap, null where the cap is 0."""
    meter = state.meter
    return {
        "meter": meter.id,
        "owner": meter.owner,
        "model": meter.model,
        "period": meter.period,
        "account": state.period.account,
        "cap_usd": show_usd(meter.cap),
        "settled_usd": show_usd(state.settled),
        "lent_usd": show_usd(state.lent),
        "left_usd": show_usd(state.left),
        "percent": _percent(state),
        "resets_at": iso(state.period.end, ZoneInfo(meter.zone)),
    }


def _percent(state: BudgetState) -> float | None:
    return round(100 * state.settled / state.meter.cap, 1) if state.meter.cap else None


def _budget_row(state: BudgetState) -> tuple[object, ...]:
    meter, percent = state.meter, _percent(state)
    amounts = map(show_usd, (meter.cap, state.settled, state.lent, state.left))
    anew = f"{shown(state.period.end, ZoneInfo(meter.zone))} {meter.zone}" if state.period.end else "never"
    share = "-" if percent is None else f"{percent:.1f}"
    return (meter.owner, meter.model or "all", meter.period, *amounts, _bar(percent), share, anew)


def _bar(percent: float | None) -> str:
    full = min(_BAR, round(_BAR * (100.0 if percent is None else percent) / 100))
    return "█" * full + "░" * (_BAR - full)


async def _usage(settings: Settings, by: By, since: float, until: float) -> tuple[Sequence[UsageRow], dict[str, str]]:
    """The report, and what people call the stored keys."""
    async with opened(settings) as database, database.read(PATIENCE_S) as connection:
        keys = {key.id: f"{key.name} ({key.id})" for key in await all_keys(connection)}
        return await reports.usage(connection, by, since, until), keys


def _total(rows: Sequence[UsageRow]) -> UsageRow:
    counted = ("requests", "served", "under_way", "unpriced", "prompt", "cached", "completion", "cost_nano", "gco2")
    names = (*counted, *(unit.field for unit in UNITS))
    return UsageRow("", **{name: sum(getattr(row, name) for row in rows) for name in names})


def _usage_told(row: UsageRow) -> dict[str, Any]:
    return {
        "requests": row.requests,
        "served": row.served,
        "under_way": row.under_way,
        "unpriced": row.unpriced,
        "prompt_tokens": row.prompt,
        "cached_tokens": row.cached,
        "completion_tokens": row.completion,
        "cost_usd": show_usd(row.cost_nano),
        "gco2": round(float(row.gco2), 6),
        "ttft_p50_ms": _ms(row.ttft_p50_s),
        "ttft_p90_ms": _ms(row.ttft_p90_s),
        **units_told(row),
    }


def _usage_cells(row: UsageRow, units: Sequence[Unit]) -> tuple[object, ...]:
    counts = [f"{count:,}" for count in (row.requests, row.served, row.prompt, row.cached, row.completion)]
    waits = ["-" if wait is None else f"{wait:,}" for wait in (_ms(row.ttft_p50_s), _ms(row.ttft_p90_s))]
    used = [f"{unit.amount(row):,}" for unit in units]
    return (*counts, *used, show_usd(row.cost_nano), f"{row.gco2:,.3g}", *waits)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 1)


def _show_usage(by: By, span: tuple[float, float], rows: Sequence[UsageRow]) -> None:
    when = f"from {shown(span[0])} to {shown(span[1])} UTC"
    if not rows:
        out().print(f"No requests {when}.")
        return
    total = _total(rows)
    units = units_used(total)
    nameless = "(standard)" if by == "tier" else "(none)"
    cells = [(row.name or nameless, *_usage_cells(row, units)) for row in rows]
    columns = (by, *_TOKENS, *(unit.words for unit in units), *_COSTS)
    show_table(f"Requests {when}", columns, [*cells, ("all", *_usage_cells(total, units))])
    if total.under_way:
        out().print(f"{total.under_way} of them are under way: what they cost is not known yet.")
    if total.unpriced:
        out().print(f"{total.unpriced} of them had no price: their cost is not in these sums.")


async def _verdict(settings: Settings) -> Verdict:
    async with opened(settings) as database, database.read(PATIENCE_S) as connection:
        return await verify(connection, SystemClock.wall())


def _verdict_told(verdict: Verdict) -> dict[str, Any]:
    return {
        "sound": verdict.sound,
        "accounts": verdict.accounts,
        "requests": verdict.requests,
        "open_requests": verdict.open_requests,
        "findings": verdict.findings,
    }


def _show_verdict(verdict: Verdict) -> None:
    looked = (
        f"{verdict.requests:,} requests, {verdict.open_requests:,} of them under way, {verdict.accounts:,} accounts"
    )
    for finding in verdict.findings:
        mark = "wrong" if finding.wrong else "note"
        out().print(f"{mark}: {finding.kind} {finding.subject}: {finding.message}", markup=False)
    if verdict.sound:
        out().print(f"The books are sound: {looked}.")
    else:
        complain(f"the books contradict themselves ({looked})")
