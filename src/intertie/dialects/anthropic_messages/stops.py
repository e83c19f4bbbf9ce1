"""Why an answer ended, in Anthropic's words and in ours."""

from typing import Final

from intertie.core.chat import StopReason

_READ: Final[dict[str, StopReason]] = {
    "end_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool",
    "stop_sequence": "sequence",
    "refusal": "filter",
    "pause_turn": "pause",
}

_WRITTEN: Final[dict[StopReason, str]] = {
    "end": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "sequence": "stop_sequence",
    "filter": "refusal",
    "pause": "pause_turn",
    "other": "end_turn",
}


def read_stop(reason: str | None) -> tuple[StopReason, str]:
    """Our word for a `stop_reason`, and the reason itself where ours does not say all of it."""
    told = reason or ""
    stop = _READ.get(told, "other")
    return stop, "" if _WRITTEN[stop] == told else told[:64]


def write_stop(stop: StopReason, name: str, *, calls: bool, refused: bool) -> str:
    """The `stop_reason` of an answer. Whoever reads it runs tools on `tool_use`, so what it says must be there."""
    if name in _READ:
        return name
    if calls and stop in ("end", "tool", "other"):
        return "tool_use"
    if refused and stop in ("end", "other"):
        return "refusal"
    return "end_turn" if stop == "tool" else _WRITTEN[stop]
