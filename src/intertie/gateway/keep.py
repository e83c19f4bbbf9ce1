"""Step 8b, keep: the response is written down before its last byte leaves, for the calls that build on it.

What cannot be kept is answered all the same, and says so: its `store` is false.
"""

import asyncio
from typing import Final

import msgspec

from intertie.core.faults import StoreFault, TooLarge
from intertie.dialects.openai_responses.renaming import renamed, renamed_events
from intertie.dialects.openai_responses.stored import StoredResponse, response_in
from intertie.dialects.openai_responses.stored import keep as keepsake
from intertie.dialects.openai_responses.stored_bodies import failed
from intertie.gateway.live import Live
from intertie.gateway.making import Making
from intertie.gateway.passage import Passage
from intertie.policy.routing.affinity import tenant
from intertie.wire.reply import Outlet

_AGAIN_S: Final = 1.0


async def keep(live: Live, passage: Passage, reply: Outlet) -> None:
    """Keep what came of the call, if anything did. A caller who leaves meanwhile changes nothing."""
    try:
        if isinstance(reply, Making) and reply.begun is not None:
            await _end(live, reply, reply.begun, _what_came_of_it(live, passage, reply, reply.begun))
        elif passage.fault is None:
            await _keep(live, passage)
    except asyncio.CancelledError:
        return  # it was asked for; nobody waits to hear whether it was done


async def _keep(live: Live, passage: Passage) -> None:
    principal = passage.principal
    assert principal is not None
    passage.kept = False
    try:
        await live.archive.keep(tenant(principal), _keepsake(live, passage))
    except (StoreFault, TooLarge):
        change = renamed_events if passage.streams else renamed
        passage.body = change(passage.body, {"store": False})
    else:
        passage.kept = True


async def _end(live: Live, making: Making, begun: StoredResponse, stored: StoredResponse) -> None:
    """What is kept as being made must end: try until it does. If we die meanwhile, whoever finds out ends it.

    What is too large with its stream is kept without, for nobody to follow; what is so in itself has failed.
    """
    making.ending = True
    while True:
        try:
            await live.archive.keep(making.owner, stored, "ended")
            return
        except TooLarge as fault:
            stored = msgspec.structs.replace(stored, events=b"") if stored.events else failed(begun, fault)
        except StoreFault:
            await asyncio.sleep(_AGAIN_S)


def _keepsake(live: Live, passage: Passage) -> StoredResponse:
    assert passage.asked is not None
    response = response_in(passage.body) if passage.streams else passage.body
    return keepsake(passage.asked, response, passage.begun, live.snapshot.responses.lifetime_s)


def _what_came_of_it(live: Live, passage: Passage, making: Making, begun: StoredResponse) -> StoredResponse:
    if passage.fault is not None:
        return failed(begun, passage.fault)
    stored = _keepsake(live, passage)
    if not passage.streams:
        return stored
    return msgspec.structs.replace(stored, events=b"".join((*making.events, passage.body)))
