"""The life of one request. Read it from top to bottom; each step is a module of its own and knows no other step."""

import asyncio

from intertie.core.faults import CallerLeft, Draining, Fault
from intertie.gateway.admit import admit
from intertie.gateway.authenticate import authenticate
from intertie.gateway.choose import choose
from intertie.gateway.door import Door
from intertie.gateway.enqueue import enqueue
from intertie.gateway.expand import expand
from intertie.gateway.guard import guard
from intertie.gateway.keep import keep
from intertie.gateway.live import Live
from intertie.gateway.making import Making
from intertie.gateway.observe import observe
from intertie.gateway.receive import receive
from intertie.gateway.relay import relay
from intertie.gateway.respond import begin, respond
from intertie.gateway.settle import settle
from intertie.gateway.translate import translate
from intertie.wire.reply import Outlet
from intertie.wire.server import Request


async def exchange(live: Live, request: Request, reply: Outlet, door: Door) -> None:
    """Carry one request from its bytes to its answer.

    Admission precedes the choice: the hold covers the dearest candidate, so whichever is chosen is paid for.
    Settlement precedes the last byte: a caller who has a whole answer has a row in the journal.
    """
    passage = live.open(request, door)
    try:
        passage.principal = authenticate(live, request)
        passage.call = receive(request, door)
        guard(live, passage.principal, passage.call)
        if passage.call.dialect == "openai_responses":
            await expand(live, passage, reply)
        passage.holds = await admit(live, passage)
        passage.plan = choose(live, passage)
        if isinstance(reply, Making):
            await enqueue(live, passage, reply)
        await relay(live, passage, reply, translate, begin)
    except Fault as fault:
        passage.fault = fault
    except asyncio.CancelledError:
        passage.fault = CallerLeft("The caller left.") if reply.gone else Draining("The gateway is being stopped.")
    finally:
        live.close(passage)
        settle(live, passage)
    if passage.kept_as:
        await keep(live, passage, reply)
    respond(live, passage, reply)
    observe(live, passage)
