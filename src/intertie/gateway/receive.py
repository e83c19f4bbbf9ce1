"""Step 1, receive: bytes to a `Call`. Reads the few fields that decide; what nobody knows survives in the body."""

from collections.abc import Callable

import msgspec

from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_chat import parse
from intertie.wire.server import Request

_PREFIX = b"x-intertie-"
_TRUTHS = ("1", "true", "yes")
_MAX_SESSION = 512
_MAX_TAGS = 16


def receive(request: Request, operation: Operation) -> Call:
    """Understand the request. Raises InvalidRequest, naming the field or header."""
    kind = request.headers.get(b"content-type", b"application/json")
    if not kind.startswith(b"application/json"):
        shown = kind[:80].decode("latin-1")
        raise InvalidRequest(f"content-type must be application/json, not {shown!r}.", code="unsupported_media_type")
    if not request.body:
        raise InvalidRequest("The request has no body.", code="invalid_json")
    return with_headers(parse(operation, request.body), request.headers)


def with_headers(call: Call, headers: dict[bytes, bytes]) -> Call:
    """The call with what `x-intertie-*` headers ask; a header weighs more than the body's `intertie` object."""
    asked = [name for name in headers if name.startswith(_PREFIX)]
    if not asked:
        return call
    ask = call.ask
    for name in asked:
        field = name[len(_PREFIX) :].decode("latin-1")
        reader = _READERS.get(field)
        if reader is not None:
            ask = msgspec.structs.replace(
                ask, **reader(name.decode("latin-1"), headers[name].decode("latin-1").strip())
            )
    return msgspec.structs.replace(call, ask=ask)


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
        raise InvalidRequest(
            f"{header}: {text.strip()!r} is not a number.", code="invalid_value", param=header
        ) from None
    if not 0 <= number < 1e12:
        raise InvalidRequest(f"{header}: {text.strip()!r} is out of range.", code="invalid_value", param=header)
    return number


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _session(header: str, text: str) -> dict[str, object]:
    if len(text) > _MAX_SESSION:
        raise InvalidRequest(f"{header} is longer than {_MAX_SESSION} characters.", code="invalid_value", param=header)
    return {"session": text}


def _objective(header: str, text: str) -> dict[str, object]:
    return {"objective": text}


def _slo(header: str, text: str) -> dict[str, object]:
    return {"slo_ttft_ms": _number(header, text)}


def _max_cost(header: str, text: str) -> dict[str, object]:
    return {"max_cost_usd": text}


def _residency(header: str, text: str) -> dict[str, object]:
    return {"residency": _words(text.upper())}


def _tags(header: str, text: str) -> dict[str, object]:
    return {"tags": _words(text)[:_MAX_TAGS]}


def _explain(header: str, text: str) -> dict[str, object]:
    return {"explain": text.lower() in _TRUTHS}


_READERS: dict[str, Callable[[str, str], dict[str, object]]] = {
    "objective": _objective,
    "weights": _weights,
    "slo-ttft-ms": _slo,
    "max-cost-usd": _max_cost,
    "residency": _residency,
    "session": _session,
    "tags": _tags,
    "explain": _explain,
}
