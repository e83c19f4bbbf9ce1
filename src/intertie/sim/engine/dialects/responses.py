"""Reads calls of OpenAI's Responses, and speaks of its errors.

Sources: the types of OpenAI's SDK (`openai.types.responses.response_create_params`), platform.openai.com/docs, error
texts as users report them. Nothing is stored: an earlier response is never found.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import Fault
from intertie.sim.engine.dialect import Asked, Job, TextJob
from intertie.sim.engine.dialects.openai import OpenAISpeech, refuse
from intertie.sim.engine.dialects.responses_form import ResponseForm, ResponseWishes
from intertie.sim.engine.dialects.responses_items import read_input
from intertie.sim.engine.dialects.strict import check_strict
from intertie.sim.engine.reading import read
from intertie.sim.engine.requests import GenerationRequest, Tool, ToolChoice, tools_to_call
from intertie.sim.engine.schema import Schema

_THOUGHTS: Final = 24
_LEAST_OUTPUT: Final = 16
_SEALED: Final = "reasoning.encrypted_content"
_LOGPROBS: Final = "message.output_text.logprobs"


class _Closed(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _PlainText(_Closed, tag_field="type", tag="text"):
    pass


class _AnyJson(_Closed, tag_field="type", tag="json_object"):
    pass


class _JsonSchema(_Closed, tag_field="type", tag="json_schema"):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    schema: Schema
    description: str | None = None
    strict: bool | None = None


class _Text(_Closed):
    format: _PlainText | _AnyJson | _JsonSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class _Reasoning(_Closed):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class _Tool(_Closed):
    type: Literal["function"]
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    parameters: Schema | None = None
    strict: bool | None = None
    description: str | None = None


class _Kind(msgspec.Struct):
    type: str


class _Named(_Closed):
    type: Literal["function"]
    name: str


class _Allowed(_Closed):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[_Named]


class _StreamOptions(_Closed):
    include_obfuscation: bool = True


class _Body(_Closed, kw_only=True):
    model: str
    input: Raw
    instructions: str | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    tool_choice: Raw = Raw(b'"auto"')
    parallel_tool_calls: bool | None = True
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[str] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    store: bool | None = True
    background: bool | None = False
    previous_response_id: str | None = None
    truncation: Literal["auto", "disabled"] | None = None


_fields = msgspec.json.Decoder(dict[str, Raw])
_body = msgspec.json.Decoder(_Body)
_input = msgspec.json.Decoder(str | list[Raw])
_mode = msgspec.json.Decoder[Literal["none", "auto", "required"]](Literal["none", "auto", "required"])
_kind = msgspec.json.Decoder(_Kind)
_named = msgspec.json.Decoder(_Named)
_allowed = msgspec.json.Decoder(_Allowed)
_encode = msgspec.json.Encoder().encode


class ResponsesSpeech(OpenAISpeech):
    """Errors in streams are events of their own."""

    garbage = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n'

    def broke(self, fault: Fault) -> bytes:
        """An `error` event."""
        told = {"type": "error", "code": fault.code, "message": fault.message, "param": None, "sequence_number": 0}
        return b"event: error\ndata: %b\n\n" % _encode(told)


RESPONSES: Final = ResponsesSpeech()


def read_responses(asked: Asked) -> Job:
    """A call of Responses. Raises Complaint, InvalidRequest."""
    fields, body = read(_fields, asked.body), read(_body, asked.body)
    _check(body)
    given = read(_input, body.input, ("input",))
    tools = _encode(body.tools or [])
    seen = read_input(given if isinstance(given, str) else body.input, tools, body.instructions)
    told = seen.conversation.asked()
    include = body.include or []
    request = GenerationRequest(
        operation="chat",
        model=body.model,
        stream=bool(body.stream),
        max_tokens=body.max_output_tokens,
        schema=_schema(body, says_json=seen.says_json),
        tools=_called(body, told["spoken"]),
        logprobs=(body.top_logprobs or 0) if _LOGPROBS in include else None,
        thoughts=_THOUGHTS if _thinks(body) else 0,
        field="input",
        tier="" if body.service_tier is None else "default" if body.service_tier == "auto" else body.service_tier,
        **told,
    )
    wants_summary = body.reasoning is not None and bool(body.reasoning.summary or body.reasoning.generate_summary)
    return TextJob(request, _make(request, ResponseWishes(_echo(fields, body), wants_summary, _SEALED in include)))


def _make(request: GenerationRequest, wishes: ResponseWishes) -> Callable[[str, int], ResponseForm]:
    return lambda name, created: ResponseForm(request, (name, created), wishes)


def _check(body: _Body) -> None:
    if body.previous_response_id is not None:
        message = f"Previous response with id '{body.previous_response_id}' not found."
        refuse("previous_response_id", message, "previous_response_not_found")
    if body.background:
        refuse("background", "The simulated engine does not answer in the background.", "unsupported_parameter")
    limit = body.max_output_tokens
    if limit is not None and limit < _LEAST_OUTPUT:
        message = (
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT}, but got "
            f"{limit} instead."
        )
        refuse("max_output_tokens", message, "integer_below_min_value")


def _thinks(body: _Body) -> bool:
    told = body.reasoning
    return told is not None and told.effort != "none" and bool(told.effort or told.summary)


def _schema(body: _Body, *, says_json: bool) -> Schema | None:
    match body.text.format if body.text is not None else None:
        case _JsonSchema() as told:
            if told.strict:
                say = partial(refuse, "text.format.schema", code="invalid_json_schema")
                check_strict(told.schema, f"response_format '{told.name}'", say)
            return told.schema
        case _AnyJson():
            if not says_json:
                refuse("input", "Response input messages must contain the word 'json' in some form to use "
                       "'text.format' of type 'json_object'.")  # fmt: skip
            return Schema(type="object")
        case _:
            return None


def _called(body: _Body, spoken: str) -> tuple[Tool, ...]:
    tools = [Tool(tool.name, tool.parameters) for tool in body.tools or ()]
    for tool in body.tools or ():
        if tool.strict and tool.parameters is not None:
            say = partial(refuse, "tools", code="invalid_function_parameters")
            check_strict(tool.parameters, f"function '{tool.name}'", say)
    mode, only = _chosen(body)
    if missing := set(only) - {tool.name for tool in tools}:
        refuse("tool_choice", f"Tool choice '{missing.pop()}' not found in 'tools' parameter.")
    if mode == "required" and not tools:
        refuse("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.")
    return tools_to_call(tools, ToolChoice(mode, only, body.parallel_tool_calls is not False), spoken)


def _chosen(body: _Body) -> tuple[Literal["auto", "none", "required"], tuple[str, ...]]:
    raw, where = body.tool_choice, ("tool_choice",)
    if bytes(raw)[:1] != b"{":
        return read(_mode, raw, where), ()
    if read(_kind, raw, where).type == "allowed_tools":
        allowed = read(_allowed, raw, where)
        return allowed.mode, tuple(tool.name for tool in allowed.tools)
    return "required", (read(_named, raw, where).name,)


def _echo(fields: dict[str, Raw], body: _Body) -> dict[str, Any]:
    """What a response repeats of its call."""
    names = ("instructions", "max_output_tokens", "metadata", "reasoning", "temperature", "top_p", "truncation", "user")
    told: dict[str, Any] = dict.fromkeys(names) | {name: fields[name] for name in names if name in fields}
    tools = [
        {"type": "function", "name": tool.name, "description": tool.description, "parameters": raw, "strict": True}
        for tool, raw in zip(body.tools or (), _parameters(fields), strict=True)
    ]
    told |= {"tools": tools, "tool_choice": body.tool_choice, "parallel_tool_calls": body.parallel_tool_calls}
    told |= {"text": fields.get("text", {"format": {"type": "text"}}), "store": body.store, "metadata": body.metadata}
    return told | {"previous_response_id": None, "background": False}


class _Parameters(msgspec.Struct):
    parameters: Raw = Raw(b"null")


_tools = msgspec.json.Decoder(list[_Parameters])


def _parameters(fields: dict[str, Raw]) -> list[Raw]:
    given = fields.get("tools", Raw(b"[]"))
    return [] if bytes(given) == b"null" else [tool.parameters for tool in _tools.decode(given)]
