"""The table: all that is fixed about the endpoints behind one public name, worked out once per snapshot.

Whatever a request can find precomputed (prior round trip, nanos and grams per token, jurisdictions as bits, hash
seeds, the references of the scales) stands here, so that a choice is arithmetic on local variables. What moves is in
`state`. A later version for thousands of sites replaces these rows by columns; nothing outside `routing` sees them.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from intertie.config.snapshot import Snapshot
from intertie.core.endpoint import OPERATIONS, Endpoint, Operation
from intertie.core.faults import NotFound
from intertie.core.money import Nano, Price
from intertie.core.plan import Objective
from intertie.core.site import Site
from intertie.policy.routing.path import quality, rtt_prior
from intertie.policy.routing.reference import Scale, cost_scale, grams_per_token
from intertie.policy.routing.weights import BALANCED, blend

_MILLION = 1e6


class Row(msgspec.Struct, frozen=True, gc=False):
    """One endpoint. Prices in nano-dollars per token, carbon in grams per token, times in seconds.

    `zones` are its site's jurisdictions as bits; `handshakes` the round trips of a new connection; `seed` its number
    in the rendezvous hash; `proximity` the utility of its path. `priced` and `metered` say whether price and footprint
    are known: unknown is not zero. `names` in small letters are all that a request may call it by; `retains` tells that
    it may keep what it is sent; `list_price` the most that it asks per million prompt and completion tokens and per
    request, in nano-dollars.
    """

    id: str
    site: str
    model: str
    zones: int
    context: int
    slots: int
    rtt_s: float
    handshakes: int
    seed: int
    proximity: float
    priced: bool
    input_nano: float
    cached_nano: float
    output_nano: float
    request_nano: float
    metered: bool
    input_grams: float
    output_grams: float
    names: frozenset[str]
    retains: bool
    list_price: tuple[Nano, Nano, Nano] | None


class Dearest(msgspec.Struct, frozen=True):
    """A price of one model that no other of it exceeds in every part, and the most output it may be charged for."""

    model: str
    price: Price
    max_output: int


class Offer(msgspec.Struct, frozen=True):
    """What a name offers for one operation: its rows, those of the fallback, and the ids that cannot do it."""

    rows: tuple[Row, ...]
    fallback: tuple[Row, ...]
    unable: tuple[str, ...]
    cost: Scale
    dearest: tuple[Dearest, ...]


class Table(msgspec.Struct, frozen=True):
    """The rows behind one public model or route, per operation, and what choosing among them needs of the snapshot."""

    name: str
    offers: dict[Operation, Offer]
    zones: dict[str, int]
    objectives: dict[str, Objective]
    objective: str
    tolerance: float

    def serves(self, operation: Operation, endpoint: str) -> bool:
        """Whether an endpoint stands behind this name for an operation, be it as a fallback."""
        offer = self.offers[operation]
        return any(row.id == endpoint for row in (*offer.rows, *offer.fallback))


def zone_mask(table: Table, zones: Sequence[str]) -> int:
    """The bits of jurisdictions, whatever their case; one that no site lies in has none and so is never met."""
    mask = 0
    for zone in zones:
        mask |= table.zones.get(zone.upper(), 0)
    return mask


def build_table(snapshot: Snapshot, name: str) -> Table:
    """The table for a public model or a route (a route hides a model of the same name); NotFound if it is neither."""
    route = snapshot.routes.get(name)
    models, fallback = (route.candidates, route.fallback) if route else ((name,), ())
    primary = _endpoints(snapshot, models)
    later = [end for end in _endpoints(snapshot, fallback) if end not in primary]
    if not primary and not later:
        raise NotFound(f"the model {name!r} does not exist", code="model_not_found", param="model")
    zones = _zones(snapshot.sites.values())
    objectives = {known.name: _normal(known) for known in (BALANCED, *snapshot.objectives.values())}
    default = snapshot.default_objective if snapshot.default_objective in objectives else BALANCED.name
    return Table(
        name=name,
        offers={operation: _offer(snapshot, operation, primary, later, zones) for operation in OPERATIONS},
        zones=zones,
        objectives=objectives,
        objective=route.objective if route and route.objective in objectives else default,
        tolerance=snapshot.tolerance,
    )


def _endpoints(snapshot: Snapshot, models: Iterable[str]) -> list[Endpoint]:
    wanted = tuple(models)
    return [end for end in snapshot.endpoints.values() if end.model in wanted and end.site in snapshot.sites]


def _normal(objective: Objective) -> Objective:
    return msgspec.structs.replace(objective, weights=blend(objective.weights))


def _zones(sites: Iterable[Site]) -> dict[str, int]:
    names = sorted({zone.upper() for site in sites for zone in site.jurisdiction})
    return {zone: 1 << bit for bit, zone in enumerate(names)}


def _offer(
    snapshot: Snapshot,
    operation: Operation,
    primary: Sequence[Endpoint],
    later: Sequence[Endpoint],
    zones: dict[str, int],
) -> Offer:
    able = [end for end in (*primary, *later) if operation in end.operations]
    return Offer(
        rows=tuple(_row(snapshot, end, zones) for end in primary if end in able),
        fallback=tuple(_row(snapshot, end, zones) for end in later if end in able),
        unable=tuple(end.id for end in primary if end not in able),
        cost=cost_scale(snapshot, operation),
        dearest=_dearest(able),
    )


def _row(snapshot: Snapshot, endpoint: Endpoint, zones: dict[str, int]) -> Row:
    site, here = snapshot.sites[endpoint.site], snapshot.sites.get(snapshot.here)
    price = endpoint.price or Price(0, 0, 0)
    grams = grams_per_token(endpoint, site)
    return Row(
        id=endpoint.id,
        site=endpoint.site,
        model=endpoint.model,
        zones=sum(zones[zone] for zone in {zone.upper() for zone in site.jurisdiction}),
        context=endpoint.context,
        slots=endpoint.speed.slots,
        rtt_s=rtt_prior(site, here),
        handshakes=2 if endpoint.origin.scheme == "https" else 1,
        seed=int.from_bytes(blake2b(endpoint.id.encode(), digest_size=4).digest()) >> 2,
        proximity=quality(site, here),
        priced=endpoint.price is not None,
        input_nano=price.input / _MILLION,
        cached_nano=price.cached / _MILLION,
        output_nano=price.output / _MILLION,
        request_nano=float(price.per_request),
        metered=grams is not None,
        input_grams=grams[0] if grams else 0.0,
        output_grams=grams[1] if grams else 0.0,
        names=frozenset(name.lower() for name in (*endpoint.names, endpoint.id, endpoint.site)),
        retains=endpoint.retains,
        list_price=_list_price(endpoint.price),
    )


def _list_price(price: Price | None) -> tuple[Nano, Nano, Nano] | None:
    """Prompt and completion per million tokens, and per request: the dearest step and tier, since either may come.

    None where tokens have no price.
    """
    if price is None or (price.rates is not None and not price.rates.by_token):
        return None
    rates = price.rates
    more = [_list_price(one.price) for one in (*rates.steps, *rates.tiers)] if rates else []
    known = [(price.input, price.output, price.per_request), *(one for one in more if one is not None)]
    return max(one[0] for one in known), max(one[1] for one in known), max(one[2] for one in known)


def _dearest(endpoints: Iterable[Endpoint]) -> tuple[Dearest, ...]:
    """Per model the prices that are not covered by a dearer one, so that the worst case stays exact and quick."""
    kept: list[Dearest] = []
    for end in endpoints:
        if end.price is None:
            continue
        new = Dearest(end.model, end.price, end.max_output)
        if not any(_covers(old, new) for old in kept):
            kept = [old for old in kept if not _covers(new, old)] + [new]
    return tuple(kept)


def _covers(one: Dearest, other: Dearest) -> bool:
    return one.model == other.model and one.price.covers(other.price) and one.max_output >= other.max_output
