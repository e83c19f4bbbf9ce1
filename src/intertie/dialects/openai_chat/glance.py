"""What answers tell: usage, errors, and whether a chunk of a stream carries output."""

from typing import Annotated

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading


class _Details(msgspec.Struct):
    """Parts of a count; `cache_write_tokens` is OpenAI's and OpenRouter's name, `cache_creation_tokens` LiteLLM's."""

    cached_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0
    cache_write_tokens: int | None = 0
    cache_creation_tokens: int | None = 0


class UsageTold(msgspec.Struct):
    """Usage as endpoints tell it; DeepSeek and Moonshot put cached tokens, Perplexity searches, beside the counts."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    total_tokens: int | None = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = 0
    cached_tokens: int | None = 0
    num_search_queries: int | None = 0


class _Glance(msgspec.Struct):
    """What is looked for in every answer and every chunk; the rest is only checked to be JSON."""

    usage: UsageTold | None = None
    error: object = None
    service_tier: str | None = None


class _Chunk(_Glance):
    choices: list[msgspec.Raw] | None = None


class _Ending(msgspec.Struct):
    finish_reason: str | None = None


class _Endings(msgspec.Struct):
    choices: list[_Ending] = []


class _Code(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=400, le=599)]


_glance = msgspec.json.Decoder(_Glance).decode
_chunk = msgspec.json.Decoder(_Chunk).decode
_endings = msgspec.json.Decoder(_Endings).decode
_encode = msgspec.json.Encoder().encode
_NO_DETAILS = _Details()
_STANDARD = ("auto", "default", "standard")  # tiers that are no tier


def glance(answer: bytes) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not this dialect."""
    try:
        found = _glance(answer)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if found.error:
        return to_error(found.error)
    return Reading(None if found.usage is None else to_usage(found.usage, found.service_tier))


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
    except (ValueError, RecursionError):
        return -1
    return len(chunks)


def read_event(data: bytes) -> Reading:
    """What the data of one stream event tells. Raises ValueError if it is not this dialect."""
    try:
        chunk = _chunk(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if chunk.error:
        return to_error(chunk.error)
    usage = None if chunk.usage is None else to_usage(chunk.usage, chunk.service_tier)
    return Reading(usage, only_usage=usage is not None and not chunk.choices)


def speaks(data: bytes) -> bool:
    """Whether the chunk carries output: not only a role, and not only the reason why the answer ends."""
    return b'"delta":{"role":"assistant","content":""' not in data and b'"delta":{}' not in data


def ends_choice(data: bytes) -> bool:
    """Whether a chunk tells why a choice ends."""
    try:
        return any(choice.finish_reason is not None for choice in _endings(data).choices)
    except (ValueError, RecursionError):
        return False


def to_error(error: object) -> Reading:
    """An error that came under status 200; some endpoints put the status they mean into its `code`."""
    try:
        code = msgspec.convert(error, _Code, strict=False).code
    except msgspec.ValidationError:
        code = 502
    return Reading(error=_encode({"error": error}), status=code)


def to_usage(told: UsageTold, tier: str | None) -> Usage:
    """Usage in our words. Raises ValueError if it is absurd.

    xAI, and Google's endpoint of this dialect, count reasoning only in the total: what the total has beyond the prompt
    was generated.
    """
    prompt, completion = told.prompt_tokens or 0, told.completion_tokens or 0
    if prompt < 0 or completion < 0:
        prompt, completion = max(0, prompt), max(0, completion)
    if told.total_tokens is not None and told.total_tokens > prompt + completion:
        completion = told.total_tokens - prompt
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    read, made = told.prompt_tokens_details, told.completion_tokens_details
    tier = "" if tier is None or tier in _STANDARD else tier
    if read is None and made is None and not (told.prompt_cache_hit_tokens or told.cached_tokens):
        return Usage(prompt, completion, searches=_within(MOST_TOKENS, told.num_search_queries), tier=tier)
    read, made = read or _NO_DETAILS, made or _NO_DETAILS
    cached = _within(prompt, read.cached_tokens or told.prompt_cache_hit_tokens or told.cached_tokens)
    return Usage(
        prompt,
        completion,
        cached,
        _within(completion, made.reasoning_tokens),
        written=_within(prompt - cached, read.cache_write_tokens or read.cache_creation_tokens),
        audio_in=_within(prompt, read.audio_tokens),
        audio_out=_within(completion, made.audio_tokens),
        image_in=_within(prompt, read.image_tokens),
        image_out=_within(completion, made.image_tokens),
        searches=_within(MOST_TOKENS, told.num_search_queries),
        tier=tier,
    )


def _within(most: int, told: int | None) -> int:
    return min(most, max(0, told)) if told else 0
