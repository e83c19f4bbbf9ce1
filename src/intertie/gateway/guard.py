"""Step 3, guard: input checks that need no money: may this principal use this model, in this way, in this place.

A model that exists but is not the caller's gets the same answer as one that does not exist.
"""

from difflib import get_close_matches

from intertie.core.call import Call
from intertie.core.faults import NotFound, Overloaded
from intertie.core.principal import Principal
from intertie.gateway.live import Live


def guard(live: Live, principal: Principal, call: Call) -> None:
    """Raises NotFound with the nearest names, or Overloaded."""
    if live.in_flight > live.snapshot.max_in_flight:
        raise Overloaded("This gateway has too many requests under way.", retry_after=1.0)
    if call.model not in live.tables or not principal.may_use(call.model):
        raise NotFound(_unknown(live, principal, call.model), code="model_not_found", param="model")
    for name in call.ask.models:
        if name not in live.tables or not principal.may_use(name):
            raise NotFound(_unknown(live, principal, name), code="model_not_found", param="models")


def usable(live: Live, principal: Principal) -> list[str]:
    """The public names that the principal may use, sorted."""
    return sorted(name for name in live.tables if principal.may_use(name))


def _unknown(live: Live, principal: Principal, model: str) -> str:
    names = usable(live, principal)
    near = get_close_matches(model, names, n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"The model {model[:200]!r} does not exist or you do not have access to it.{hint}"
