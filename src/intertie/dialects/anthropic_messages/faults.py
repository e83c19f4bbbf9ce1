"""Errors in Anthropic's shape, as whole answers and as events of a stream that has begun; where a limit stands."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from intertie.core.faults import Fault, UpstreamError

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for what is no JSON or of another shape; a string that is no UTF-8 is an error of its own."""

TYPES: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    431: "request_too_large",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The type that goes with a status (docs.claude.com/en/api/errors and the SDK's `ErrorType`)."""

_STATUSES: Final[dict[str, int]] = {name: status for status, name in TYPES.items() if status not in (408, 431, 503)}


class _Message(msgspec.Struct):
    message: str
    type: str = ""


class _Error(msgspec.Struct):
    error: _Message


_error = msgspec.json.Decoder(_Error).decode
_encode = msgspec.json.Encoder().encode


def error_body(fault: Fault, request: str = "") -> bytes:
    """A fault in Anthropic's shape.

    Our stable code stands where the SDK looks for one, in `details.error_code`, and the field beside it.
    """
    details = {"error_code": fault.code} if fault.param is None else {"error_code": fault.code, "param": fault.param}
    error = {"type": _type(fault), "message": fault.public, "details": details}
    return _encode({"type": "error", "error": error, "request_id": request or None})


def error_event(fault: Fault, request: str = "") -> bytes:
    """A fault inside a stream that has begun: SDKs raise on an event named `error`."""
    return b"event: error\ndata: " + error_body(fault, request) + b"\n\n"


def _type(fault: Fault) -> str:
    status = fault.upstream_status if isinstance(fault, UpstreamError) and fault.status >= 500 else fault.status
    return TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def told(body: bytes) -> str:
    """What an error's body says to people; "" if it is not in this shape."""
    try:
        return _error(body).error.message
    except NOT_JSON:
        return ""


def status_of(body: bytes) -> int:
    """The status that goes with an error's type; 502 where it tells none that is known."""
    try:
        return _STATUSES.get(_error(body).error.type, 502)
    except NOT_JSON:
        return 502


def standing(kind: str, cap: int, remaining: int, reset_s: float, wall: float) -> bytes:
    """Where a limit stands, as Anthropic tells it: the reset is a moment (RFC 3339), rounded up to a second."""
    moment = datetime.fromtimestamp(-(-(wall + reset_s) // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    line = b"anthropic-ratelimit-%b-" % kind.encode()
    return b"%blimit: %d\r\n%bremaining: %d\r\n%breset: %b\r\n" % (line, cap, line, remaining, line, moment)
