"""Why an endpoint is not considered, or only after others: a code for programs, and a reason for people."""

from typing import NamedTuple

from intertie.core.plan import DropCode


class Why(NamedTuple):
    """See the module. A reason begins with what it is about: `residency: EU wanted`."""

    code: DropCode
    reason: str


UNABLE = Why("operation", "operation: it does not do this")
CONTEXT = Why("context", "context: prompt and output do not fit")
UNPRICED = Why("unpriced", "price: none is known, and a budget applies")
UNHEALTHY = Why("unhealthy", "health: left alone after failures")
BUSY = Why("busy", "busy: it asked to be left alone for a moment")
RETAINS = Why("retention", "retention: it may keep what it is sent")
NO_LIST_PRICE = Why("max_price", "max price: its list price is not known")

ORDERED = Why("order", "order: kept for when those asked for before it fail")
FALLBACK = Why("fallback", "fallback: kept for when the others fail")
LATER_MODEL = Why("model", "model: kept for when those asked for before it fail")
