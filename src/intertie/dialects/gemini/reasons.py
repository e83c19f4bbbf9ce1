"""Why a candidate ended: `finishReason` and the words of `core.chat`, both ways."""

from collections.abc import Mapping
from types import MappingProxyType

from intertie.core.chat import StopReason

_FILTERS = (
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
)  # fmt: skip
_OTHERS = (
    "OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NO_IMAGE",
    "IMAGE_OTHER", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE",
)  # fmt: skip
_STOPS: Mapping[str, StopReason] = MappingProxyType(
    {"STOP": "end", "MAX_TOKENS": "length", **dict.fromkeys(_FILTERS, "filter"), **dict.fromkeys(_OTHERS, "other")}
)
_FINISHES: Mapping[StopReason, str] = MappingProxyType({
    "end": "STOP", "tool": "STOP", "sequence": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY",
})  # fmt: skip


def stop_reason(finish: str, *, called: bool) -> tuple[StopReason, str]:
    """What a finish reason means, and its own name where that says more.

    Gemini says `STOP` too where it called a tool: `called` tells that it did.
    """
    if finish == "STOP" and called:
        return "tool", ""
    stop = _STOPS.get(finish, "other")
    return stop, finish if stop in ("filter", "other") else ""


def finish_reason(stop: StopReason, name: str = "") -> str:
    """The finish reason for a stop; `name` is the endpoint's own word, kept where it is one of Gemini's."""
    return name if _STOPS.get(name) == stop else _FINISHES.get(stop, "OTHER")
