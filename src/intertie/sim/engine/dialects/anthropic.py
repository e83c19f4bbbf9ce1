"""Reads Anthropic's Messages, and speaks of its errors.

Sources: the types of Anthropic's SDK (`anthropic.types.message_create_params`), platform.claude.com/docs (Errors,
Extended thinking, Tool use, Prompt caching, Structured outputs), and error texts as users report them.
"""

import hmac
from collections.abc import Callable
from types import MappingProxyType
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import Fault, InvalidRequest
from intertie.sim.engine.dialect import Asked, Job, Refusal, TextJob
from intertie.sim.engine.dialects.anthropic_blocks import Cache, Message, Text
from intertie.sim.engine.dialects.anthropic_form import MessageForm
from intertie.sim.engine.dialects.anthropic_turns import Told, render
from intertie.sim.engine.dialects.strict import check_closed
from intertie.sim.engine.reading import Complaint, read
from intertie.sim.engine.requests import GenerationRequest, Tool, ToolChoice, tools_to_call
from intertie.sim.engine.schema import Schema

_THOUGHTS: Final = 32
_LEAST_BUDGET: Final = 1_024
_KINDS: Final = MappingProxyType({
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
    529: "overloaded_error",
})  # fmt: skip


class _Closed(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Metadata(_Closed):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


class _Enabled(msgspec.Struct, tag_field="type", tag="enabled", forbid_unknown_fields=True):
    budget_tokens: Annotated[int, Meta(ge=_LEAST_BUDGET)]
    display: Literal["summarized", "omitted"] | None = None


class _Adaptive(msgspec.Struct, tag_field="type", tag="adaptive", forbid_unknown_fields=True):
    display: Literal["summarized", "omitted"] | None = None


class _Disabled(msgspec.Struct, tag_field="type", tag="disabled", forbid_unknown_fields=True):
    pass


class _Format(_Closed):
    type: Literal["json_schema"]
    schema: Schema


class _OutputConfig(_Closed):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _ToolChoice(_Closed):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _InputSchema(msgspec.Struct):
    type: Literal["object"]


class _Tool(_Closed):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: Raw
    type: Literal["custom"] | None = None
    description: str = ""
    strict: bool = False
    cache_control: Cache | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[dict[str, Raw]] | None = None
    defer_loading: bool = False
    allowed_callers: list[str] | None = None


class _Body(_Closed, kw_only=True):
    model: str
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[Text] | None = None
    stream: bool = False
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Enabled | _Adaptive | _Disabled | None = None
    output_config: _OutputConfig | None = None
    metadata: _Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    cache_control: Cache | None = None


_body = msgspec.json.Decoder(_Body)
_schema = msgspec.json.Decoder(Schema)
_input_schema = msgspec.json.Decoder(_InputSchema)
_encode = msgspec.json.Encoder().encode


class AnthropicSpeech:
    """See `Speech`."""

    garbage = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'
    stream_type = b"text/event-stream; charset=utf-8"

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """`{"type": "error", "error": {type, message}, "request_id"}`."""
        body = {"type": "error", "error": _error(fault), "request_id": request}
        return Refusal(fault.status, b"request-id: %b\r\n" % request.encode("latin-1"), _encode(body))

    def broke(self, fault: Fault) -> bytes:
        """An event of its own."""
        return b"event: error\ndata: %b\n\n" % _encode({"type": "error", "error": _error(fault)})

    def complaint(self, complaint: Complaint) -> Fault:
        """As Pydantic says it."""
        match complaint.kind:
            case "json":
                return InvalidRequest(f"The request body is not valid JSON: {complaint.text}")
            case "missing":
                return InvalidRequest(f"{complaint.dotted}: Field required")
            case "unknown":
                return InvalidRequest(f"{complaint.dotted}: Extra inputs are not permitted")
            case _:
                return InvalidRequest(f"{complaint.dotted}: {complaint.text}")

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A header of its own, or a bearer token."""
        bearer = asked.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        return hmac.compare_digest(asked.headers.get(b"x-api-key", bearer), key.encode())


ANTHROPIC: Final = AnthropicSpeech()


def read_messages(asked: Asked) -> Job:
    """A call of Messages. Raises Complaint, InvalidRequest."""
    if b"anthropic-version" not in asked.headers:
        _refuse("anthropic-version: header is required")
    body = read(_body, asked.body)
    thinks = isinstance(body.thinking, _Enabled | _Adaptive)
    _check_thinking(body)
    if body.temperature is not None and body.top_p is not None:
        _refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    told = render(_told(body))
    request = GenerationRequest(
        operation="chat",
        model=body.model,
        stream=body.stream,
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
        schema=_form(body),
        tools=_called(body, told.spoken),
        thoughts=_THOUGHTS if thinks else 0,
        marked=told.marked,
        lasting=told.lasting,
        tier="fast" if body.speed == "fast" else "",
        **told.asked(),
    )
    return TextJob(request, _make(request, body))


def _make(request: GenerationRequest, body: _Body) -> Callable[[str, int], MessageForm]:
    hides = isinstance(body.thinking, _Enabled | _Adaptive) and body.thinking.display == "omitted"
    return lambda name, created: MessageForm(request, name, hides=hides)


def _told(body: _Body) -> Told:
    marks = [Cache("ephemeral")] if body.cache_control else []
    return Told(
        body.messages,
        body.system,
        [(_encode(tool), tool.cache_control) for tool in body.tools or ()],
        marks,
        isinstance(body.thinking, _Enabled),
    )


def _check_thinking(body: _Body) -> None:
    thinking = body.thinking
    if isinstance(thinking, _Enabled) and thinking.budget_tokens >= body.max_tokens:
        _refuse("`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
                "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
                )  # fmt: skip
    if thinking is None or isinstance(thinking, _Disabled):
        return
    if body.tool_choice is not None and body.tool_choice.type in ("any", "tool"):
        _refuse("Thinking may not be enabled when tool_choice forces tool use.")
    if body.temperature not in (None, 1):
        _refuse("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    if body.top_k is not None:
        _refuse("`top_k` must be unset when thinking is enabled or in adaptive mode.")
    if body.top_p is not None and body.top_p < 0.95:
        _refuse("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled or in adaptive mode.")


def _form(body: _Body) -> Schema | None:
    wanted = body.output_config.format if body.output_config is not None else None
    if wanted is None:
        return None
    check_closed(wanted.schema, lambda text: _refuse(f"output_config.format.schema: {text}"))
    return wanted.schema


def _called(body: _Body, spoken: str) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for place, tool in enumerate(body.tools or ()):
        where = ("tools", place, "custom", "input_schema")
        read(_input_schema, tool.input_schema, where)
        tools.append(Tool(tool.name, read(_schema, tool.input_schema, where)))
        if tool.strict:
            check_closed(tools[-1].parameters or Schema(), lambda text: _refuse(f"tools: {text}"))
    choice = body.tool_choice
    if choice is None:
        return tools_to_call(tools, ToolChoice(), spoken)
    if not tools:
        _refuse("tool_choice: may only be specified while providing tools")
    only = (choice.name or "",) if choice.type == "tool" else ()
    if only and only[0] not in {tool.name for tool in tools}:
        _refuse(f"tool_choice.tool.name: Tool '{only[0]}' not found in provided tools")
    mode: Literal["auto", "none", "required"] = "auto"
    if choice.type != "auto":
        mode = "none" if choice.type == "none" else "required"
    return tools_to_call(tools, ToolChoice(mode, only, not choice.disable_parallel_tool_use), spoken)


def _error(fault: Fault) -> dict[str, object]:
    return {"type": _KINDS.get(fault.status, "api_error"), "message": fault.message}


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
