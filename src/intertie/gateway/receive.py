"""Step 1, receive: bytes to a `Call`. Reads the few fields that decide; what nobody knows survives in the body."""

from collections.abc import Callable

import msgspec

from intertie.core.call import NO_ASK, Ask, Call
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_media.both import FORMS
from intertie.gateway.door import Door
from intertie.wire.server import Request

_PREFIX = b"x-intertie-"
_JSON = b"application/json"
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_MAX_SESSION = 512
_MAX_TAGS, _MAX_TAG = 16, 128
_MAX_ZONES, _MAX_ZONE = 16, 32
_LONGEST_SLO_MS, _MOST_GRAMS = 3_600_000, 1_000_000


def receive(request: Request, door: Door) -> Call:
    """Understand the request. Raises InvalidRequest, naming the field or header."""
    if request.headers.get(b"content-encoding", b"identity") != b"identity":
        raise InvalidRequest("The body must not be compressed.", code="unsupported_media_type")
    if not request.body:
        raise InvalidRequest("The request has no body.", code="invalid_json")
    call = with_headers(_peek(request, door), request.headers)
    if call.ask is not NO_ASK:
        _check(call.ask)
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
    """The call with what `x-intertie-*` headers ask; a header weighs more than the body's `intertie` object."""
    if _PREFIX not in b" ".join(headers):
        return call
    ask = call.ask
    for name in headers:
        if not name.startswith(_PREFIX):
            continue
        field = name[len(_PREFIX) :].decode("latin-1")
        reader = _READERS.get(field)
        if reader is not None:
            ask = msgspec.structs.replace(
                ask, **reader(name.decode("latin-1"), headers[name].decode("latin-1").strip())
            )
    return msgspec.structs.replace(call, ask=ask)


def _check(ask: Ask) -> None:
    """Bounds of what is written down or repeated, whichever way it came."""
    if len(ask.session) > _MAX_SESSION:
        raise _bad("intertie.session", f"A session's name has at most {_MAX_SESSION} characters.")
    if len(ask.tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in ask.tags):
        raise _bad("intertie.tags", f"There may be {_MAX_TAGS} tags of {_MAX_TAG} characters each.")
    if len(ask.residency) > _MAX_ZONES or any(len(zone) > _MAX_ZONE for zone in ask.residency):
        raise _bad("intertie.residency", f"There may be {_MAX_ZONES} jurisdictions of {_MAX_ZONE} characters each.")
    if len(ask.objective) > _MAX_TAG or len(ask.weights or ()) > _MAX_TAGS:
        raise _bad("intertie", "No objective has so long a name, and there are not so many axes.")
    if ask.slo_ttft_ms is not None and not 1 <= ask.slo_ttft_ms <= _LONGEST_SLO_MS:
        raise _bad("intertie.slo_ttft_ms", f"A latency target lies between 1 and {_LONGEST_SLO_MS:,} ms.")
    if ask.max_gco2 is not None and not 0 <= ask.max_gco2 <= _MOST_GRAMS:
        raise _bad("intertie.max_gco2", f"A cap on carbon lies between 0 and {_MOST_GRAMS:,} g.")


def _bad(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", param=field)


def _weights(header: str, text: str) -> dict[str, object]:
    weights: dict[str, float] = {}
    for part in text.split(","):
        axis, _, value = part.partition("=")
        weights[axis.strip()] = _number(header, value)
    return {"weights": weights}


def _number(header: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _bad(header, f"{header}: {text.strip()!r} is not a number.") from None
    if not 0 <= number < 1e12:
        raise _bad(header, f"{header}: {text.strip()!r} is out of range.")
    return number


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _session(header: str, text: str) -> dict[str, object]:
    return {"session": text}


def _objective(header: str, text: str) -> dict[str, object]:
    return {"objective": text}


def _slo(header: str, text: str) -> dict[str, object]:
    return {"slo_ttft_ms": _number(header, text)}


def _max_cost(header: str, text: str) -> dict[str, object]:
    return {"max_cost_usd": text}


def _max_gco2(header: str, text: str) -> dict[str, object]:
    return {"max_gco2": _number(header, text)}


def _residency(header: str, text: str) -> dict[str, object]:
    zones = _words(text.upper())
    if not zones:
        raise _bad(header, f"{header} names no jurisdiction.")  # nothing would be what nobody means by it: anywhere
    return {"residency": zones}


def _tags(header: str, text: str) -> dict[str, object]:
    return {"tags": _words(text)}


def _explain(header: str, text: str) -> dict[str, object]:
    wanted = _TRUTHS.get(text.lower())
    if wanted is None:
        raise _bad(header, f"{header} is 1 or 0, not {text!r}.")
    return {"explain": wanted}


_READERS: dict[str, Callable[[str, str], dict[str, object]]] = {
    "objective": _objective,
    "weights": _weights,
    "slo-ttft-ms": _slo,
    "max-cost-usd": _max_cost,
    "max-gco2": _max_gco2,
    "residency": _residency,
    "session": _session,
    "tags": _tags,
    "explain": _explain,
}
