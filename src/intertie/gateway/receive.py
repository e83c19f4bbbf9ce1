"""Step 1, receive: bytes to a `Call`. Reads the few fields that decide; what nobody knows survives in the body."""

import msgspec

from intertie.core.call import NO_ASK, Call
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_media.both import FORMS
from intertie.gateway.door import Door
from intertie.gateway.wishes import check, wished
from intertie.wire.server import Request

_PREFIX = b"x-intertie-"
_JSON = b"application/json"


def receive(request: Request, door: Door) -> Call:
    """Understand the request. Raises InvalidRequest, naming the field or header."""
    if request.headers.get(b"content-encoding", b"identity") != b"identity":
        raise InvalidRequest("The body must not be compressed.", code="unsupported_media_type")
    if not request.body:
        raise InvalidRequest("The request has no body.", code="invalid_json")
    call = with_headers(_peek(request, door), request.headers)
    if call.ask is not NO_ASK:
        check(call.ask)
    return call


def _peek(request: Request, door: Door) -> Call:
    kind, inbound = request.headers.get(b"content-type", _JSON), door.inbound
    if kind != _JSON:
        media = kind.partition(b";")[0].strip().lower()
        if media == b"multipart/form-data" and inbound.peek_form is not None and door.operation in FORMS:
            return inbound.peek_form(door.operation, request.body, kind)
        if media != _JSON:
            shown = kind[:80].decode("latin-1")
            raise InvalidRequest(
                f"content-type must be application/json, not {shown!r}.", code="unsupported_media_type"
            )
    return inbound.peek(door.operation, request.body, door.model)


def with_headers(call: Call, headers: dict[bytes, bytes]) -> Call:
    """The call with what `x-intertie-*` headers ask; a header weighs more than the body's `intertie` object.

    Raises InvalidRequest, naming the header.
    """
    if _PREFIX not in b" ".join(headers):
        return call
    ask = call.ask
    for name in headers:
        if name.startswith(_PREFIX):
            wish = wished(name.decode("latin-1"), headers[name].decode("latin-1").strip())
            ask = msgspec.structs.replace(ask, **wish)
    return msgspec.structs.replace(call, ask=ask)
