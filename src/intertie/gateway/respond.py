"""Step 9, respond: how an answer looks. Its headers, its errors in the caller's dialect, its end.

Upstream headers are not passed on: its rate limits are those of our account there, not of the caller here.
"""

from intertie.core.call import NO_ASK
from intertie.core.faults import Draining, Fault, InvalidRequest, RateLimited, UpstreamRefused
from intertie.core.ids import RequestId
from intertie.core.money import NANO_PER_USD
from intertie.dialects.dialect import Inbound
from intertie.dialects.openai_chat import faults as openai_chat
from intertie.gateway.holds import Holds
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage
from intertie.policy.routing.affinity import sign, tenant
from intertie.policy.routing.explain import header as plan_header
from intertie.wire.reply import Outlet

_SHOWN = ("requests", "tokens")
_WINDOW_S = 60.0
_UNSAFE = dict.fromkeys((*range(32), 127), "?")  # a field's name is the caller's own; no line of ours ends in it
JSON = b"content-type: application/json\r\n"
_TEXT = b"content-type: text/plain; charset=utf-8\r\n"
_SERVED = b"x-request-id: %b\r\n%bx-intertie-ttft-ms: %d\r\nx-intertie-attempts: %d\r\n"
EVENTS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


def begin(live: Live, passage: Passage) -> tuple[int, bytes]:
    """Status and headers of a streamed answer, made when its first byte is here."""
    passage.status = 200
    live.streams += 1
    return 200, EVENTS + _headers(live, passage)


def respond(live: Live, passage: Passage, reply: Outlet) -> None:
    """Give the caller the end of the story: the answer, the tail of a stream, or what went wrong."""
    if reply.gone:
        return
    fault = passage.fault
    if reply.started:
        reply.finish(passage.door.inbound.error_event(fault, passage.name) if fault else passage.body)
    elif fault is None:
        reply.send(passage.status, b"content-type: %b\r\n%b" % (passage.kind, _headers(live, passage)), passage.body)
    else:
        status, headers, body = refusal(fault, passage.door.inbound, passage.name)
        if isinstance(fault, UpstreamRefused) and fault.body:
            headers, body = _refused(passage, fault, headers)
        elif isinstance(fault, RateLimited):
            headers += _limits(live, passage)
        reply.send(status, headers + _headers(live, passage), body)


def _refused(passage: Passage, fault: UpstreamRefused, headers: bytes) -> tuple[bytes, bytes]:
    """The endpoint's own words: as they came where they are in the caller's dialect, or in no shape that is known."""
    said = passage.lane.outbound.told(fault.body)
    translated = passage.chat is not None or passage.conversion is not None
    if translated or (said and b'"error"' not in fault.body):
        told = InvalidRequest(said or fault.public, code=fault.code)
        return headers, passage.door.inbound.error_body(told, passage.name)
    return headers if fault.body.startswith(b"{") else _TEXT + headers.removeprefix(JSON), fault.body


def refusal(fault: Fault, inbound: Inbound, request: RequestId) -> tuple[int, bytes, bytes]:
    """A fault as status, headers and body in the caller's dialect."""
    headers = JSON
    if fault.retry_after is not None:
        headers += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-fault.retry_after // 1), fault.retry_after * 1000)
    if fault.should_retry is not None:
        headers += b"x-should-retry: true\r\n" if fault.should_retry else b"x-should-retry: false\r\n"
    if isinstance(fault, Draining):
        headers += b"connection: close\r\n"
    return fault.status, headers, inbound.error_body(fault, request)


def _headers(live: Live, passage: Passage) -> bytes:
    name, attempt, cost = passage.name.encode(), passage.attempt, passage.cost
    if attempt is None:
        lines = b"x-request-id: %b\r\n" % name
    else:
        ttft_ms = (attempt.first_byte - attempt.started) * 1_000 if attempt.first_byte else 0
        lines = _SERVED % (name, attempt.lane.marks, ttft_ms, attempt.number)
    if passage.door.inbound.name == "anthropic_messages":
        lines += b"request-id: %b\r\n" % name
    if cost is not None:
        lines += b"x-intertie-cost-usd: %d.%09d\r\n" % (cost // NANO_PER_USD, cost % NANO_PER_USD)
    if passage.plan is not None and passage.plan.relaxed:
        lines += b"x-intertie-relaxed: %b\r\n" % ", ".join(passage.plan.relaxed).encode()
    if passage.kept is not None:
        lines += b"x-intertie-stored: %d\r\n" % passage.kept
    if passage.dropped:
        lines += b"x-intertie-dropped: %b\r\n" % ", ".join(passage.dropped).translate(_UNSAFE).encode(
            "ascii", "replace"
        )
    if passage.call is not None and passage.call.ask is not NO_ASK:
        lines += _asked_for(live, passage)
    return lines + _standings(live, passage.door.inbound, passage.holds) if passage.holds else lines


def _standings(live: Live, inbound: Inbound, holds: Holds) -> bytes:
    """Where limits stand, counting this worker's own use; what was used is back after a minute at the latest."""
    lines = b""
    for lease, _ in holds.taken:
        if lease.shown:
            purse, cap = lease.purse, lease.meter.cap
            used = purse.granted - purse.returned - purse.room  # spent and held
            left = cap - used if used < cap else 0
            if inbound.standing is openai_chat.standing:
                lines += lease.shown % (cap, left, b"1m0s" if used else b"0s")
            else:
                lines += inbound.standing(lease.meter.kind, cap, left, _WINDOW_S if used else 0.0, live.clock.wall())
    return lines


def _asked_for(live: Live, passage: Passage) -> bytes:
    """The session's token, naming the endpoint that served, and the reasons."""
    call, attempt, principal, lines = passage.call, passage.attempt, passage.principal, b""
    assert call is not None
    if call.ask.session and attempt is not None and principal is not None:
        token = sign(live.snapshot.pepper, tenant(principal), attempt.lane.endpoint.id, live.clock.wall())
        lines += b"x-intertie-session: %b\r\n" % token.encode()
    if call.ask.explain and passage.plan is not None:
        lines += b"x-intertie-explain: %b\r\n" % plan_header(passage.plan).encode()
    return lines


def _limits(live: Live, passage: Passage) -> bytes:
    """Where the limits stand that had no room for the request."""
    if passage.terms is None or passage.view is not live.view:
        return b""
    lines = b""
    for meter in passage.terms.meters:
        if meter.kind in _SHOWN:
            now = live.wallet.standing(meter)
            wall = live.clock.wall()
            lines += passage.door.inbound.standing(meter.kind, meter.cap, now.remaining, now.reset_s, wall)
    return lines
