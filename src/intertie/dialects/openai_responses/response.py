"""The response object: what was asked, echoed as the vendor does, and what came of it."""

from typing import Final, NamedTuple, TypeAlias

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.chat import Part, Refusal, StopReason
from intertie.core.usage import Usage
from intertie.dialects.openai_responses.namespaces import Grouped, grouped

Item: TypeAlias = dict[str, object]

_DEFAULTS: Final[Item] = {
    "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": "default",
    "store": False, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
    "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None, "background": False,
}  # fmt: skip
"""What is echoed where the caller left it open. Strict clients want every one of them."""

_NO_FUNCTION: Final[Item] = {"description": None, "parameters": None, "strict": False}
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_FUNCTION: Final = b'"function"'
_INCOMPLETE: Final[dict[StopReason, str]] = {"length": "max_output_tokens", "filter": "content_filter"}


class Outcome(NamedTuple):
    """How a response ended: its status, and why it is incomplete."""

    status: str
    incomplete: str | None = None

    @property
    def of_last_item(self) -> str:
        """The status of the item that was being written when the answer ended."""
        return "incomplete" if self.status == "incomplete" else "completed"


RUNNING: Final = Outcome("in_progress")


def outcome(stop: StopReason, refused: bool) -> Outcome:
    """A stop reason as status. A refusal in words is a whole answer; a pause is none, and has no reason of its own."""
    if stop == "pause":
        return Outcome("incomplete")
    if stop in _INCOMPLETE and not (stop == "filter" and refused):
        return Outcome("incomplete", _INCOMPLETE[stop])
    return Outcome("completed")


def refused(parts: tuple[Part, ...]) -> bool:
    """Whether the model declined in words."""
    return any(isinstance(part, Refusal) for part in parts)


class ResponseObject:
    """What stays the same in every state of one response. `id` also names its items."""

    def __init__(self, call: Call, upstream_id: str, model: str, created: int) -> None:
        self.id = upstream_id if upstream_id.startswith("resp_") else f"resp_{upstream_id}"
        fields = {name: _echo(name, call.fields) or default for name, default in _DEFAULTS.items()}
        self._call = call
        self._groups: dict[str, Grouped] | None = None
        self._fields = {
            "id": self.id,
            "object": "response",
            "created_at": created,
            "model": model or call.model,
        } | fields

    def item_id(self, kind: str, number: int) -> str:
        """A made-up id for an item: unique in the conversation, because the response's is."""
        return f"{kind}_{self.id.removeprefix('resp_')}_{number}"

    def tool(self, name: str) -> Grouped:
        """What the caller calls a tool that the model called by this name."""
        if self._groups is None:
            self._groups = grouped(self._call.fields)
        return self._groups.get(name) or Grouped(name)

    def state(self, how: Outcome, output: list[Item], usage: Usage | None = None, tier: str = "") -> Item:
        """The whole object. `tier` is the service tier that was really used, "" where it is not told."""
        return self._fields | {
            "status": how.status,
            "error": None,
            "incomplete_details": {"reason": how.incomplete} if how.status == "incomplete" else None,
            "output": output,
            "usage": None if usage is None else usage_object(usage),
            "service_tier": tier or (usage.tier if usage else "") or "default",
        }


def _echo(name: str, fields: Fields) -> object:
    raw = fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return None
    if name != "tools":
        return raw
    return [_NO_FUNCTION | tool if bytes(tool.get("type", b"")) == _FUNCTION else tool for tool in _tools(raw)]


def usage_object(usage: Usage) -> Item:
    """Usage in this dialect's words; what was put into a cache is told as one figure."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.written + usage.written_1h,
        },
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }
