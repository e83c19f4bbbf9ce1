"""Realtime: a session is relayed both ways between a caller and the endpoint that was chosen for it.

It enters as any request does. The session itself holds what limits calls at once; each of its responses is admitted,
settled and observed as a request of its own (`gateway.tickets`), within `gateway.conversation`.
"""

import asyncio
import os

import msgspec

from intertie.core.answers import hush, refused_us
from intertie.core.call import NO_ASK, Call, Fields
from intertie.core.faults import CallerLeft, Draining, Fault, InvalidRequest, NoCandidate, Unsupported
from intertie.dialects.dialect import Heard
from intertie.dialects.json_body import read_fields
from intertie.dialects.openai_realtime.place import model_of, target
from intertie.gateway.admit import admit
from intertie.gateway.choose import choose
from intertie.gateway.conversation import Conversation
from intertie.gateway.door import Door
from intertie.gateway.ephemeral import Bearer, who, with_key
from intertie.gateway.guard import guard
from intertie.gateway.lane import Lane
from intertie.gateway.live import Live
from intertie.gateway.observe import observe
from intertie.gateway.passage import Attempt, Passage, now
from intertie.gateway.receive import with_headers
from intertie.gateway.respond import respond
from intertie.gateway.settle import settle
from intertie.gateway.tickets import Tickets
from intertie.gateway.wishes import check
from intertie.policy.retry import may_retry
from intertie.wire.server import Reply, Request
from intertie.wire.upgrade import offered, open_socket, welcome
from intertie.wire.websocket import WebSocket

_PROTOCOL = b"realtime"
_BETA = b"openai-beta.realtime-v1"


async def converse(live: Live, request: Request, reply: Reply, door: Door) -> None:
    """Carry one session from its handshake to its end."""
    passage = live.open(with_key(request), door)
    try:
        bearer = who(live, passage.request)
        passage.principal = bearer.principal
        passage.call = _call(passage.request, bearer)
        guard(live, passage.principal, passage.call)
        passage.holds = await admit(live, passage, ("requests", "concurrent"))
        passage.plan = choose(live, passage)
        lines = welcome(request, _PROTOCOL if _PROTOCOL in offered(request) else b"")
        endpoint = await _connected(live, passage)
        try:
            caller = reply.switch(lines, live.snapshot.websocket)
            passage.status = 101
            tickets = Tickets(live, passage, bearer.digest)
            passage.fault = await Conversation(live, passage, tickets, _wanted(bearer)).run(caller, endpoint)
        finally:
            endpoint.leave()  # does nothing where it is gone
    except Fault as fault:
        passage.fault = fault
    except asyncio.CancelledError:
        passage.fault = CallerLeft("The caller left.") if reply.gone else Draining("The gateway is being stopped.")
    finally:
        live.close(passage)
        settle(live, passage)
    if not passage.status:
        respond(live, passage, reply)
    observe(live, passage)


def _call(request: Request, bearer: Bearer) -> Call:
    """The session as a call. Raises InvalidRequest."""
    model = model_of(request.query)
    if bearer.held is not None:
        if model and model != bearer.held.model:
            raise InvalidRequest("The ephemeral key is for another model.", code="invalid_value", param="model")
        model = bearer.held.model
    if not model:
        raise InvalidRequest("Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    call = with_headers(Call("realtime", model, b""), request.headers)
    if call.ask is not NO_ASK:
        check(call.ask)
    return call


def _wanted(bearer: Bearer) -> Fields:
    """What the session is to be, where an ephemeral key says it."""
    return read_fields(bearer.held.session)[0] if bearer.held is not None else {}


async def _connected(live: Live, passage: Passage) -> WebSocket:
    """A socket to the first endpoint of the plan that opens one. Raises the last fault if none does."""
    plan = passage.plan
    assert plan is not None
    live.retries.requested(now())
    failure: Fault | None = None
    for endpoint_id in plan.order:
        lane = passage.view.lanes[endpoint_id]
        try:
            head = _head(lane, passage)
        except Unsupported as fault:
            failure = failure or fault
            continue
        attempt = passage.attempt = Attempt(lane, passage.attempts + 1, now(), Heard())
        flight = attempt.flight = lane.state.dispatched(attempt.started, 0, passage.expected_ttft_s())
        try:
            socket = await _open(live, lane, head)
        except Fault as fault:
            hush(fault, lane.endpoint.credential)
            flight.failed(now(), fault, live.lot())
            passage.view.recent.forget()
            last = endpoint_id == plan.order[-1]
            if last or not may_retry(fault, False, attempt.number, live.snapshot.retry, live.retries, now()):
                raise
            failure = fault
        else:
            attempt.first_byte = now()
            return socket
        finally:
            flight.left()  # a session is no answer: nothing is learned of how quick the endpoint is
    raise failure or NoCandidate("No endpoint of the plan has sessions.")


async def _open(live: Live, lane: Lane, head: bytes) -> WebSocket:
    limits = msgspec.structs.replace(live.snapshot.websocket, idle_s=float("inf"), age_s=float("inf"))
    try:
        return await open_socket(lane.pool, head, limits, live.snapshot.upstream.first_byte_timeout_s, (), os.urandom)
    except Fault as fault:
        raise refused_us(fault) from None


def _head(lane: Lane, passage: Passage) -> bytes:
    endpoint, headers = lane.endpoint, passage.request.headers
    lines = [
        f"GET {target(endpoint)} HTTP/1.1",
        f"host: {endpoint.origin.authority}",
        "user-agent: intertie",
        f"x-request-id: {passage.name}",
        *lane.outbound.headers(endpoint),
    ]
    if headers.get(b"openai-beta") == b"realtime=v1" or _BETA in offered(passage.request):
        lines.append("openai-beta: realtime=v1")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1") + (passage.trace.headers() if passage.trace else b"")
