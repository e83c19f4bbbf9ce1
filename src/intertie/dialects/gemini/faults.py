"""Errors in Google's shape (google.rpc.Status under HTTP), as whole answers and as events of a begun stream."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from intertie.core.faults import Fault

_TYPE = "type.googleapis.com/google.rpc."
_STATUSES: Mapping[int, str] = MappingProxyType({
    401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL",
    501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
})  # fmt: skip
"""HTTP to google.rpc.Code, after the comments of google/rpc/code.proto."""


class _Message(msgspec.Struct):
    message: str


class _Error(msgspec.Struct):
    error: _Message


_error = msgspec.json.Decoder(_Error).decode
_errors = msgspec.json.Decoder(list[_Error]).decode
_encode = msgspec.json.Encoder().encode


def error_body(fault: Fault, request: str = "") -> bytes:
    """A fault in Google's shape; our stable `code` is the reason in its details, beside the field and the wait."""
    error = {
        "code": fault.status,
        "message": fault.public,
        "status": _STATUSES.get(fault.status, "INVALID_ARGUMENT" if fault.status < 500 else "INTERNAL"),
        "details": _details(fault, request),
    }
    return _encode({"error": error})


def _details(fault: Fault, request: str) -> list[dict[str, object]]:
    details: list[dict[str, object]] = [{"@type": _TYPE + "ErrorInfo", "reason": fault.code, "domain": "intertie"}]
    if fault.param is not None:
        violation = {"field": fault.param, "description": fault.public}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    if fault.retry_after is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{fault.retry_after:.3f}s"})
    if request:
        details.append({"@type": _TYPE + "RequestInfo", "requestId": request})
    return details


def error_event(fault: Fault, request: str = "") -> bytes:
    """A fault inside a stream that has begun: SDKs raise on a chunk that begins with `{"error":`."""
    return b"data: " + error_body(fault, request) + b"\n\n"


def told(body: bytes) -> str:
    """What an error's body says to people; "" if it is not in this shape. A stream's error may come in an array."""
    try:
        found = _errors(body) if body.lstrip()[:1] == b"[" else [_error(body)]
    except (msgspec.DecodeError, RecursionError):
        return ""
    return found[0].error.message if found else ""


def standing(kind: str, cap: int, remaining: int, reset_s: float, wall: float) -> bytes:
    """Where a limit stands. Google has no headers for it; these are the field's common ones, the reset a duration."""
    name = kind.encode()
    return b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %ds\r\n" % (
        name, cap, name, remaining, name, -(-reset_s // 1),
    )  # fmt: skip
