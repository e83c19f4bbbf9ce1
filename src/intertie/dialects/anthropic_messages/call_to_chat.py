"""Reads a call into the words of all dialects, naming the field that cannot be understood.

What only an Anthropic endpoint can do (blocks of the tools it runs, containers, …) goes into `extras` under the path
where it stands. Left out without a word, because no answer differs by it: caching marks on the whole call, diagnostics
of the cache, the clearing of old thoughts (which no other dialect is sent), how a tool's input is streamed.
"""

from typing import Final

import msgspec
from msgspec import Raw

from intertie.core.call import Call
from intertie.core.chat import Chat, Form, Hosted, Sampling, Thinking, Tool, ToolChoice
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages import request as asked
from intertie.dialects.anthropic_messages.messages_to_turns import OWN, TurnReader, mark_of

SPELLING: Final[dict[str, str]] = {
    "turns": "messages",
    "max_output": "max_tokens",
    "form": "output_config.format",
    "effort": "output_config.effort",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "stop": "stop_sequences",
    "tier": "service_tier",
    "user": "metadata.user_id",
}
"""The words of `core.chat` that Anthropic's callers know by another name."""

_KNOWN: Final = frozenset(asked.Body.__struct_fields__) | {"intertie", "provider", "cache_control", "diagnostics"}


class _Edit(msgspec.Struct):
    type: str


class _Edits(msgspec.Struct):
    edits: list[_Edit] = []


_body = msgspec.json.Decoder(asked.Body).decode
_tool_definition = msgspec.json.Decoder(asked.ToolDefinition).decode
_edits = msgspec.json.Decoder(_Edits).decode
_encode = msgspec.json.Encoder().encode


def call_to_chat(call: Call) -> Chat:
    """The chat that a call asks for. Raises InvalidRequest, naming the field."""
    try:
        body = _body(call.body)
    except msgspec.ValidationError as error:
        asked.refuse_at(error, "")
    extras = {name: raw for name, raw in call.fields.items() if _is_extra(name, raw)}
    stop = tuple(body.stop_sequences or ())
    return Chat(
        model=call.model,
        turns=TurnReader(extras).turns(body),
        origin=OWN,
        tools=tuple(_tool(raw, f"tools[{index}]", extras) for index, raw in enumerate(body.tools or ())),
        tool_choice=_tool_choice(body.tool_choice),
        parallel_tools=_parallel(body.tool_choice),
        form=_form(body),
        thinking=_thinking(body, extras),
        sampling=Sampling(temperature=body.temperature, top_p=body.top_p, top_k=body.top_k, stop=stop),
        max_output=body.max_tokens,
        stream=call.stream,
        tier=_tier(body),
        user=(body.metadata.user_id or "") if body.metadata else "",
        extras=extras,
        spelling=SPELLING,
    )


def _is_extra(name: str, raw: Raw) -> bool:
    if name in _KNOWN or not asked.given(raw):
        return False
    return name != "context_management" or not _clears_only_thoughts(raw)


def _clears_only_thoughts(context_management: Raw) -> bool:
    try:
        return all(edit.type.startswith("clear_thinking_") for edit in _edits(context_management).edits)
    except msgspec.ValidationError:
        return False


def _tool(raw: Raw, where: str, extras: dict[str, Raw]) -> Tool | Hosted:
    """A tool of the caller's own, or one that Anthropic runs or has trained its models for."""
    kind = asked.kind_of(raw, where)
    if kind not in ("", "custom"):
        return Hosted(OWN, kind, raw)
    try:
        tool = _tool_definition(raw)
    except msgspec.ValidationError as error:
        asked.refuse_at(error, where)
    if tool.defer_loading:
        extras[f"{where}.defer_loading"] = Raw(b"true")
    if asked.given(tool.input_examples):
        extras[f"{where}.input_examples"] = tool.input_examples
    if tool.allowed_callers not in (None, ["direct"]):
        extras[f"{where}.allowed_callers"] = Raw(_encode(tool.allowed_callers))
    return Tool(
        name=tool.name,
        description=tool.description or "",
        schema=tool.input_schema,
        strict=tool.strict,
        mark=mark_of(tool),
    )


def _tool_choice(choice: asked.Choosing | None) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case asked.Choosing(type="tool", name=None):
            message = "Missing required parameter: 'tool_choice.name'."
            raise InvalidRequest(message, code="missing_required_parameter", param="tool_choice.name")
        case asked.Choosing(type="tool", name=str(name)):
            return ToolChoice("named", (name,))
        case asked.Choosing(type="any"):
            return ToolChoice("required")
        case asked.Choosing(type="none"):
            return ToolChoice("none")
        case _:
            return ToolChoice("auto")


def _parallel(choice: asked.Choosing | None) -> bool | None:
    disabled = choice.disable_parallel_tool_use if choice else None
    return None if disabled is None else not disabled


def _form(body: asked.Body) -> Form | None:
    told = (body.output_config.format if body.output_config else None) or body.output_format
    return None if told is None else Form(kind="schema", schema=told.schema, strict=True)


def _thinking(body: asked.Body, extras: dict[str, Raw]) -> Thinking | None:
    """How much is to be thought, from both fields that say it."""
    config, output = body.thinking, body.output_config
    effort = (output.effort or "") if output else ""
    if output is not None and asked.given(output.task_budget):
        extras["output_config.task_budget"] = output.task_budget
    match config:
        case None:
            return Thinking(effort=effort) if effort else None
        case asked.ThinkingOn():
            return Thinking(on=True, effort=effort, budget=config.budget_tokens, visible=_visible(config.display))
        case asked.ThinkingAdaptive():
            return Thinking(on=True, effort=effort, adaptive=True, visible=_visible(config.display))
        case asked.ThinkingBetweenTools():
            extras["thinking.type"] = Raw(b'"between_tools"')
            return Thinking(on=False, effort=effort)
        case asked.ThinkingOff():
            return Thinking(on=False, effort=effort)


def _visible(display: str | None) -> bool | None:
    return None if display is None else display == "summarized"


def _tier(body: asked.Body) -> str:
    if body.speed == "fast":
        return "fast"
    return {"auto": "auto", "standard_only": "default"}.get(body.service_tier or "", "")
