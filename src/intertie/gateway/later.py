"""A call whose answer is made in the background: the same exchange, in a task of its own, so its caller may leave."""

import asyncio

import msgspec

from intertie.core.faults import Fault
from intertie.gateway.door import Door
from intertie.gateway.exchange import exchange
from intertie.gateway.live import Live
from intertie.gateway.making import Making, follow
from intertie.wire.server import Reply, Request


class _Wish(msgspec.Struct):
    background: object = None


_wish = msgspec.json.Decoder(_Wish).decode


async def later(live: Live, request: Request, reply: Reply, door: Door) -> None:
    """Begin, and answer with what is known by then: a refusal, a response that is queued, or its stream."""
    if not _is_wanted(request.body):
        return await exchange(live, request, reply, door)
    making = Making()
    live.makings.start(making, exchange(live, request, making, door))
    try:
        await making.decided.wait()
    except asyncio.CancelledError:
        making.leave()  # nobody has heard of it
        raise
    if making.first is None:
        raise Fault("The exchange ended without a word.")
    status, headers, body = making.first
    if body is not None:
        return reply.send(status, headers, body)
    reply.start(status, headers)
    await follow(making, reply)


def _is_wanted(body: bytes) -> bool:
    try:
        return _wish(body).background is True
    except (ValueError, RecursionError):
        return False  # the exchange says what is wrong with it
