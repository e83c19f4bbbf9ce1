"""Reads Gemini's calls, those of the Gemini API and of Vertex AI, and speaks of their errors.

Sources: ai.google.dev/api (generate-content, embeddings), ai.google.dev/gemini-api/docs (Troubleshooting, Function
calling, Thinking, Thought signatures), google.aip.dev/193 for errors, error texts as users report them.
"""

import hmac
import re
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta

from intertie.core.faults import Fault, InvalidRequest
from intertie.sim.engine.dialect import Asked, Job, PrefillJob, Refusal, TextJob
from intertie.sim.engine.dialects import gemini_parts as told
from intertie.sim.engine.dialects.gemini_form import GeminiForm, GeminiWishes
from intertie.sim.engine.dialects.gemini_turns import render
from intertie.sim.engine.dialects.openapi import to_schema
from intertie.sim.engine.embedding import DIMENSIONS, embed
from intertie.sim.engine.reading import Complaint, is_given, read
from intertie.sim.engine.requests import GenerationRequest, PrefillRequest, Tool, ToolChoice, tools_to_call
from intertie.sim.engine.schema import Schema

_THOUGHTS: Final = 24
_STATUSES: Final = MappingProxyType({
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
})  # fmt: skip
_WRONG_KEY: Final = ({
    "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
},)  # fmt: skip
_capital = re.compile(r"(?<=[a-z])[A-Z]")


class _Embed(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    model: str
    content: told.Content
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1)] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    requests: Annotated[list[_Embed], Meta(min_length=1, max_length=100)]


_body = msgspec.json.Decoder(told.Body, strict=False)
_batch = msgspec.json.Decoder(_Batch)
_encode = msgspec.json.Encoder().encode


class GeminiSpeech:
    """See `Speech`."""

    garbage = b'data: {"candidates": [{"content": {"par\r\n\r\n'
    stream_type = b"text/event-stream"

    def __init__(self, *, vertex: bool) -> None:
        self._vertex = vertex

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """`{"error": {code, message, status}}`; a wrong key is an invalid argument to the Gemini API."""
        if fault.status == 401 and not self._vertex:
            return Refusal(400, b"", _encode({"error": {**_error(fault, 400), "details": _WRONG_KEY}}))
        return Refusal(fault.status, b"", _encode({"error": _error(fault, fault.status)}))

    def broke(self, fault: Fault) -> bytes:
        """The error in place of an answer."""
        return b"data: %b\r\n\r\n" % _encode({"error": _error(fault, fault.status)})

    def complaint(self, complaint: Complaint) -> Fault:
        """As the JSON parser of Google's APIs says it."""
        *path, name = complaint.path or ("",)
        place = _snaked("".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip("."))
        if complaint.kind == "unknown":
            at = f" at '{place}'" if place else ""
            return InvalidRequest(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
        if complaint.kind == "json":
            return InvalidRequest(f"Invalid JSON payload received. {complaint.text}")
        return InvalidRequest(f"Invalid value at '{_snaked(complaint.bracketed)}': {complaint.text}")

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A header of its own or a parameter; on Vertex AI an access token."""
        bearer = asked.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        own = asked.headers.get(b"x-goog-api-key", asked.query.get("key", "").encode())
        return hmac.compare_digest(bearer if self._vertex else own, key.encode())


GEMINI: Final = GeminiSpeech(vertex=False)
VERTEX: Final = GeminiSpeech(vertex=True)


def read_content(asked: Asked, *, stream: bool, vertex: bool = False) -> Job:
    """A call of `generateContent` or `streamGenerateContent`. Raises Complaint, InvalidRequest."""
    body, model = read(_body, asked.body), asked.path["model"]
    if stream and asked.query.get("alt") != "sse":
        _refuse("The simulated engine streams with alt=sse alone.")
    config, signs = body.generation_config, not model.startswith(("gemini-1", "gemini-2"))
    thinking = config.thinking_config or told.ThinkingConfig()
    if thinking.thinking_budget is not None and thinking.thinking_level is not None:
        _refuse("You can only set only one of thinking budget and thinking level.")
    seen = render(body, vertex=vertex, signs=signs)
    request = GenerationRequest(
        operation="chat",
        model=model,
        stream=stream,
        choices=config.candidate_count,
        max_tokens=config.max_output_tokens,
        seed=config.seed,
        stop=tuple(config.stop_sequences),
        schema=_schema(config),
        tools=_called(body, seen.spoken),
        logprobs=(config.logprobs or 0) if config.response_logprobs else None,
        thoughts=_THOUGHTS if _thinks(thinking) else 0,
        field="contents",
        tier=body.service_tier if body.service_tier in ("flex", "priority") else "",
        **seen.asked(),
    )
    return TextJob(request, _make(request, GeminiWishes(thinking.include_thoughts, signs, vertex)))


def read_embeddings(asked: Asked) -> Job:
    """A call of `batchEmbedContents`. Raises Complaint, InvalidRequest."""
    body, model = read(_batch, asked.body), asked.path["model"]
    for place, one in enumerate(body.requests):
        if one.model != f"models/{model}":
            _refuse(f"* BatchEmbedContentsRequest.requests[{place}].model: unexpected model name format\n")
    texts = ["".join(part.text or "" for part in one.content.parts) for one in body.requests]

    def answer(tokens: int) -> tuple[bytes, bytes]:
        sizes = [one.output_dimensionality or DIMENSIONS for one in body.requests]
        vectors = [{"values": embed(text.encode(), size)} for text, size in zip(texts, sizes, strict=True)]
        usage = {"promptTokenCount": tokens, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
        return b"application/json; charset=UTF-8", _encode({"embeddings": vectors, "usageMetadata": usage})

    inputs = tuple(text.encode() for text in texts)
    return PrefillJob(PrefillRequest(model, inputs, texts[-1], "requests"), answer)


read_whole: Final = partial(read_content, stream=False)
read_stream: Final = partial(read_content, stream=True)
read_vertex: Final = partial(read_content, stream=False, vertex=True)
read_vertex_stream: Final = partial(read_content, stream=True, vertex=True)


def _make(request: GenerationRequest, wishes: GeminiWishes) -> Callable[[str, int], GeminiForm]:
    return lambda name, created: GeminiForm(request, name, wishes)


def _thinks(thinking: told.ThinkingConfig) -> bool:
    """The real ones think where nobody forbids it; this one thinks where it is asked to."""
    return bool(thinking.include_thoughts or thinking.thinking_budget or thinking.thinking_level)


def _schema(config: told.GenerationConfig) -> Schema | None:
    given = is_given(config.response_schema)
    if given and config.response_json_schema is not None:
        _refuse("Only one of response_schema and response_json_schema can be set.")
    if config.response_mime_type == "text/plain":
        if given or config.response_json_schema is not None:
            _refuse("Response schema is only supported with response mime type: 'application/json', "
                    "'text/x.enum'.")  # fmt: skip
        return None
    if given:
        return to_schema(config.response_schema, ("generation_config", "response_schema"))
    return config.response_json_schema or Schema(type="object")


def _called(body: told.Body, spoken: str) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for one in (one for tool in body.tools for one in tool.function_declarations):
        schema = one.parameters_json_schema or one.spelled_as_proto
        if is_given(one.parameters):
            if schema is not None:
                _refuse(f"Only one of parameters and parameters_json_schema can be set for '{one.name}'.")
            schema = to_schema(one.parameters, ("tools", "function_declarations", "parameters"))
        tools.append(Tool(one.name, schema))
    config = body.tool_config.function_calling_config if body.tool_config is not None else None
    if config is None:
        return tools_to_call(tools, ToolChoice(), spoken)
    only = tuple(config.allowed_function_names)
    if only and config.mode not in ("ANY", "VALIDATED"):
        _refuse("Allowed function names can only be set when the mode is ANY or VALIDATED.")
    if missing := set(only) - {tool.name for tool in tools}:
        _refuse(f"The allowed function name '{missing.pop()}' is not among the declared functions.")
    modes: dict[str, Literal["required", "none"]] = {"ANY": "required", "NONE": "none"}
    return tools_to_call(tools, ToolChoice(modes.get(config.mode, "auto"), only), spoken)


def _error(fault: Fault, status: int) -> dict[str, object]:
    return {"code": status, "message": fault.message, "status": _STATUSES.get(status, "UNKNOWN")}


def _snaked(text: str) -> str:
    return _capital.sub(lambda found: f"_{found[0].lower()}", text)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
