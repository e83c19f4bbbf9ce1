"""`intertie route explain`: who asked, where a request ran and why, and where it would have run with other weights."""

from typing import Any

import msgspec
import uvloop

from intertie.cli.moments import iso, shown
from intertie.cli.screen import Json, complain, emit, out, show_table
from intertie.cli.stored import Gateway, On, compiled, opened, unknown
from intertie.cli.units import units_told, units_used
from intertie.config.settings import Settings
from intertie.core.clock import SystemClock
from intertie.core.faults import InvalidRequest, NotFound, StoreFault
from intertie.core.ids import parse_request_id, request_id
from intertie.core.money import show_usd
from intertie.core.plan import AXES, Candidate, Objective, Plan, unpack
from intertie.policy.routing.explain import describe, sentences
from intertie.policy.routing.replay import replay
from intertie.store import reports
from intertie.store.reports import RequestRow

_SHOWN = 12
_COLUMNS = ("", "endpoint", "site", "ms", "$", "g CO2", *AXES, "score")
_ARRIVES = "a request is in the ledger within about a second of its answer"


def explain(request: str, *, weights: str = "", objective: str = "", json: Json = False, on: On = None) -> int:
    """Tell who asked, where the request ran and why; and what other weights or another objective would have chosen.

    The choice is replayed from the candidates as they were judged when the request came. Exit code 1 if it is to be
    replayed and no plan was recorded (`record_plans`).

    Parameters
    ----------
    request
        The id of the request, from `x-request-id` or the log: req_0r2k8x…_42.
    weights
        Replay with these laid over the weights of the plan: ttft=.8,cost=.2 (also affinity, capacity, …).
    objective
        Replay under this objective of the configuration, with its weights, latency target and spend cap.
    json
        Print one JSON object: `request`, `plan`, `replay`. Costs are exact decimal dollars, as text.
    """
    gateway = on or Gateway()
    if weights and objective:
        raise InvalidRequest("--weights and --objective exclude each other")
    wanted = _weights(weights) if weights else _objective(gateway, objective) if objective else None
    row = uvloop.run(_row(gateway.settings(), request))
    plan = _plan(row)
    again = replay(plan, wanted) if plan is not None and wanted is not None else None
    if json:
        emit({"request": _row_told(row), "plan": plan and _plan_told(plan), "replay": again and _plan_told(again)})
    else:
        _show_row(row, plan)
        if plan is not None:
            _show_plan(plan, f"Candidates, objective {plan.objective}", row.endpoint)
        if plan is not None and again is not None:
            _show_replay(plan, again, weights or f"objective {objective}")
    if wanted is not None and plan is None:
        complain("nothing can be replayed: no plan was recorded (setting `record_plans`)")
        return 1
    return 0


def _weights(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in text.split(","):
        axis, _, value = part.partition("=")
        if axis.strip() not in AXES:
            raise InvalidRequest(f"--weights: there is no axis {axis.strip()!r}; the axes are {', '.join(AXES)}")
        try:
            weights[axis.strip()] = float(value)
        except ValueError:
            raise InvalidRequest(f"--weights: expected numbers as in ttft=.8,cost=.2, found {part!r}") from None
    return weights


def _objective(gateway: Gateway, name: str) -> Objective:
    settings, document = gateway.configured()
    known = compiled(document, settings, SystemClock.wall()).objectives
    if name not in known:
        raise unknown("--objective", name, known)
    return known[name]


async def _row(settings: Settings, request: str) -> RequestRow:
    try:
        worker, sequence = parse_request_id(request)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    async with opened(settings) as database, database.read() as connection:
        row = await reports.request(connection, worker, sequence)
    if row is None:
        raise NotFound(f"the ledger has no request {request} ({_ARRIVES}; refusals at the door are only in the log)")
    return row


def _plan(row: RequestRow) -> Plan | None:
    try:
        return unpack(row.plan) if row.plan else None
    except msgspec.DecodeError as error:
        raise StoreFault(f"the plan of {request_id(row.worker, row.sequence)} cannot be read: {error}") from error


def _show_row(row: RequestRow, plan: Plan | None) -> None:
    asked = [f"{what.replace('_', ' ')} {name}" for what, name in _askers(row).items() if name]
    ended = f"{row.outcome} ({row.status}{', ' + row.fault if row.fault else ''})" if row.outcome else "under way"
    lines = [
        f"{request_id(row.worker, row.sequence)}: {row.operation} for {row.model}, {shown(row.at)} UTC",
        f"  asked by   {', '.join(asked)}",
        f"  ended      {ended}" + (f" after {row.duration_s * 1_000:,.0f} ms" if row.outcome else ""),
    ]
    if row.endpoint:
        first = f", first token after {row.ttft_s * 1_000:,.0f} ms" if row.ttft_s else ""
        lines.append(f"  ran at     {row.endpoint} ({row.site}), attempts: {row.attempts}{first}")
        guessed = ", estimated" if row.estimated else ""
        lines.append(f"  tokens     {row.prompt} in ({row.cached} cached), {row.completion} out{guessed}")
        lines += [f"  {unit.words:<11}{unit.amount(row):,}" for unit in units_used(row)]
        cost = "unknown" if row.cost_nano is None else f"${show_usd(row.cost_nano)} (price from {row.price_source})"
        if row.tier:
            cost += f" in tier {row.tier}"
        lines.append(f"  cost       {cost}, {row.gco2:.2g} g CO2")
    if plan is None:
        lines.append("  plan       none was recorded")
    elif row.endpoint and row.endpoint != plan.order[0]:
        lines.append(f"  failover   {plan.order[0]} was chosen first and did not answer")
    out().print("\n".join(lines), markup=False)


def _show_plan(plan: Plan, title: str, ran_at: str) -> None:
    out().print("")
    shares = [f"{getattr(plan.weights, axis):.2f}" for axis in AXES]
    rows = [_cells(candidate, ran_at) for candidate in plan.candidates[:_SHOWN]]
    show_table(title, _COLUMNS, [("", "weights", "", "", "", "", *shares, ""), *rows])
    if len(plan.candidates) > _SHOWN:
        out().print(f"… and {len(plan.candidates) - _SHOWN} more; --json shows all")
    for sentence in sentences(plan):
        out().print(f"  {sentence}", markup=False)


def _cells(candidate: Candidate, ran_at: str) -> tuple[str, ...]:
    return (
        "→" if candidate.endpoint == ran_at else "",
        candidate.endpoint,
        candidate.site,
        f"{candidate.ttft_ms:,.0f}",
        "-" if candidate.cost_nano is None else show_usd(candidate.cost_nano),
        "-" if candidate.gco2 is None else f"{candidate.gco2:.3g}",
        *(f"{utility:.2f}" for utility in candidate.utilities),
        f"{candidate.score:.3f}",
    )


def _show_replay(plan: Plan, again: Plan, wanted: str) -> None:
    was, now = plan.candidates[0], again.candidates[0]
    _show_plan(again, f"With {wanted}", now.endpoint)
    if was.endpoint == now.endpoint:
        out().print(f"\nThe choice would have been the same: {was.endpoint}.")
    else:
        out().print(f"\nIt would have gone elsewhere.\n  was  {describe(was)}\n  then {describe(now)}", markup=False)


def _askers(row: RequestRow) -> dict[str, str]:
    return {
        "key": row.key_id,
        "key_name": row.key_name,
        "user": row.user_name,
        "group": row.group_name,
        "project": row.project,
    }


def _row_told(row: RequestRow) -> dict[str, Any]:
    return {
        "id": request_id(row.worker, row.sequence),
        "at": iso(row.at),
        **_askers(row),
        "operation": row.operation,
        "model": row.model,
        "objective": row.objective,
        "stream": row.stream,
        "outcome": row.outcome or None,
        "status": row.status,
        "code": row.fault,
        "endpoint": row.endpoint,
        "site": row.site,
        "upstream_model": row.upstream_model,
        "attempts": row.attempts,
        "prompt_tokens": row.prompt,
        "cached_tokens": row.cached,
        "completion_tokens": row.completion,
        **units_told(row),
        "usage_estimated": row.estimated,
        "tier": row.tier,
        "cost_usd": None if row.cost_nano is None else show_usd(row.cost_nano),
        "price_source": row.price_source,
        "gco2": row.gco2,
        "ttft_ms": round(row.ttft_s * 1_000, 3),
        "duration_ms": round(row.duration_s * 1_000, 3),
    }


def _plan_told(plan: Plan) -> dict[str, Any]:
    return {
        "objective": plan.objective,
        "weights": {axis: getattr(plan.weights, axis) for axis in AXES},
        "chosen": plan.order[0],
        "expected": _expected(plan.candidates[0]),
        "probability": plan.probability,
        "relaxed": plan.relaxed,
        "reasons": sentences(plan),
        "candidates": [_candidate_told(candidate) for candidate in plan.candidates],
        "dropped": [
            {"endpoints": group.endpoints, "code": group.code, "reason": group.reason} for group in plan.dropped
        ],
    }


def _candidate_told(candidate: Candidate) -> dict[str, Any]:
    return {
        "endpoint": candidate.endpoint,
        "site": candidate.site,
        **_expected(candidate),
        "utilities": dict(zip(AXES, candidate.utilities, strict=True)),
        "score": candidate.score,
    }


def _expected(candidate: Candidate) -> dict[str, Any]:
    return {
        "ttft_ms": candidate.ttft_ms,
        "cost_usd": None if candidate.cost_nano is None else show_usd(candidate.cost_nano),
        "gco2": candidate.gco2,
    }
