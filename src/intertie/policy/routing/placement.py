"""Placement: what a request says of endpoints by name, list price and keeping, and of models besides its own.

A name is that of an endpoint, its site or its provider, in whatever case. What is excluded is excluded: nothing here is
ever relaxed. An order stands before the score and before soft limits; within one of its names the score decides.
"""

from collections.abc import Sequence

import msgspec

from intertie.core.call import Ask, MaxPrice
from intertie.core.faults import InvalidRequest
from intertie.core.money import Nano, parse_usd, show_usd
from intertie.policy.routing.reasons import NO_LIST_PRICE, RETAINS, Why
from intertie.policy.routing.table import Row

_PER = {"prompt": "per million prompt tokens", "completion": "per million completion tokens", "request": "per request"}
_MOST_NAMED = 3
_LONGEST_NAMED = 64


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. Names are in small letters; `max_price` in nano-dollars per million prompt and completion tokens
    and per request; `models` as in `core.call.Ask`. `fallbacks` False: one endpoint is tried and no other.
    """

    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    fallbacks: bool = True
    no_retention: bool = False
    max_price: tuple[Nano | None, ...] = ()
    models: tuple[str, ...] = ()

    def against(self, row: Row) -> Why | None:
        """Why the row must not serve, or None if it may."""
        if self.only and row.names.isdisjoint(self.only):
            return Why("only", f"only: {_listed(self.only)} wanted")
        if self.ignore and not row.names.isdisjoint(self.ignore):
            return Why("ignore", f"ignore: {_listed([name for name in self.ignore if name in row.names])} not wanted")
        if self.no_retention and row.retains:
            return RETAINS
        return _too_dear(self.max_price, row) if self.max_price else None

    def place(self, row: Row) -> int:
        """The place of a row in the order that was asked for; the last is that of all whom it does not name."""
        for place, name in enumerate(self.order):
            if name in row.names:
                return place
        return len(self.order)


NO_PLACEMENT = Placement()
"""Nothing is said."""


def placement_of(ask: Ask, model: str) -> Placement | None:
    """What a request for `model` says of placement, None if nothing. Raises InvalidRequest, naming the field."""
    wanted = Placement(
        only=_small(ask.only),
        ignore=_small(ask.ignore),
        order=_small(ask.order),
        fallbacks=ask.fallbacks,
        no_retention=ask.no_retention,
        max_price=_caps(ask.max_price),
        models=tuple(name for name in dict.fromkeys(ask.models) if name != model),
    )
    return None if wanted == NO_PLACEMENT else wanted


def _small(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names))


def _caps(price: MaxPrice | None) -> tuple[Nano | None, ...]:
    caps = tuple(_cap(name, getattr(price, name)) for name in _PER) if price else ()
    return caps if any(cap is not None for cap in caps) else ()


def _cap(name: str, amount: str | None) -> Nano | None:
    try:
        return None if amount is None else parse_usd(amount)
    except ValueError as wrong:
        raise InvalidRequest(str(wrong), code="invalid_value", param=f"intertie.max_price.{name}") from None


def _too_dear(caps: Sequence[Nano | None], row: Row) -> Why | None:
    if row.list_price is None:
        return NO_LIST_PRICE
    for cap, price, per in zip(caps, row.list_price, _PER.values(), strict=True):
        if cap is not None and price > cap:
            return Why("max_price", f"max price: above ${show_usd(cap)} {per}")
    return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = " or ".join(name[:_LONGEST_NAMED] for name in names[:_MOST_NAMED])
    return f"{listed} or {more} more" if more > 0 else listed
