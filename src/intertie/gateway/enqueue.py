"""Step 5b, enqueue: a response that is made in the background is kept as such, and its caller may leave."""

from intertie.core.faults import Fault
from intertie.dialects.openai_responses.stored_bodies import queued
from intertie.gateway.live import Live
from intertie.gateway.making import Making
from intertie.gateway.passage import Passage
from intertie.policy.routing.affinity import tenant

_HEADERS = b"content-type: application/json\r\nx-request-id: %b\r\nx-intertie-stored: 1\r\n"


async def enqueue(live: Live, passage: Passage, making: Making) -> None:
    """Keep it as being made. It is paid for and has its place by now: whoever is refused is told so at once.

    Raises StoreFault if it cannot be kept, TooLarge if it is too large for that.
    """
    asked, principal = passage.asked, passage.principal
    assert asked is not None and principal is not None
    begun = queued(asked, passage.kept_as, passage.begun, live.snapshot.responses.lifetime_s)
    making.accept(tenant(principal), begun)
    try:
        await live.archive.keep(making.owner, begun, "begun")
    except Fault:
        making.begun = None
        raise
    if not asked.stream:
        making.decide(200, _HEADERS % passage.name.encode(), begun.response)
