"""Step 6, translate: the call in the words of the endpoint that was chosen.

The same dialect on both sides: the canonical bytes go through, patched only where they must be. Else the call is read
into the words of all dialects, once, and written in the endpoint's; `gateway.returning` takes the way back.
"""

import msgspec

from intertie.core.call import Call
from intertie.core.faults import Unsupported
from intertie.dialects.dialect import Cannot
from intertie.gateway.lane import Lane
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage

_FORWARDED = (b"traceparent", b"tracestate")


def translate(live: Live, passage: Passage, lane: Lane) -> bytes:
    """The whole HTTP message for one endpoint. Raises Unsupported if its dialect has no way to say what was asked."""
    call, terms, outbound = passage.call, passage.terms, lane.outbound
    assert call is not None and terms is not None
    bound = lane.endpoint.max_output if call.max_output is None and terms.paid else None
    if outbound.speaks == call.dialect and outbound.pass_on is not None:
        passage.chat = passage.conversion = None
        body = outbound.pass_on(call, lane.endpoint, bound)
    else:
        body = _translated(live, passage, lane, bound)
    head = lane.head(call.operation, call.stream)
    if call.dialect == outbound.name == "anthropic_messages":
        head += _line(passage.request.headers, b"anthropic-beta")  # what clients opt into changes what a body may say
    if outbound.sign is not None:
        head += _signed(live, lane, call, body)
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b" % (
        head,
        call.content_type,
        len(body),
        passage.name.encode(),
        passage.trace.headers() if passage.trace else _passed_on(passage.request.headers),
        body,
    )


def _line(headers: dict[bytes, bytes], name: bytes) -> bytes:
    return b"%b: %b\r\n" % (name, headers[name]) if name in headers else b""


def _signed(live: Live, lane: Lane, call: Call, body: bytes) -> bytes:
    sign = lane.outbound.sign
    assert sign is not None
    lines = sign(lane.endpoint, lane.path(call.operation, call.stream), body, live.clock.wall())
    return "".join([f"{line}\r\n" for line in lines]).encode("latin-1")


def _translated(live: Live, passage: Passage, lane: Lane, bound: int | None) -> bytes:
    call, inbound, outbound = passage.call, passage.door.inbound, lane.outbound
    assert call is not None
    if call.operation != "chat":
        conversion = passage.conversion = outbound.conversions.get((call.dialect, call.operation))
        if conversion is None:
            raise Unsupported(f"The endpoint speaks {outbound.name}, which has no {call.operation}.")
        cannot = Cannot(outbound.name, {}, drop=_drops(live, call, lane))
        body = conversion.write(call, lane.endpoint, cannot)
    else:
        if inbound.read is None or outbound.write is None:
            raise Unsupported(f"There is no translation from {call.dialect} to {outbound.name}.")
        if passage.chat is None:
            passage.chat = inbound.read(call)
        chat = passage.chat
        cannot = Cannot(outbound.name, chat.spelling, drop=_drops(live, call, lane))
        body = (
            outbound.write(chat, lane.endpoint, cannot)
            if bound is None
            else outbound.write(msgspec.structs.replace(chat, max_output=bound), lane.endpoint, cannot)
        )
    passage.dropped = cannot.dropped
    return body


def _drops(live: Live, call: Call, lane: Lane) -> bool:
    """Whether what cannot be said is left out: as the endpoint says, else the route; never where the call is strict."""
    said = lane.endpoint.on_unsupported
    route = live.snapshot.routes.get(call.model) if said is None else None
    return (route.on_unsupported if route is not None else said) == "drop" and not call.ask.strict


def _passed_on(headers: dict[bytes, bytes]) -> bytes:
    """The caller's own trace headers: without spans of ours the gateway is a bystander."""
    lines = b""
    for known in _FORWARDED:
        if known in headers:
            lines += known + b": " + headers[known] + b"\r\n"
    return lines
