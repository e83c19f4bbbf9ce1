"""The choice as it is asked: what one request needs and wants, resolved from call, principal and snapshot."""

from collections.abc import Mapping
from math import isfinite

import msgspec

from intertie.config.snapshot import Snapshot
from intertie.core.call import NO_ASK, Ask, Call
from intertie.core.endpoint import Operation
from intertie.core.faults import InvalidRequest
from intertie.core.money import Nano, parse_usd
from intertie.core.plan import Objective, Weights
from intertie.core.principal import Principal
from intertie.policy.routing.affinity import SESSION_MARK, name_digest, tenant, verify
from intertie.policy.routing.placement import Placement, placement_of
from intertie.policy.routing.table import Table, zone_mask
from intertie.policy.routing.weights import blend


class Wants(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """What is wanted of a choice whatever is asked: the same for all calls of a principal that ask for nothing else.

    `weights` sum to 1; `slo_s` to the first token; `max_cost_nano` and `max_gco2` for one request. Never relaxed:
    `residency`, of which each set must hold one of the site's jurisdictions; `permitted` models (None: all); a price
    if `under_budget`; what `placement` says, None where nothing was said.
    """

    objective: str
    weights: Weights
    slo_s: float
    max_cost_nano: Nano | None = None
    max_gco2: float | None = None
    residency: tuple[tuple[str, ...], ...] = ()
    permitted: frozenset[str] | None = None
    under_budget: bool = False
    placement: Placement | None = None


class Choice(msgspec.Struct, gc=False):
    """One request to the choice. It needs an endpoint for `operation` with room for `prompt_tokens` and `max_output`.

    `session` is the endpoint that a signed token names; `affinity` the digest to place by where there is none;
    `others` are the tables of `wants.placement.models`, in their order.
    """

    operation: Operation
    prompt_tokens: int
    wants: Wants
    max_output: int | None = None
    affinity: bytes = b""
    session: str = ""
    want_reasons: bool = False
    others: tuple[Table, ...] = ()


def resolve(
    snapshot: Snapshot, tables: Mapping[str, Table], principal: Principal, call: Call, usual: Wants, wall: float
) -> Choice:
    """The choice for a call; `usual` is what its principal wants where the call says nothing, `wall` epoch seconds.

    `tables` holds those of the model and of all others that the call names; whether these are the principal's to use
    was looked at before. Raises InvalidRequest, naming the field.
    """
    ask = call.ask
    if ask is NO_ASK:
        return Choice(call.operation, call.prompt_tokens, usual, call.max_output, call.affinity)
    session, affinity = "", call.affinity
    if ask.session:
        owner = tenant(principal)
        if ask.session.startswith(SESSION_MARK):
            session = verify(snapshot.pepper, owner, ask.session, wall) or ""
        else:
            affinity = name_digest(owner, ask.session)
    wants = wants_of(tables[call.model], principal, ask, usual.under_budget)
    others = tuple([tables[name] for name in wants.placement.models]) if wants.placement else ()
    return Choice(call.operation, call.prompt_tokens, wants, call.max_output, affinity, session, ask.explain, others)


def wants_of(table: Table, principal: Principal, ask: Ask, under_budget: bool) -> Wants:
    """What is wanted: what a request says goes before what its principal says, then the route's objective.

    `under_budget` tells whether money limits bind it. Raises InvalidRequest, naming the field.
    """
    objective = _objective(table, principal, ask)
    weights = objective.weights
    if principal.weights or ask.weights:
        weights = blend(weights, principal.weights, ask.weights)
    return Wants(
        objective=objective.name,
        weights=weights,
        slo_s=(objective.slo_ttft_ms if ask.slo_ttft_ms is None else _positive(ask.slo_ttft_ms)) / 1_000,
        max_cost_nano=_cap(objective, ask),
        max_gco2=ask.max_gco2,
        residency=tuple(zones for zones in (principal.residency, _residency(table, ask)) if zones),
        permitted=None if principal.models is None or table.name in principal.models else principal.models,
        under_budget=under_budget and not principal.allow_unpriced,
        placement=placement_of(ask, table.name),
    )


def _residency(table: Table, ask: Ask) -> tuple[str, ...]:
    if ask.residency and not zone_mask(table, ask.residency):
        known = f"there are {', '.join(table.zones)}" if table.zones else "none has a jurisdiction"
        message = f"no site lies in {' or '.join(ask.residency)}; {known}"
        raise InvalidRequest(message, code="unknown_residency", param="intertie.residency")
    return ask.residency


def _objective(table: Table, principal: Principal, ask: Ask) -> Objective:
    name = ask.objective or principal.objective or table.objective
    objective = table.objectives.get(name)
    if objective is None:
        known = ", ".join(sorted(table.objectives))
        raise InvalidRequest(
            f"there is no objective {name!r}; there are {known}", code="unknown_objective", param="intertie.objective"
        )
    return objective


def _positive(milliseconds: float) -> float:
    if not isfinite(milliseconds) or milliseconds <= 0:
        raise InvalidRequest("the latency target must be above 0 ms", param="intertie.slo_ttft_ms")
    return milliseconds


def _cap(objective: Objective, ask: Ask) -> Nano | None:
    if ask.max_cost_usd is None:
        return objective.max_cost_nano
    try:
        asked = parse_usd(ask.max_cost_usd)
    except ValueError as wrong:
        raise InvalidRequest(str(wrong), param="intertie.max_cost_usd") from None
    return asked if objective.max_cost_nano is None else min(asked, objective.max_cost_nano)
