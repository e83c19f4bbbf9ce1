"""What answers tell of their cost, and errors that come as whole answers.

Converse's `inputTokens` leave out what was read from a cache and what was written to one; ours include both.
"""

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading


class _Detail(msgspec.Struct, rename="camel"):
    ttl: str = ""
    input_tokens: int = 0


class Figures(msgspec.Struct, rename="camel"):
    """The `usage` of an answer or of a stream's metadata."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = 0
    cache_write_input_tokens: int | None = 0
    cache_details: list[_Detail] | None = None


class _Tier(msgspec.Struct):
    type: str = ""


class _Performance(msgspec.Struct):
    latency: str = ""


class Told(msgspec.Struct, rename="camel"):
    """What answers and stream metadata tell of their cost."""

    usage: Figures | None = None
    service_tier: _Tier | None = None
    performance_config: _Performance | None = None


class _Glance(Told, kw_only=True):
    output: msgspec.Raw = msgspec.Raw()
    message: str | None = None


_glance = msgspec.json.Decoder(_Glance).decode


def glance(answer: bytes) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not this dialect."""
    try:
        found = _glance(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not found.output and found.message is not None:
        return Reading(error=answer)
    return Reading(usage_of(found))


def usage_of(told: Told) -> Usage | None:
    """Our counting, None if there is none. Raises ValueError if the figures are absurd."""
    if told.usage is None:
        return None
    figures = told.usage
    fresh, output = max(0, figures.input_tokens), max(0, figures.output_tokens)
    read, written = max(0, figures.cache_read_input_tokens or 0), max(0, figures.cache_write_input_tokens or 0)
    if fresh + read + written > MOST_TOKENS or output > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    hour = sum(max(0, one.input_tokens) for one in figures.cache_details or () if one.ttl == "1h")
    hour = min(hour, written)
    return Usage(
        prompt=fresh + read + written,
        completion=output,
        cached=read,
        written=written - hour,
        written_1h=hour,
        tier=tier_of(told),
    )


def tier_of(told: Told) -> str:
    """The service tier that was really used: flex, priority, reserved; optimized is the one for latency; else ""."""
    if told.service_tier is not None and told.service_tier.type != "default":
        return told.service_tier.type
    fast = told.performance_config is not None and told.performance_config.latency == "optimized"
    return "optimized" if fast else ""
