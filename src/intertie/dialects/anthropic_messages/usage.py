"""What an answer used, in Anthropic's counting and in ours.

Anthropic's `input_tokens` leave out what was read from a cache and what was written to one; ours include both. The
figures of a stream are sums so far, never differences: a later one takes the place of an earlier one (wire fact 8).
"""

from typing import Any

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS

_BESIDE = ("compaction", "advisor_message")
"""Kinds of iterations that the sums of the answer leave out although they are billed (the SDK's `BetaUsage`)."""


class _Written(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = 0
    ephemeral_1h_input_tokens: int | None = 0


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = 0


class _ServerTools(msgspec.Struct):
    web_search_requests: int | None = 0


class Figures(msgspec.Struct):
    """The `usage` of an answer, of `message_start` or of `message_delta`; None is what was not told."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Written | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list["_Iteration"] | None = None


class _Iteration(Figures, kw_only=True):
    type: str = ""


def fold(before: Figures | None, now: Figures) -> Figures:
    """The figures so far: what is told now replaces what was told before, what is not told now stays."""
    if before is None:
        return now
    told = {name: value for name in Figures.__struct_fields__ if (value := getattr(now, name)) is not None}
    return msgspec.structs.replace(before, **told)


def to_usage(figures: Figures) -> Usage:
    """Our counting. Raises ValueError if the figures are absurd."""
    sums = [figures, *(one for one in figures.iterations or () if one.type in _BESIDE)]
    read = sum(_count(one.cache_read_input_tokens) for one in sums)
    written, written_1h = map(sum, zip(*(_written(one) for one in sums), strict=True))
    prompt = sum(_count(one.input_tokens) for one in sums) + read + written + written_1h
    completion = sum(_count(one.output_tokens) for one in sums)
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    details, tools = figures.output_tokens_details, figures.server_tool_use
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=read,
        reasoning=min(completion, _count(details.thinking_tokens)) if details else 0,
        written=written,
        written_1h=written_1h,
        searches=min(MOST_TOKENS, _count(tools.web_search_requests)) if tools else 0,
        tier=_tier(figures),
    )


def _count(figure: int | None) -> int:
    return max(0, figure or 0)


def _written(figures: Figures) -> tuple[int, int]:
    """Tokens written for five minutes and for an hour.

    With server tools the breakdown covers the first iteration alone, the sum covers all: what the breakdown leaves out
    is taken to be written like the rest.
    """
    total, parts = _count(figures.cache_creation_input_tokens), figures.cache_creation
    short = _count(parts.ephemeral_5m_input_tokens) if parts else 0
    long = _count(parts.ephemeral_1h_input_tokens) if parts else 0
    if total <= short + long:
        return short, long
    long = total * long // (short + long) if long else 0
    return total - long, long


def _tier(figures: Figures) -> str:
    if figures.speed == "fast":
        return "fast"
    tier = figures.service_tier or ""
    return "" if tier == "standard" else tier[:32]


def from_usage(usage: Usage | None) -> dict[str, Any]:
    """Anthropic's counting, as an answer's `usage` tells it; zeros where nothing is known."""
    used = usage or Usage()
    written = used.written + used.written_1h
    told: dict[str, Any] = {
        "input_tokens": max(0, used.prompt - used.cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.completion,
        "output_tokens_details": {"thinking_tokens": used.reasoning} if used.reasoning else None,
        "server_tool_use": {"web_search_requests": used.searches, "web_fetch_requests": 0} if used.searches else None,
    }
    return told


def of_message(usage: Usage | None) -> dict[str, Any]:
    """The `usage` of a whole message, which tells more than that of `message_delta`: how long, and how fast."""
    used = usage or Usage()
    parts = {"ephemeral_5m_input_tokens": used.written, "ephemeral_1h_input_tokens": used.written_1h}
    tier = used.tier if used.tier in ("priority", "batch") else "standard"
    speed = {"speed": "fast"} if used.tier == "fast" else {}
    return {**from_usage(usage), "cache_creation": parts, "service_tier": tier, **speed}
