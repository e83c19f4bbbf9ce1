"""What answers tell: usage, errors, and whether a chunk of a stream carries output."""

from typing import Annotated

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading


class _Details(msgspec.Struct):
    cached_tokens: int | None = 0
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Glance(msgspec.Struct):
    """What is looked for in every answer and every chunk; the rest is only checked to be JSON."""

    usage: _Usage | None = None
    error: object = None


class _Chunk(_Glance):
    choices: list[msgspec.Raw] | None = None


class _Code(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=400, le=599)]


_glance = msgspec.json.Decoder(_Glance).decode
_chunk = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode


def glance(answer: bytes) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not this dialect."""
    try:
        found = _glance(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if found.error:
        return _error(found.error)
    return Reading(None if found.usage is None else to_usage(found.usage))


def plain(block: bytes) -> int:
    """How many chunks a block of stream events holds; -1 if it needs a closer look.

    The question asked of nearly every block. Plain is a block of nothing but chunks: no usage, error, end or comment.
    Each is checked to be JSON, which takes no longer than to search it. What follows the last is white space to JSON.
    """
    if not block.startswith(b"data: {"):
        return -1
    chunks = block[6:].split(b"\n\ndata: ") if block.count(b"\n\n") > 1 else (block[6:],)
    try:
        for chunk in chunks:
            found = _glance(chunk)
            if found.usage is not None or found.error is not None:
                return -1
    except (msgspec.DecodeError, RecursionError):
        return -1
    return len(chunks)


def read_event(data: bytes) -> Reading:
    """What the data of one stream event tells. Raises ValueError if it is not this dialect."""
    try:
        chunk = _chunk(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if chunk.error:
        return _error(chunk.error)
    usage = None if chunk.usage is None else to_usage(chunk.usage)
    return Reading(usage, only_usage=usage is not None and not chunk.choices)


def speaks(data: bytes) -> bool:
    """Whether the chunk carries output: not only a role, and not only the reason why the answer ends."""
    return b'"delta":{"role":"assistant","content":""' not in data and b'"delta":{}' not in data


def _error(error: object) -> Reading:
    """An error that came under status 200; some endpoints put the status they mean into its `code`."""
    try:
        code = msgspec.convert(error, _Code, strict=False).code
    except msgspec.ValidationError:
        code = 502
    return Reading(error=_encode({"error": error}), status=code)


def to_usage(usage: _Usage) -> Usage:
    """Usage as it is told in answers and chunks. Raises ValueError for figures beyond belief."""
    prompt, completion = max(0, usage.prompt_tokens or 0), max(0, usage.completion_tokens or 0)
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else 0
    return Usage(prompt, completion, min(prompt, max(0, cached or 0)), max(0, reasoning or 0))
