"""Reads calls of Converse and ConverseStream, and speaks of their errors.

Sources: botocore's model of the service, docs.aws.amazon.com/bedrock (Converse, Inference request parameters of
Anthropic's models), error texts as users report them.
"""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import Fault, InvalidRequest
from intertie.sim.engine.dialect import Asked, Job, Refusal, TextJob
from intertie.sim.engine.dialects import bedrock_blocks as told
from intertie.sim.engine.dialects.bedrock_form import ConverseForm
from intertie.sim.engine.dialects.bedrock_turns import check_thoughts, render
from intertie.sim.engine.dialects.event_stream import exception, frame
from intertie.sim.engine.dialects.sigv4 import is_signed
from intertie.sim.engine.dialects.strict import check_closed
from intertie.sim.engine.reading import Complaint, read
from intertie.sim.engine.requests import GenerationRequest, Tool, ToolChoice, tools_to_call
from intertie.sim.engine.schema import Schema

_THOUGHTS: Final = 32
_KINDS: Final = MappingProxyType({
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException",
    404: "ResourceNotFoundException", 408: "ModelTimeoutException", 424: "ModelErrorException",
    429: "ThrottlingException", 503: "ServiceUnavailableException",
})  # fmt: skip


class _Thinking(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Meta(ge=1_024)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Choice(msgspec.Struct):
    disable_parallel_tool_use: bool = False


class _Own(msgspec.Struct, forbid_unknown_fields=True):
    """What a Claude takes beside Converse's fields."""

    thinking: _Thinking | None = None
    top_k: Annotated[int, Meta(ge=0, le=500)] | None = None
    tool_choice: _Choice = msgspec.field(default_factory=_Choice)
    anthropic_beta: list[str] = []
    output_config: Raw = Raw(b"null")


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """What other models take beside Converse's fields, as far as it is simulated."""


_body = msgspec.json.Decoder(told.Body)
_own = msgspec.json.Decoder(_Own)
_nothing = msgspec.json.Decoder(_Nothing)
_schema = msgspec.json.Decoder(Schema)
_encode = msgspec.json.Encoder().encode


class BedrockSpeech:
    """See `Speech`."""

    garbage = frame({":event-type": "contentBlockDelta"}, b"{}")[:-1] + b"\0"
    stream_type = b"application/vnd.amazon.eventstream"

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """`{"message"}`; a header names the kind."""
        status = 403 if fault.status == 401 else fault.status
        kind = _KINDS.get(fault.status, "InternalServerException")
        headers = f"x-amzn-errortype: {kind}\r\nx-amzn-requestid: {request}\r\n".encode("latin-1")
        return Refusal(status, headers, _encode({"message": fault.message}))

    def broke(self, fault: Fault) -> bytes:
        """An exception in place of an event."""
        return exception("internalServerException", _encode({"message": fault.message}))

    def complaint(self, complaint: Complaint) -> Fault:
        """As the service's validation says it."""
        if complaint.kind == "unknown":
            *path, name = complaint.path
            return InvalidRequest(f"Malformed input request: #/{'/'.join(map(str, path))}: extraneous key [{name}] is "
                                  "not permitted, please reformat your input and try again.")  # fmt: skip
        return InvalidRequest(f"1 validation error detected: Value at '{complaint.dotted}' failed to satisfy "
                              f"constraint: {complaint.text}")  # fmt: skip

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A key of Bedrock's as bearer, or a signature made with it as the secret."""
        bearer = asked.headers.get(b"authorization", b"")
        return bearer == b"Bearer " + key.encode() or is_signed(asked, key)


BEDROCK: Final = BedrockSpeech()


def read_any(asked: Asked, *, stream: bool) -> Job:
    """A call of Converse or ConverseStream. Raises Complaint, InvalidRequest."""
    body, model = read(_body, asked.body), asked.path["model"]
    where = ("additionalModelRequestFields",)
    raw = _encode(body.additional_model_request_fields)
    own = read(_own, raw, where) if "claude" in model else _Own()
    if "claude" not in model:
        read(_nothing, raw, where)
    seen = render(body)
    thinks = own.thinking is not None and own.thinking.type != "disabled"
    _check_thinking(body, own)
    request = GenerationRequest(
        operation="chat",
        model=model,
        stream=stream,
        max_tokens=body.inference_config.max_tokens,
        stop=tuple(body.inference_config.stop_sequences),
        schema=_form(body),
        tools=_called(body, own, seen.spoken),
        thoughts=_THOUGHTS if thinks else 0,
        marked=seen.marked,
        lasting=seen.lasting,
        tier="" if body.service_tier is None else body.service_tier.type,
        **seen.asked(),
    )
    return TextJob(request, _make(request, body.additional_model_response_field_paths))


read_converse: Final = partial(read_any, stream=False)
read_converse_stream: Final = partial(read_any, stream=True)


def _make(request: GenerationRequest, paths: list[str]) -> Callable[[str, int], ConverseForm]:
    return lambda name, created: ConverseForm(request, paths)


def _check_thinking(body: told.Body, own: _Own) -> None:
    thinking, limit = own.thinking, body.inference_config.max_tokens
    if thinking is None or thinking.type == "disabled":
        return
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            _refuse("The model returned the following errors: thinking.enabled.budget_tokens: Field required")
        if limit is None or limit <= thinking.budget_tokens:
            _refuse("The model returned the following errors: `max_tokens` must be greater than "
                    "`thinking.budget_tokens`.")  # fmt: skip
        check_thoughts(body.messages)
    choice = body.tool_config.tool_choice if body.tool_config is not None else None
    if choice is not None and choice.auto is None:
        _refuse("The model returned the following errors: Thinking may not be enabled when tool_choice forces tool "
                "use.")  # fmt: skip
    if body.inference_config.temperature not in (None, 1):
        _refuse("The model returned the following errors: `temperature` may only be set to 1 when thinking is enabled.")


def _form(body: told.Body) -> Schema | None:
    wanted = body.output_config.text_format if body.output_config is not None else None
    if wanted is None:
        return None
    text, where = wanted.structure.json_schema.schema, ("outputConfig", "textFormat", "structure", "jsonSchema")
    schema = read(_schema, text.encode(), where)
    check_closed(schema, lambda said: _refuse(f"The model returned the following errors: output_config: {said}"))
    return schema


def _called(body: told.Body, own: _Own, spoken: str) -> tuple[Tool, ...]:
    config = body.tool_config
    if config is None:
        return ()
    specs = [tool.tool_spec for tool in config.tools if tool.tool_spec is not None]
    where = ("toolConfig", "tools", "inputSchema", "json")
    tools = [Tool(spec.name, read(_schema, spec.input_schema.json, where)) for spec in specs]
    for tool in tools:
        if tool.parameters is None or tool.parameters.type != "object":
            _refuse("The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: "
                    "object.")  # fmt: skip
    choice, parallel = config.tool_choice or told.ToolChoice(), not own.tool_choice.disable_parallel_tool_use
    only = (choice.tool.name,) if choice.tool is not None else ()
    if only and only[0] not in {tool.name for tool in tools}:
        _refuse(f"The toolChoice names the tool {only[0]}, which toolConfig.tools does not define.")
    must = choice.any is not None or choice.tool is not None
    return tools_to_call(tools, ToolChoice("required" if must else "auto", only, parallel), spoken)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
