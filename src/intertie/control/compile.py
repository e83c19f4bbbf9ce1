"""From wishes and facts to the snapshot, as a pure function: what the file says, what the catalog knows, which keys
are stored, and nothing else. Every name is checked, and every problem told at once.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from intertie.config.objectives import BUILT_IN
from intertie.config.settings import Settings
from intertie.config.snapshot import Route, Snapshot
from intertie.config.wishes import Document, ObjectiveWish
from intertie.control.endpoints import endpoints_of, ids_of, sites_of
from intertie.control.findings import Findings
from intertie.control.principals import meters_of, principals_of
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import ConfigFault
from intertie.core.plan import Objective, Weights
from intertie.core.principal import StoredKey
from intertie.core.site import Site

_BY_TOKEN: frozenset[Operation] = frozenset(("chat", "completions", "embeddings"))
_SAME_NAME = frozenset(Settings.__struct_fields__) & frozenset(Snapshot.__struct_fields__)  # passed on as they are


class Compiled(msgspec.Struct, frozen=True):
    """A snapshot, and what a person should know about it."""

    snapshot: Snapshot
    warnings: tuple[ConfigFault, ...]


def compile_snapshot(
    document: Document, settings: Settings, stored_keys: Sequence[StoredKey], pepper: bytes, version: int
) -> Snapshot:
    """The snapshot of a configuration; see `compile_document`. Raises ConfigFaults."""
    return compile_document(document, settings, stored_keys, pepper, version).snapshot


def compile_document(
    document: Document, settings: Settings, stored_keys: Sequence[StoredKey], pepper: bytes, version: int
) -> Compiled:
    """The snapshot of a configuration, with warnings.

    `pepper` keys the digests of keys; `version` is the moment in milliseconds since the epoch, at which list prices
    must hold. Raises ConfigFaults with every name that does not exist and every figure that is given twice.
    """
    findings = Findings()
    sites = sites_of(document, settings, findings)
    endpoints = endpoints_of(document, settings, sites, version / 1_000, findings)
    models = sorted({endpoint.model for endpoint in endpoints.values()})
    objectives = _objectives(document, settings, findings)
    routes = _routes(document, models, objectives, findings)
    _check_callers(document, {*models, *routes}, objectives, findings)
    _check_residency(document, sites, findings)
    meters = meters_of(document, settings, models, findings)
    principals = principals_of(document, stored_keys, pepper, meters, findings)
    _check_prices(document, endpoints, findings)
    findings.raise_faults()
    snapshot = Snapshot(
        version=version,
        sites=sites,
        endpoints=endpoints,
        routes=routes,
        objectives=objectives,
        meters=meters.by_id,
        keys=principals,
        pepper=pepper,
        otlp_endpoint=settings.telemetry.otlp_endpoint,
        **{name: getattr(settings, name) for name in _SAME_NAME},
    )
    return Compiled(snapshot, tuple(findings.warnings))


def _objectives(document: Document, settings: Settings, findings: Findings) -> dict[str, Objective]:
    found = {objective.name: objective for objective in BUILT_IN}
    for wish in findings.unique(document.objectives, "name", "objective").values():
        found[wish.name] = _objective(wish, findings)
    place = document.at_setting("default_objective")
    findings.known(place, "gateway.default_objective: objective", settings.default_objective, found)
    return found


def _objective(wish: ObjectiveWish, findings: Findings) -> Objective:
    if not sum(wish.weights.values()):
        findings.fault(wish.at_key("weights"), f"objective {wish.name}: no weight is above 0")
    weights = Weights(**{str(axis): weight for axis, weight in wish.weights.items()})
    return Objective(wish.name, weights, wish.slo_ttft_ms, wish.max_cost_usd)


def _routes(
    document: Document, models: Sequence[str], objectives: Mapping[str, Objective], findings: Findings
) -> dict[str, Route]:
    found: dict[str, Route] = {}
    for wish in findings.unique(document.routes, "name", "route").values():
        if wish.name in models:
            findings.fault(
                wish.at_key("name"), f"route {wish.name!r} has the name of a model", "callers could not tell"
            )
        if not wish.candidates:
            findings.fault(wish.at_key("candidates"), f"route {wish.name} has no candidates")
        for key, names in (("candidates", wish.candidates), ("fallback", wish.fallback)):
            for name in names:
                findings.known(wish.at_key(key), f"route {wish.name}: model", name, models)
        if wish.objective:
            findings.known(wish.at_key("objective"), f"route {wish.name}: objective", wish.objective, objectives)
        found[wish.name] = Route(wish.name, wish.candidates, wish.objective, wish.fallback, wish.on_unsupported)
    return found


def _check_callers(
    document: Document, names: Collection[str], objectives: Mapping[str, Objective], findings: Findings
) -> None:
    for what, wishes in (("group", document.groups), ("key", document.keys)):
        for wish in wishes:
            for name in wish.models or ():
                findings.known(wish.at_key("models"), f"{what} {wish.name}: model or route", name, names)
            if wish.objective:
                place = wish.at_key("objective")
                findings.known(place, f"{what} {wish.name}: objective", wish.objective, objectives)


def _check_residency(document: Document, sites: Mapping[str, Site], findings: Findings) -> None:
    there = sorted({place.upper() for site in sites.values() for place in site.jurisdiction})
    for what, wishes in (("group", document.groups), ("key", document.keys)):
        for wish in wishes:
            if wish.residency and not {place.upper() for place in wish.residency}.intersection(there):
                said = f"{what} {wish.name}: no site lies in {' or '.join(wish.residency)}: all it asks is refused"
                findings.warn(wish.at_key("residency"), said, f"there are {', '.join(there) or 'no jurisdictions'}")


def _check_prices(document: Document, endpoints: Mapping[str, Endpoint], findings: Findings) -> None:
    owners = (*document.groups, *document.keys, *document.users, *document.projects)
    if not document.budgets and not any(owner.budget for owner in owners):
        return
    for wish in document.endpoints:
        endpoint = endpoints[ids_of(wish)[0]]
        price, sold = endpoint.price, _BY_TOKEN.intersection(endpoint.operations)
        if price is None:
            hint = "give it a price, or say allow_unpriced: true where a budget applies"
            findings.warn(wish.place, f"endpoint {wish.id} has no price: callers with a budget are refused there", hint)
        elif sold and price.worst(1, 1) is None:
            hint = "give it a price for tokens, or say what it does in `operations`"
            findings.warn(
                wish.place, f"endpoint {wish.id} has no price for tokens, for {', '.join(sorted(sold))}", hint
            )
