"""On which terms a principal uses a model: worked out once per snapshot, for all calls that ask for nothing else."""

from collections.abc import Sequence

import msgspec

from intertie.config.snapshot import Snapshot
from intertie.core.call import NO_ASK
from intertie.core.principal import Meter, Principal
from intertie.policy.routing.choice import Wants, wants_of
from intertie.policy.routing.table import Table


class Terms(msgspec.Struct, frozen=True):
    """`meters` bind the principal when it uses the model, `paid` if a budget is among them; `wants` is what its calls
    want of the choice; `narrow` whether some of the meters are of one model alone.
    """

    meters: tuple[Meter, ...]
    paid: bool
    narrow: bool
    wants: Wants


def terms_of(snapshot: Snapshot, table: Table, principal: Principal) -> Terms:
    """The terms for the model of the table. Behind a route the meters of every candidate bind until one serves.

    Raises InvalidRequest if the principal's own wishes name what does not exist.
    """
    offers = table.offers.values()
    names = {None, table.name, *(row.model for offer in offers for row in (*offer.rows, *offer.fallback))}
    meters = tuple(meter for meter in (snapshot.meters[one] for one in principal.meters) if meter.model in names)
    paid = any(meter.kind == "usd" for meter in meters)
    wants = wants_of(table, principal, NO_ASK, paid)
    return Terms(meters, paid, any(meter.model is not None for meter in meters), wants)


def joined(terms: Terms, others: Sequence[Terms]) -> Terms:
    """The terms of a call that names other models too: all that binds any of them, until one serves."""
    every = (terms, *others)
    meters = tuple({meter.id: meter for each in every for meter in each.meters}.values())
    under_budget = any(each.wants.under_budget for each in every)
    wants = msgspec.structs.replace(terms.wants, under_budget=under_budget)
    return Terms(meters, any(each.paid for each in every), any(each.narrow for each in every), wants)
