"""Errors in OpenAI's shape, as whole answers and as events of a stream that has begun."""

import msgspec

from intertie.core.faults import Fault


class _Message(msgspec.Struct):
    message: str


class _Error(msgspec.Struct):
    """OpenAI's shape, and those of TGI, Ollama (`error` is words), old vLLMs (`message`), FastAPI (`detail`)."""

    error: _Message | str | None = None
    message: str | None = None
    detail: str | None = None


_error = msgspec.json.Decoder(_Error).decode
_encode = msgspec.json.Encoder().encode


def error_body(fault: Fault, request: str = "") -> bytes:
    """A fault in OpenAI's shape, with our stable `code`; the request's id is told by header alone."""
    error = {"message": fault.public, "type": fault.kind, "param": fault.param, "code": fault.code}
    return _encode({"error": error})


def error_event(fault: Fault, request: str = "") -> bytes:
    """A fault inside a stream that has begun: SDKs raise on a chunk with a top-level `error`."""
    return b"data: " + error_body(fault, request) + b"\n\n"


def told(body: bytes) -> str:
    """What an error's body says to people; "" if it is in no shape that engines of this dialect use."""
    try:
        said = _error(body)
    except (ValueError, RecursionError):
        return ""
    error = said.error.message if isinstance(said.error, _Message) else said.error
    return error or said.message or said.detail or ""


def standing(kind: str, cap: int, remaining: int, reset_s: float, wall: float) -> bytes:
    """Where a limit stands, as OpenAI tells it; `wall` is not needed, the reset is a duration."""
    name = kind.encode()
    return b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %ds\r\n" % (
        name, cap, name, remaining, name, -(-reset_s // 1),
    )  # fmt: skip
