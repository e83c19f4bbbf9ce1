"""Why answers end, in Converse's words and in ours."""

from collections.abc import Mapping
from types import MappingProxyType

from intertie.core.chat import StopReason

_REASONS: Mapping[str, StopReason] = MappingProxyType({
    "end_turn": "end",
    "tool_use": "tool",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "sequence",
    "guardrail_intervened": "filter",
    "content_filtered": "filter",
})  # fmt: skip


def reason_of(stop: str) -> tuple[StopReason, str]:
    """Our word for a `stopReason`, and its own where ours says nothing: malformed output, what is not known."""
    reason = _REASONS.get(stop, "other")
    return reason, stop if reason == "other" else ""
