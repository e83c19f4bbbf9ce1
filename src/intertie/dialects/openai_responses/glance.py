"""What answers and stream events tell: usage, errors, and where a stream ends."""

from typing import Final, NamedTuple

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading

ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""The events of which one is the last of a stream; each carries usage."""

_TELLING: Final = ENDS | {"error", ""}

_STATUSES: Final = {
    "rate_limit_exceeded": 429, "too_many_requests": 429, "insufficient_quota": 429,
    "server_error": 500, "internal_error": 500, "vector_store_timeout": 504, "server_is_overloaded": 503,
    "context_length_exceeded": 400, "bio_policy": 400, "misalignment_policy_violation": 400,
    "data_residency_mismatch": 400, "unsupported_image_media_type": 400, "empty_image_file": 400,
    "failed_to_download_image": 400, "image_file_not_found": 400,
}  # fmt: skip
"""What error codes under status 200 stand for; those that begin with `invalid_` or `image_` are the request's too."""


class _WrittenDetails(msgspec.Struct):
    ttl_12h_tokens: int | None = 0


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = 0
    cache_write_tokens: int | None = 0
    cache_write_tokens_details: _WrittenDetails | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct):
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Searches(msgspec.Struct):
    num_requests: int | None = 0


class _ToolUsage(msgspec.Struct):
    web_search: _Searches | None = None


class Head(msgspec.Struct):
    """What is looked for in every response; the rest is only checked to be JSON."""

    usage: _Usage | None = None
    error: object = None
    service_tier: str | None = None
    tool_usage: _ToolUsage | None = None


class _Type(msgspec.Struct):
    type: str = ""


class _Event(_Type):
    response: msgspec.Raw = msgspec.Raw()
    error: object = None
    code: object = None
    message: object = None
    param: object = None


class _Code(msgspec.Struct):
    code: int | str | None = None
    type: str | None = None


class Seen(NamedTuple):
    """A stream event: its type, and what it told."""

    kind: str
    reading: Reading


_head = msgspec.json.Decoder(Head).decode
_type = msgspec.json.Decoder(_Type).decode
_event = msgspec.json.Decoder(_Event).decode
_encode = msgspec.json.Encoder().encode
_NOTHING = Reading()


def glance(answer: bytes) -> Reading:
    """What a whole answer tells; one that failed tells usage and error. Raises ValueError if it is not this dialect."""
    try:
        head = _head(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    usage = usage_of(head)
    return error_reading(head.error, usage) if head.error else Reading(usage)


def plain(block: bytes) -> int:
    """How many events of a block carry output; -1 if it needs a closer look.

    The question asked of nearly every block. Plain is a block of nothing but events of two lines, a name and JSON, none
    of which ends the stream or tells an error.
    """
    deltas = 0
    try:
        for event in block[:-2].split(b"\n\n"):
            name, _, data = event.partition(b"\ndata: {")
            if not name.startswith(b"event: ") or b"\n" in name:
                return -1
            kind = _type(b"{" + data).type
            if kind in _TELLING:
                return -1
            deltas += kind.endswith(".delta")
    except (ValueError, RecursionError):
        return -1
    return deltas if block.endswith(b"\n\n") else -1


def read_event(data: bytes) -> Seen:
    """What the data of one stream event tells. A response that failed tells its usage: its error is its own to tell.

    Raises ValueError if it is not this dialect.
    """
    try:
        event = _event(data)
        if event.type in ENDS:
            return Seen(event.type, Reading(usage_of(_head(event.response))))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if event.type == "error" or (event.error and not event.type):
        flat = {"code": event.code, "message": event.message, "param": event.param}
        return Seen("error", error_reading(event.error or flat))
    if not event.type:
        raise ValueError("an event without a type")
    return Seen(event.type, _NOTHING)


def error_reading(error: object, usage: Usage | None = None) -> Reading:
    """An error that came under status 200, in the shape of a whole error body."""
    return Reading(usage, error=_encode({"error": error}), status=_status(error))


def _status(error: object) -> int:
    try:
        told = msgspec.convert(error, _Code)
    except msgspec.ValidationError:
        return 502
    code = told.code
    if isinstance(code, int):
        return code if 400 <= code <= 599 else 502
    if code in _STATUSES:
        return _STATUSES[code]
    ours = told.type == "invalid_request_error" or (code or "").startswith(("invalid_", "image_"))
    return 400 if ours else 502


def usage_of(head: Head) -> Usage | None:
    """Usage as all dialects count it. Raises ValueError for figures that nobody can mean."""
    told = head.usage
    if told is None:
        return None
    prompt, completion = max(0, told.input_tokens or 0), max(0, told.output_tokens or 0)
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    into, out = told.input_tokens_details or _InputDetails(), told.output_tokens_details or _OutputDetails()
    cached = min(prompt, max(0, into.cached_tokens or 0))
    written = min(prompt - cached, max(0, into.cache_write_tokens or 0))
    long = into.cache_write_tokens_details.ttl_12h_tokens if into.cache_write_tokens_details else 0
    written_long = min(written, max(0, long or 0))
    searched = head.tool_usage.web_search.num_requests if head.tool_usage and head.tool_usage.web_search else 0
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=cached,
        reasoning=min(completion, max(0, out.reasoning_tokens or 0)),
        written=written - written_long,
        written_1h=written_long,
        searches=min(MOST_TOKENS, max(0, searched or 0)),
        tier=tier_of(head.service_tier),
    )


def tier_of(told: str | None) -> str:
    """The service tier that was really used, "" for the standard one."""
    return "" if told in (None, "default", "auto") else told
