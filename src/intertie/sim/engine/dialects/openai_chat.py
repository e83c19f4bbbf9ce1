"""Reads chat completions, completions and embeddings, as vLLM takes them and as Azure does, who is stricter.

Sources: the types of OpenAI's SDK (`openai.types.chat.completion_create_params`), error texts as users report them.
Where a rule is Azure's and OpenAI's but not vLLM's (unknown fields), it holds on Azure's paths alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import NotFound
from intertie.sim.engine.conversation import Conversation
from intertie.sim.engine.dialect import Asked, Job, PrefillJob, TextJob
from intertie.sim.engine.dialects.openai import refuse
from intertie.sim.engine.dialects.openai_chat_form import ChatForm
from intertie.sim.engine.dialects.strict import check_strict
from intertie.sim.engine.embedding import DIMENSIONS, embed, packed
from intertie.sim.engine.media import decoded, from_data_url, is_what_it_says
from intertie.sim.engine.reading import read
from intertie.sim.engine.requests import GenerationRequest, PrefillRequest, Tool, ToolChoice, tools_to_call
from intertie.sim.engine.schema import Schema
from intertie.sim.engine.text import BYTES_PER_TOKEN

_THOUGHTS: Final = 24
_KNOWN: Final = frozenset((
    "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store",
    "stream", "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
    "web_search_options",
))  # fmt: skip
"""Every parameter of OpenAI's SDK."""

_Positive = Annotated[int, Meta(ge=1)]
_Choices = Annotated[int, Meta(ge=1, le=128)]
_TokenId = Annotated[int, Meta(ge=0, lt=2**32)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_ABSENT = Raw()


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
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    parameters: Schema | None = None
    description: str | None = None
    strict: bool | None = None


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
    strict: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: _JsonSchema | None = None


class _ImageUrl(msgspec.Struct):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class _Part(msgspec.Struct):
    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str = ""
    refusal: str = ""
    image_url: _ImageUrl | None = None
    input_audio: Raw = _ABSENT
    file: Raw = _ABSENT


class _Called(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    id: str
    function: _Called
    type: Literal["function"] = "function"


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""


class _Chat(_Shared, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_completion_tokens: _Positive | None = None
    response_format: _ResponseFormat | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedTool | None = None
    parallel_tool_calls: bool | None = True
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None


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


_fields = msgspec.json.Decoder(dict[str, Raw])
_chat = msgspec.json.Decoder(_Chat)
_completion = msgspec.json.Decoder(_Completion)
_embedding = msgspec.json.Decoder(_Embedding)
_encode = msgspec.json.Encoder().encode


def read_chat(asked: Asked) -> Job:
    """A chat, as an engine of one's own takes it."""
    return _job(read(_chat, asked.body), tells_thoughts=True)


def read_azure_chat(asked: Asked) -> Job:
    """A chat, as Azure takes it: on the older paths the deployment is named there, and the version is asked for."""
    fields = read(_fields, asked.body)
    if "deployment" in asked.path:
        if "api-version" not in asked.query:
            raise NotFound("Resource not found")
        fields["model"] = Raw(_encode(asked.path["deployment"]))
    for name in fields:
        if name not in _KNOWN:
            refuse(name, f"Unrecognized request argument supplied: {name}", "unknown_parameter")
    return _job(read(_chat, _encode(fields)), tells_thoughts=False)


def _job(body: _Chat, *, tells_thoughts: bool) -> Job:
    """Raises InvalidRequest, naming the field."""
    constraint = body.response_format
    if constraint is not None and constraint.type == "json_schema" and constraint.json_schema is None:
        refuse("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
    thinks = body.reasoning_effort not in (None, "none")
    told = _rendered(body).asked()
    request = GenerationRequest(
        operation="chat",
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        schema=_constraint(constraint),
        tools=_called(body, told["spoken"]),
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        thoughts=_THOUGHTS if thinks else 0,
        tier=_tier(body.service_tier),
        **_shared(body) | told,
    )
    return TextJob(request, _form(request, body, tells_thoughts=tells_thoughts))


def read_completion(asked: Asked) -> Job:
    """A completion. Raises InvalidRequest, naming the field."""
    body = read(_completion, asked.body)
    if body.echo or body.suffix:
        name = "echo" if body.echo else "suffix"
        refuse(name, f"The simulated engine does not support '{name}'.", "unsupported_parameter")
    request = GenerationRequest(
        operation="completions",
        prompts=_prompts("prompt", body.prompt),
        max_tokens=body.max_tokens,
        logprobs=body.logprobs,
        field="prompt",
        **_shared(body),
    )
    return TextJob(request, _form(request, body, tells_thoughts=False))


def read_embedding(asked: Asked) -> Job:
    """Embeddings. Raises InvalidRequest, naming the field."""
    body = read(_embedding, asked.body)
    inputs = _prompts("input", body.input)

    def render(tokens: int) -> tuple[bytes, bytes]:
        vectors = [embed(text, body.dimensions or DIMENSIONS) for text in inputs]
        data = [
            {"object": "embedding", "index": at, "embedding": packed(one) if body.encoding_format == "base64" else one}
            for at, one in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        told = {"object": "list", "data": data, "model": body.model, "usage": usage}
        return b"application/json", _encode(told)

    return PrefillJob(PrefillRequest(body.model, inputs, inputs[-1].decode(errors="replace")), render)


def _form(request: GenerationRequest, body: _Shared, *, tells_thoughts: bool) -> Callable[[str, int], ChatForm]:
    usage = body.stream_options is not None and bool(body.stream_options.include_usage)

    def form(name: str, created: int) -> ChatForm:
        return ChatForm(request, (name, created), usage, tells_thoughts)

    return form


def _shared(body: _Shared) -> dict[str, Any]:
    """The fields that both text operations share, as the request's own."""
    exact = body.intertie_sim.output_tokens if body.intertie_sim is not None else None
    return {
        "model": body.model,
        "stream": bool(body.stream),
        "choices": body.n or 1,
        "exact_tokens": exact or (2**31 if body.ignore_eos else None),
        "seed": body.seed,
        "stop": (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
    }


def _tier(asked: str | None) -> str:
    """The tier it is served in: what was asked for, where nothing was the standard one; the engine is never full."""
    return "" if asked is None else "default" if asked == "auto" else asked


def _prompts(field: str, given: str | list[str | int | list[int]]) -> tuple[bytes, ...]:
    """A prompt is a text or a list of token ids; several of one kind may be given."""
    if isinstance(given, str):
        return (given.encode(),)
    texts = tuple(each.encode() for each in given if isinstance(each, str))
    tokens = [each for each in given if isinstance(each, int)]
    lists = tuple(_token_bytes(each) for each in given if isinstance(each, list))
    if not given or len(given) not in (len(texts), len(tokens), len(lists)):
        refuse(field, f"'{field}' must hold texts or token ids, all of one kind.", "invalid_type")
    return texts or lists or (_token_bytes(tokens),)


def _token_bytes(tokens: list[int]) -> bytes:
    return b"".join(token.to_bytes(BYTES_PER_TOKEN, "little") for token in tokens)


def _rendered(body: _Chat) -> Conversation:
    """The prompt as the model sees it; results of tools must answer calls, and calls be answered."""
    seen = Conversation(b"".join(_encode(tool) for tool in body.tools or ()))
    waiting: dict[str, None] = {}
    for place, message in enumerate(body.messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                refuse(f"messages.[{place}].role", "Invalid parameter: messages with role 'tool' must be a response "
                       "to a preceeding message with 'tool_calls'.")  # fmt: skip
            del waiting[message.tool_call_id]
        elif waiting:
            _refuse_unanswered(place, waiting)
        seen.turn(message.role)
        _show(seen, message, place)
        if message.role == "assistant":
            waiting = dict.fromkeys(call.id for call in message.tool_calls or ())
            seen.put(_encode(message.tool_calls or ()))
    if waiting:
        _refuse_unanswered(len(body.messages), waiting)
    return seen


def _refuse_unanswered(place: int, waiting: dict[str, None]) -> None:
    refuse(f"messages.[{place}].role", "An assistant message with 'tool_calls' must be followed by tool messages "
           "responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
           f"{', '.join(waiting)}")  # fmt: skip


def _show(seen: Conversation, message: _Message, place: int) -> None:
    if isinstance(message.content, str):
        seen.say(message.content)
        return
    for at, part in enumerate(message.content or ()):
        if part.type in ("text", "refusal"):
            seen.say(part.text or part.refusal)
        elif part.type == "image_url":
            field = f"messages[{place}].content[{at}].image_url"
            if message.role != "user" or part.image_url is None:
                refuse(field, f"Invalid '{field}': only users show pictures, and by URL.")
            seen.show(picture(part.image_url.url, field))
        else:
            seen.show(bytes(part.input_audio or part.file), image=False)


def picture(url: str, field: str) -> bytes:
    """The bytes of a picture, or its address. Raises InvalidRequest for what is none."""
    if url.startswith(("http://", "https://")):
        return url.encode()
    told = from_data_url(url)
    data = decoded(told[1]) if told is not None else None
    if told is None or data is None:
        refuse(field, "Invalid image_url: expected a base64-encoded data URL with an image MIME type.")
    if not is_what_it_says(told[0], data) or not told[0].startswith("image/"):
        refuse(field, f"You uploaded an unsupported image. The bytes are no {told[0]}.", "invalid_image_format")
    return data


def _constraint(wanted: _ResponseFormat | None) -> Schema | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.json_schema is None:
        return Schema(type="object")
    if wanted.json_schema.strict:
        say = partial(refuse, "response_format", code="invalid_json_schema")
        check_strict(wanted.json_schema.schema, f"response_format '{wanted.json_schema.name}'", say)
    return wanted.json_schema.schema


def _called(body: _Chat, spoken: str) -> tuple[Tool, ...]:
    tools = [Tool(tool.function.name, tool.function.parameters) for tool in body.tools or ()]
    for tool in body.tools or ():
        if tool.function.strict and tool.function.parameters is not None:
            say = partial(refuse, "tools", code="invalid_function_parameters")
            check_strict(tool.function.parameters, f"function '{tool.function.name}'", say)
    choice, parallel = body.tool_choice, body.parallel_tool_calls is not False
    if isinstance(choice, _NamedTool):
        name = choice.function.name
        if name not in (tool.name for tool in tools):
            refuse("tool_choice", f"The tool '{name}' is not among 'tools'.")
        return tools_to_call(tools, ToolChoice("required", (name,), parallel), spoken)
    if choice == "required" and not tools:
        refuse("tool_choice", "'tool_choice' is only allowed with 'tools'.")
    return tools_to_call(tools, ToolChoice(choice or "auto", (), parallel), spoken)
