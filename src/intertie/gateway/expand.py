"""Step 3b, expand: what a call of the Responses API builds on, and whether its response is to be kept.

The gateway keeps responses itself (decision 0012). No endpoint does, so a call that goes on is sent whole, to whichever
endpoint is chosen; all that follows (the hold, the choice, the translation) sees the whole call.
"""

from typing import Final

import msgspec

from intertie.core.faults import InvalidRequest
from intertie.core.ids import response_id
from intertie.dialects.openai_responses.stored import expand as expanded
from intertie.dialects.openai_responses.stored import in_background, not_found, previous, wants_keeping
from intertie.gateway.live import Live
from intertie.gateway.making import Making
from intertie.gateway.passage import Passage
from intertie.policy.routing.affinity import tenant
from intertie.wire.reply import Outlet

_OURS: Final = frozenset({"store", "previous_response_id", "background"})
_HINTS: Final = {
    "never": "This gateway keeps no responses: send the whole conversation.",
    "asked": "Responses are kept where their call says `store: true`, or builds on a kept one.",
    "always": "Responses are kept unless their call says `store: false`.",
}


async def expand(live: Live, passage: Passage, reply: Outlet) -> None:
    """Put the whole call in the place of the caller's own, and note what is to be kept.

    Raises InvalidRequest for what cannot be built upon, StoreFault if what is kept cannot be reached.
    """
    call, principal, policy = passage.call, passage.principal, live.snapshot.responses
    assert call is not None and principal is not None
    if policy.keep != "always" and _OURS.isdisjoint(call.fields):
        return
    wanted, name = wants_keeping(call, policy.keep == "always"), previous(call)
    if not wanted and not name:
        return
    keeps = wanted and policy.keep != "never" and not call.ask.no_retention
    if in_background(call):
        _check_background(isinstance(reply, Making), keeps)
    hint = f"{_HINTS[policy.keep]} They stay for {policy.days} days." if policy.keep != "never" else _HINTS["never"]
    if name and policy.keep == "never":
        raise not_found(name, hint)
    chain = await live.archive.chain(tenant(principal), name) if name else []
    whole = expanded(call, chain, hint)
    store = msgspec.Raw(b"true" if keeps else b"false")
    passage.asked = msgspec.structs.replace(call, fields={**call.fields, "store": store})
    passage.call = whole
    if keeps:
        passage.kept_as = response_id(passage.name)
    elif wanted:
        passage.kept = False


def _check_background(possible: bool, keeps: bool) -> None:
    if not possible:
        raise InvalidRequest("A response can be made in the background over HTTP only.", param="background")
    if not keeps:
        message = "'background' needs a response that is kept: it was asked to keep none, or this gateway keeps none."
        raise InvalidRequest(message, code="invalid_value", param="background")
