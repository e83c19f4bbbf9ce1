"""`intertie route explain`: who asked, where a request ran and why, and where it would have run with other wishes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import Parameter

from intertie.cli.moments import iso, shown
from intertie.cli.screen import Json, complain, emit, out, show_table
from intertie.cli.stored import Gateway, On, compiled, opened, unknown
from intertie.cli.units import units_told, units_used
from intertie.config.settings import Settings
from intertie.config.snapshot import Snapshot
from intertie.core.call import Ask, MaxPrice
from intertie.core.clock import SystemClock
from intertie.core.faults import InvalidRequest, NotFound, StoreFault
from intertie.core.ids import parse_request_id, request_id
from intertie.core.money import show_usd
from intertie.core.plan import AXES, Candidate, Objective, Plan, unpack
from intertie.policy.routing.explain import describe, sentences
from intertie.policy.routing.placement import NO_PLACEMENT, Placement, placement_of
from intertie.policy.routing.replay import replay
from intertie.policy.routing.table import Row, build_table
from intertie.store import reports
from intertie.store.reports import RequestRow

_SHOWN = 12
_COLUMNS = ("", "endpoint", "site", "ms", "$", "g CO2", *AXES, "score")
_ARRIVES = "a request is in the ledger within about a second of its answer"


@dataclass(frozen=True, slots=True)
class Places:
    """What a request may say of endpoints: names of endpoints, sites or providers, their price, what they keep."""

    only: str = ""
    """Replay with none but these, by name of endpoint, site or provider as configured now: groq,hall."""
    ignore: str = ""
    """Replay without these."""
    order: str = ""
    """Replay with these tried first, in this order."""
    no_retention: Annotated[bool, Parameter(negative="")] = False
    """Replay with none that may keep what it is sent."""
    max_price: str = ""
    """Replay with none that asks more, in dollars per million tokens or per request: prompt=.5,completion=2."""

    def placement(self, model: str) -> Placement:
        """The same in the words of the choice. Raises InvalidRequest, naming the flag."""
        ask = Ask(
            only=_words(self.only),
            ignore=_words(self.ignore),
            order=_words(self.order),
            no_retention=self.no_retention,
            max_price=_max_price(self.max_price) if self.max_price else None,
        )
        return placement_of(ask, model) or NO_PLACEMENT

    def told(self) -> list[str]:
        """What of it was asked for, in words."""
        named = [f"{name} {text}" for name in ("only", "ignore", "order", "max_price") if (text := getattr(self, name))]
        return [one.replace("_", " ") for one in named] + ["no retention"] * self.no_retention


At = Annotated[Places | None, Parameter(name="*")]


def explain(
    request: str, *, weights: str = "", objective: str = "", places: At = None, json: Json = False, on: On = None
) -> int:
    """Tell who asked, where the request ran and why; and what other wishes would have chosen.

    The choice is replayed from the candidates as they were judged when the request came: who was excluded then is not
    among them. Exit code 1 if it is to be replayed and no plan was recorded (`record_plans`).

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
    gateway, asked = on or Gateway(), places or Places()
    if weights and objective:
        raise InvalidRequest("--weights and --objective exclude each other")
    wished = [*filter(None, (weights, objective and f"objective {objective}")), *asked.told()]
    wanted = _objective(gateway, objective) if objective else _weights(weights) if weights else {}
    row = uvloop.run(_row(gateway.settings(), request))
    plan = _plan(row)
    again = _again(gateway, row, plan, wanted, asked) if plan is not None and wished else None
    if json:
        emit({"request": _row_told(row), "plan": plan and _plan_told(plan), "replay": again and _plan_told(again)})
    else:
        _show_row(row, plan)
        if plan is not None:
            _show_plan(plan, f"Candidates, objective {plan.objective}", row.endpoint)
        if plan is not None and again is not None:
            _show_replay(plan, again, ", ".join(wished))
    if wished and plan is None:
        complain("nothing can be replayed: no plan was recorded (setting `record_plans`)")
        return 1
    return 0


def _again(
    gateway: Gateway, row: RequestRow, plan: Plan, wanted: Mapping[str, float] | Objective, places: Places
) -> Plan:
    placement = places.placement(row.model)
    if placement == NO_PLACEMENT:
        return replay(plan, wanted)
    rows = _rows(_snapshot(gateway))
    gone = [candidate.endpoint for candidate in plan.candidates if candidate.endpoint not in rows]
    if gone:
        raise InvalidRequest(f"what {', '.join(gone)} is called is not known: the configuration no longer has it")
    return replay(plan, wanted, placement, rows)


def _rows(snapshot: Snapshot) -> dict[str, Row]:
    """What the choice knows of each endpoint."""
    tables = [build_table(snapshot, model) for model in {endpoint.model for endpoint in snapshot.endpoints.values()}]
    return {row.id: row for table in tables for offer in table.offers.values() for row in offer.rows}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _max_price(text: str) -> MaxPrice:
    pairs = [part.partition("=") for part in text.split(",")]
    amounts = {name.strip(): amount.strip() for name, _, amount in pairs}
    if amounts.keys() - set(MaxPrice.__struct_fields__):
        raise InvalidRequest(f"--max-price: expected prompt=.5,completion=2,request=.01, found {text!r}")
    return MaxPrice(**amounts)


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
    known = _snapshot(gateway).objectives
    if name not in known:
        raise unknown("--objective", name, known)
    return known[name]


def _snapshot(gateway: Gateway) -> Snapshot:
    settings, document = gateway.configured()
    return compiled(document, settings, SystemClock.wall())


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
