"""What a request asks of the engine, read from its bytes; each complaint names the field.

Prompts become bytes: chat messages are rendered with a plain template, token ids take four bytes each, so that one rule
(four bytes a token) counts and hashes them all.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import read_fields, refuse
from intertie.sim.engine.schema import Schema
from intertie.sim.engine.text import BYTES_PER_TOKEN

MEDIA_TOKENS = 340  # what an image, a sound or a file counts as

_Positive = Annotated[int, Meta(ge=1)]
_Choices = Annotated[int, Meta(ge=1, le=128)]
_TokenId = Annotated[int, Meta(ge=0, lt=2**32)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_ABSENT = Raw()


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    name: str
    parameters: Schema | None = None


class GenerationRequest(msgspec.Struct, frozen=True):
    """One request for text. `prompts` are rendered, `choices` answers are wanted for each.

    `exact_tokens` is a length that was asked for, `max_tokens` a limit; `schema` constrains the answer; `tools` are
    those to be called, in this order. `logprobs` is None, or how many alternatives are told per token.
    """

    operation: Literal["chat", "completions"]
    model: str
    prompts: tuple[bytes, ...]
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    max_tokens: int | None = None
    exact_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: Schema | None = None
    tools: tuple[Tool, ...] = ()
    logprobs: int | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """One request for vectors, one per input; `base64` packs them as little-endian 32-bit floats."""

    model: str
    inputs: tuple[bytes, ...]
    dimensions: int | None = None
    base64: bool = False


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class _Sim(msgspec.Struct):
    output_tokens: _Positive | None = None


class _Shared(msgspec.Struct):
    """What both text operations take. Sampling parameters are checked and otherwise without effect."""

    model: str
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: _Positive | None = None
    n: _Choices | None = 1
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    ignore_eos: bool = False
    intertie_sim: _Sim | None = None


class _Function(msgspec.Struct):
    name: str
    parameters: Schema | None = None
    description: str | None = None


class _Tool(msgspec.Struct):
    function: _Function
    type: Literal["function"] = "function"


class _Name(msgspec.Struct):
    name: str


class _NamedTool(msgspec.Struct):
    function: _Name


class _JsonSchema(msgspec.Struct):
    name: str
    schema: Schema = Schema()


class _ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: _JsonSchema | None = None


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: Raw = _ABSENT
    input_audio: Raw = _ABSENT
    file: Raw = _ABSENT


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: Raw = _ABSENT


class _Chat(_Shared, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_completion_tokens: _Positive | None = None
    response_format: _ResponseFormat | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedTool | None = None
    parallel_tool_calls: bool | None = True
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class _Completion(_Shared, kw_only=True):
    prompt: str | list[str | _TokenId | list[_TokenId]]
    echo: bool | None = False
    suffix: str | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None


class _Embedding(msgspec.Struct):
    model: str
    input: str | list[str | _TokenId | list[_TokenId]]
    dimensions: _Positive | None = None
    encoding_format: Literal["float", "base64"] = "float"


_chat = msgspec.json.Decoder(_Chat).decode
_completion = msgspec.json.Decoder(_Completion).decode
_embedding = msgspec.json.Decoder(_Embedding).decode
_encode = msgspec.json.Encoder().encode

T = TypeVar("T")


def parse_chat(body: bytes) -> GenerationRequest:
    """Understand a chat request. Raises InvalidRequest, naming the field."""
    asked = _decode(_chat, body)
    constraint = asked.response_format
    if constraint is not None and constraint.type == "json_schema" and constraint.json_schema is None:
        _refuse("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
    return GenerationRequest(
        operation="chat",
        prompts=(_render(asked),),
        max_tokens=asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens,
        schema=_constraint(constraint),
        tools=_tools_to_call(asked),
        logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
        **_shared(asked),
    )


def parse_completion(body: bytes) -> GenerationRequest:
    """Understand a completion request. Raises InvalidRequest, naming the field."""
    asked = _decode(_completion, body)
    if asked.echo or asked.suffix:
        name = "echo" if asked.echo else "suffix"
        _refuse(name, f"The simulated engine does not support '{name}'.", "unsupported_parameter")
    return GenerationRequest(
        operation="completions",
        prompts=_prompts("prompt", asked.prompt),
        max_tokens=asked.max_tokens,
        logprobs=asked.logprobs,
        **_shared(asked),
    )


def parse_embedding(body: bytes) -> EmbeddingRequest:
    """Understand a request for embeddings. Raises InvalidRequest, naming the field."""
    asked = _decode(_embedding, body)
    return EmbeddingRequest(
        model=asked.model,
        inputs=_prompts("input", asked.input),
        dimensions=asked.dimensions,
        base64=asked.encoding_format == "base64",
    )


def _decode(decoder: Callable[[bytes], T], body: bytes) -> T:
    _, canonical = read_fields(body)
    try:
        return decoder(canonical)
    except msgspec.DecodeError as error:
        refuse(error)


def _refuse(field: str, message: str, code: str = "invalid_value") -> NoReturn:
    raise InvalidRequest(message, code=code, param=field)


def _shared(asked: _Shared) -> dict[str, Any]:
    """The fields that both text operations share, as the request's own."""
    exact = asked.intertie_sim.output_tokens if asked.intertie_sim is not None else None
    return {
        "model": asked.model,
        "stream": bool(asked.stream),
        "include_usage": asked.stream_options is not None and bool(asked.stream_options.include_usage),
        "choices": asked.n or 1,
        "exact_tokens": exact or (2**31 if asked.ignore_eos else None),
        "seed": asked.seed,
        "stop": (asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
    }


def _prompts(field: str, given: str | list[str | int | list[int]]) -> tuple[bytes, ...]:
    """A prompt is a text or a list of token ids; several of one kind may be given."""
    if isinstance(given, str):
        return (given.encode(),)
    texts = tuple(each.encode() for each in given if isinstance(each, str))
    tokens = [each for each in given if isinstance(each, int)]
    lists = tuple(_token_bytes(each) for each in given if isinstance(each, list))
    if not given or len(given) not in (len(texts), len(tokens), len(lists)):
        _refuse(field, f"'{field}' must hold texts or token ids, all of one kind.", "invalid_type")
    return texts or lists or (_token_bytes(tokens),)


def _token_bytes(tokens: list[int]) -> bytes:
    return b"".join(token.to_bytes(BYTES_PER_TOKEN, "little") for token in tokens)


def _render(asked: _Chat) -> bytes:
    """The prompt as the model sees it: tools first, then each message behind its role."""
    rendered = [_encode(tool) for tool in asked.tools or ()]
    for message in asked.messages:
        rendered += (f"<{message.role}>".encode(), _content(message), bytes(message.tool_calls), b"\n")
    return b"".join(rendered)


def _content(message: _Message) -> bytes:
    if isinstance(message.content, str):
        return message.content.encode()
    return b"".join(part.text.encode() if part.type == "text" else _media(part) for part in message.content or ())


def _media(part: _Part) -> bytes:
    """A stand-in of fixed size for what is no text; equal media, equal bytes."""
    seen = b"".join(bytes(each) for each in (part.image_url, part.input_audio, part.file))
    mark = blake2b(seen, digest_size=20).hexdigest().encode()
    size = MEDIA_TOKENS * BYTES_PER_TOKEN
    return (mark * (size // len(mark) + 1))[:size]


def _constraint(wanted: _ResponseFormat | None) -> Schema | None:
    if wanted is None or wanted.type == "text":
        return None
    return wanted.json_schema.schema if wanted.json_schema is not None else Schema(type="object")


def _tools_to_call(asked: _Chat) -> tuple[Tool, ...]:
    """Which tools the model calls: the named one, the first if one is required, else those the user speaks of."""
    tools = [Tool(tool.function.name, tool.function.parameters) for tool in asked.tools or ()]
    choice = asked.tool_choice
    if isinstance(choice, _NamedTool):
        named = [tool for tool in tools if tool.name == choice.function.name]
        if not named:
            _refuse("tool_choice", f"The tool '{choice.function.name}' is not among 'tools'.")
        return tuple(named)
    last = asked.messages[-1]
    spoken_of = [tool for tool in tools if last.role == "user" and tool.name.encode() in _content(last)]
    if choice == "required":
        if not tools:
            _refuse("tool_choice", "'tool_choice' is only allowed with 'tools'.")
        spoken_of = spoken_of or tools[:1]
    if choice == "none":
        return ()
    return tuple(spoken_of if asked.parallel_tool_calls is not False else spoken_of[:1])
