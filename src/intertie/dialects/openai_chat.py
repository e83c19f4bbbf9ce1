"""OpenAI's chat completions, completions and embeddings, as every OpenAI-compatible engine speaks them.

Reads the few fields that decide where a request goes and what it may cost; finds usage in answers and streams; draws
errors, as whole answers and as events of a stream that has begun.
"""

from hashlib import blake2b
from typing import Annotated

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Operation
from intertie.core.faults import Fault, InvalidRequest
from intertie.core.usage import Usage
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields

PATHS: dict[Operation, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
}

_BYTES_PER_TOKEN = 4  # the field's rule of thumb for English; the upstream's count settles the bill
_AFFINITY_BYTES = 256  # what conversations share at their beginning, as much as SGLang's prefix_hash takes
_MAX_CHOICES = 128
_LONGEST_NAME = 256
_MOST_TOKENS = 1 << 28  # beyond any engine: who says more, caller or endpoint, is not believed


_ABSENT = msgspec.Raw()


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class _Peek(msgspec.Struct):
    """The fields that decide; everything else is left alone."""

    model: str
    messages: msgspec.Raw = _ABSENT
    prompt: msgspec.Raw = _ABSENT
    input: msgspec.Raw = _ABSENT
    stream: bool | None = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = 1
    best_of: int | None = None
    stream_options: _StreamOptions | None = None
    prompt_cache_key: str | None = None
    intertie: Ask | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = 0
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Glance(msgspec.Struct):
    """What is looked for in every answer and every chunk; the rest is only checked to be JSON."""

    usage: _Usage | None = None
    error: object = None


class _Chunk(_Glance):
    choices: list[msgspec.Raw] | None = None


class _Code(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=400, le=599)]


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What an answer or one stream event told: usage, whether it is nothing but the usage chunk, and an error.

    `error` is the error as a body of its own (`{"error": …}`), `status` what its numeric code stands for, else 502.
    """

    usage: Usage | None = None
    only_usage: bool = False
    error: bytes = b""
    status: int = 502


_peek = msgspec.json.Decoder(_Peek).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_glance = msgspec.json.Decoder(_Glance).decode
_chunk = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode
_CONTENT: dict[Operation, str] = {"chat": "messages", "completions": "prompt", "embeddings": "input"}
_OPENERS = {"messages": b"[", "prompt": b'["', "input": b'["'}
_TRUE = msgspec.Raw(b"true")
_DECIDING = frozenset(field.encode_name for field in msgspec.structs.fields(_Peek))


def parse(operation: Operation, body: bytes) -> Call:
    """Understand a request body. Raises InvalidRequest, naming the field."""
    fields, canonical = read_fields(body)
    refuse_variants(fields, _DECIDING)
    try:
        peek = _peek(canonical)
    except msgspec.DecodeError as error:
        refuse(error)
    content = _content(operation, peek)
    if len(peek.model) > _LONGEST_NAME:
        message = f"'model' has at most {_LONGEST_NAME} characters."
        raise InvalidRequest(message, code="invalid_value", param="model")
    if peek.stream and operation == "embeddings":
        raise InvalidRequest("Embeddings cannot be streamed.", code="unsupported_parameter", param="stream")
    return Call(
        operation=operation,
        model=peek.model,
        body=canonical,
        fields=fields,
        stream=bool(peek.stream),
        wants_usage=peek.stream_options is not None and bool(peek.stream_options.include_usage),
        prompt_tokens=len(canonical) // _BYTES_PER_TOKEN + 1,
        max_output=0 if operation == "embeddings" else _max_output(peek),
        choices=_choices(peek) * (_prompts(content) if operation == "completions" else 1),
        affinity=_affinity(peek.prompt_cache_key, content),
        ask=peek.intertie or NO_ASK,
    )


def _content(operation: Operation, peek: _Peek) -> bytes:
    name = _CONTENT[operation]
    raw = peek.messages if operation == "chat" else peek.prompt if operation == "completions" else peek.input
    content = bytes(raw)
    if operation == "completions" and content in (b"", b"null"):
        return b""  # a completion may begin from nothing
    if not content:
        raise InvalidRequest(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if content[:1] not in _OPENERS[name]:
        expected = "an array" if name == "messages" else "a string or an array"
        raise InvalidRequest(f"Invalid type for '{name}': expected {expected}.", code="invalid_type", param=name)
    return content


def _choices(peek: _Peek) -> int:
    """How many answers the engine makes for a prompt: `best_of` are generated and charged where `n` are told."""
    n = 1 if peek.n is None else peek.n
    most = n if peek.best_of is None else max(n, peek.best_of)
    if n < 1 or most > _MAX_CHOICES:
        name = "n" if n < 1 or n == most else "best_of"
        raise InvalidRequest(f"'{name}' must lie between 1 and {_MAX_CHOICES}.", code="invalid_value", param=name)
    return most


def _prompts(content: bytes) -> int:
    """How many prompts a completion has: each text and each list of token ids is answered by itself."""
    if content[:1] != b"[" or content[1:32].lstrip()[:1] not in b'"[':
        return 1  # one text, or the token ids of one
    return max(1, len(_list(content)))


def _affinity(cache_key: str | None, content: bytes) -> bytes:
    shared = cache_key.encode() if cache_key else content[:_AFFINITY_BYTES]
    return blake2b(shared, digest_size=8).digest() if shared else b""


def _max_output(peek: _Peek) -> int | None:
    """The larger of both limits: which of them an engine obeys is its own affair."""
    asked = {"max_tokens": peek.max_tokens, "max_completion_tokens": peek.max_completion_tokens}
    for name, limit in asked.items():
        if limit is not None and not 1 <= limit <= _MOST_TOKENS:
            raise InvalidRequest(f"'{name}' must lie between 1 and {_MOST_TOKENS}.", code="invalid_value", param=name)
    return max((limit for limit in asked.values() if limit is not None), default=None)


def body_for(call: Call, model: str, bound_output: int | None) -> bytes:
    """The body an endpoint gets: its own name for the model, usage asked for on streams, output bounded if it must be.

    `bound_output` is set when the caller named no limit and a budget pays: what cannot be bounded cannot be paid.
    """
    rename = model != call.model
    ask_usage = call.stream and not call.wants_usage
    if not (rename or ask_usage or bound_output is not None or "intertie" in call.fields):
        return call.body
    fields: Fields = dict(call.fields)
    fields.pop("intertie", None)
    if rename:
        fields["model"] = msgspec.Raw(_encode(model))
    if ask_usage:
        fields["stream_options"] = _with_usage(fields.get("stream_options"))
    if bound_output is not None:
        name = "max_completion_tokens" if call.operation == "chat" else "max_tokens"
        fields[name] = msgspec.Raw(b"%d" % bound_output)
    return write_fields(fields)


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None or bytes(options) == b"null":
        return msgspec.Raw(b'{"include_usage":true}')
    inner, _ = read_fields(bytes(options))
    inner["include_usage"] = _TRUE
    return msgspec.Raw(write_fields(inner))


def read_answer(answer: bytes) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not this dialect."""
    try:
        found = _glance(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if found.error:
        return _error(found.error)
    return Reading(None if found.usage is None else _to_usage(found.usage))


def plain(block: bytes) -> int:
    """How many chunks a block of stream events holds; -1 if it needs a closer look.

    The question asked of nearly every block. Plain is a block of nothing but chunks: no usage, error, end or comment.
    Each is checked to be JSON, which takes no longer than to search it. What follows the last is white space to JSON.
    """
    if not block.startswith(b"data: {"):
        return -1
    chunks = block[6:].split(b"\n\ndata: ") if block.count(b"\n\n") > 1 else (block[6:],)
    try:
        for chunk in chunks:
            found = _glance(chunk)
            if found.usage is not None or found.error is not None:
                return -1
    except (msgspec.DecodeError, RecursionError):
        return -1
    return len(chunks)


def read_event(data: bytes) -> Reading:
    """What the data of one stream event tells. Raises ValueError if it is not this dialect."""
    try:
        chunk = _chunk(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if chunk.error:
        return _error(chunk.error)
    usage = None if chunk.usage is None else _to_usage(chunk.usage)
    return Reading(usage, only_usage=usage is not None and not chunk.choices)


def speaks(data: bytes) -> bool:
    """Whether the chunk carries output: not only a role, and not only the reason why the answer ends."""
    return b'"delta":{"role":"assistant","content":""' not in data and b'"delta":{}' not in data


def _error(error: object) -> Reading:
    """An error that came under status 200; some endpoints put the status they mean into its `code`."""
    try:
        code = msgspec.convert(error, _Code, strict=False).code
    except msgspec.ValidationError:
        code = 502
    return Reading(error=_encode({"error": error}), status=code)


def _to_usage(usage: _Usage) -> Usage:
    prompt, completion = max(0, usage.prompt_tokens or 0), max(0, usage.completion_tokens or 0)
    if prompt > _MOST_TOKENS or completion > _MOST_TOKENS:
        raise ValueError(f"a usage of more than {_MOST_TOKENS} tokens")
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else 0
    return Usage(prompt, completion, min(prompt, max(0, cached or 0)), max(0, reasoning or 0))


def error_body(fault: Fault) -> bytes:
    """A fault in OpenAI's shape, with our stable `code`."""
    error = {"message": fault.message, "type": fault.kind, "param": fault.param, "code": fault.code}
    return _encode({"error": error})


def error_event(fault: Fault) -> bytes:
    """A fault inside a stream that has begun: SDKs raise on a chunk with a top-level `error`."""
    return b"data: " + error_body(fault) + b"\n\n"


def model_list(models: list[tuple[str, str]]) -> bytes:
    """The answer of `GET /models`: (name, owner) pairs."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in models]
    return _encode({"object": "list", "data": data})


def model_card(name: str, owner: str) -> bytes:
    """The answer of `GET /models/{name}`."""
    return _encode({"id": name, "object": "model", "created": 0, "owned_by": owner})
