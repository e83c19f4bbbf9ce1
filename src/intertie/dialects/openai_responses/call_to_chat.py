"""Reads a call into a chat.

What has no place in a chat goes into its `extras`, by the name or place that the caller gave it (`conversation`,
`input[3]`, `tools[0].async`). Left out without a word is what changes no answer: cache options, `stream_options`
(padding against eavesdroppers), `client_metadata` (who asks), `max_tool_calls` (it counts hosted tools alone, which are
named by themselves), what `include` asks of hosted tools, and sealed reasoning, which is given whenever there is some.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.chat import Chat, Form, Sampling, Text, Thinking, ToolChoice, Turn
from intertie.dialects.json_body import refuse
from intertie.dialects.openai_responses.input_to_turns import Transcript
from intertie.dialects.openai_responses.items import Id
from intertie.dialects.openai_responses.tools_to_chat import Tools, read_choice, read_tools, schema_of

_ABSENT: Final = msgspec.Raw()

Includable: TypeAlias = Literal[
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    "reasoning.encrypted_content", "message.output_text.logprobs",
]  # fmt: skip


class _PlainText(msgspec.Struct, tag="text"):
    pass


class _AnyJson(msgspec.Struct, tag="json_object"):
    pass


class _Schema(msgspec.Struct, tag="json_schema"):
    name: Id
    schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _PlainText | _AnyJson | _Schema | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    mode: str | None = None
    context: str | None = None


class _CacheOptions(msgspec.Struct):
    prewarm: bool = False


class _Body(msgspec.Struct):
    """The fields that a chat has a place for, or that change nothing."""

    model: str
    input: msgspec.Raw = _ABSENT
    instructions: str | None = None
    stream: bool | None = False
    stream_options: dict[str, msgspec.Raw] | None = None
    tools: msgspec.Raw = _ABSENT
    tool_choice: msgspec.Raw = _ABSENT
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    include: list[Includable] | None = None
    max_output_tokens: int | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    client_metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: _CacheOptions | None = None
    prompt_cache_retention: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: Id | None = None
    conversation: msgspec.Raw = _ABSENT
    truncation: Literal["auto", "disabled"] | None = None
    intertie: msgspec.Raw = _ABSENT
    provider: msgspec.Raw = _ABSENT


_body = msgspec.json.Decoder(_Body)
_PLACED: Final = frozenset(field.encode_name for field in msgspec.structs.fields(_Body)) - {"conversation"}
_SPELLING: Final = {
    "turns": "input", "system": "instructions", "form": "text.format", "verbosity": "text.verbosity",
    "thinking": "reasoning", "max_output": "max_output_tokens", "parallel_tools": "parallel_tool_calls",
    "tier": "service_tier", "cache_key": "prompt_cache_key", "state": "previous_response_id", "logprobs": "include",
}  # fmt: skip
_TRUE: Final = msgspec.Raw(b"true")


def call_to_chat(call: Call) -> Chat:
    """The call in the words that all dialects share. Raises InvalidRequest, naming the field that is wrong."""
    try:
        body = _body.decode(call.body)
    except msgspec.DecodeError as error:
        refuse(error)
    extras = _extras(body, call.fields)
    turns, tools, choice = _turns(body, extras), *_tools(body, extras)
    return Chat(
        model=body.model,
        turns=turns,
        origin="openai_responses",
        tools=tools,
        tool_choice=choice,
        parallel_tools=body.parallel_tool_calls,
        form=_form(body.text),
        thinking=_thinking(body.reasoning),
        sampling=_sampling(body),
        max_output=body.max_output_tokens,
        stream=bool(body.stream),
        tier=body.service_tier or "",
        user=body.safety_identifier or body.user or "",
        cache_key=body.prompt_cache_key or "",
        metadata=body.metadata,
        store=body.store,
        verbosity=(body.text and body.text.verbosity) or "",
        state=body.previous_response_id or "",
        extras=extras,
        spelling=_SPELLING | {"user": "safety_identifier" if body.safety_identifier else "user"},
    )


def _turns(body: _Body, extras: Fields) -> tuple[Turn, ...]:
    """Instructions and input; items that only this dialect can say go into `extras`."""
    transcript = Transcript(continued=body.previous_response_id is not None or "conversation" in extras)
    if _given(body.input):
        transcript.read(body.input)
    extras |= transcript.own
    system = (Turn("system", (Text(body.instructions),)),) if body.instructions else ()
    return system + transcript.turns()


def _tools(body: _Body, extras: Fields) -> tuple[Tools, ToolChoice | None]:
    """The tools that are left to the choice; what only this dialect can say of either goes into `extras`."""
    tools: Tools = ()
    choice: ToolChoice | None = None
    if _given(body.tools):
        tools, own = read_tools(body.tools)
        extras |= own
    if _given(body.tool_choice):
        choice, tools = read_choice(body.tool_choice, tools)
        if choice is None:
            extras["tool_choice"] = body.tool_choice
    return tools, choice


def _given(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")


def _extras(body: _Body, fields: Fields) -> Fields:
    extras = {name: raw for name, raw in fields.items() if name not in _PLACED and bytes(raw) != b"null"}
    if body.background:
        extras["background"] = _TRUE
    if body.truncation == "auto":
        extras["truncation"] = fields["truncation"]
    if body.prompt_cache_options and body.prompt_cache_options.prewarm:
        extras["prompt_cache_options.prewarm"] = _TRUE
    reasoning = body.reasoning or _Reasoning()
    if reasoning.mode not in (None, "standard"):
        extras["reasoning.mode"] = msgspec.Raw(msgspec.json.encode(reasoning.mode))
    if reasoning.context not in (None, "auto"):
        extras["reasoning.context"] = msgspec.Raw(msgspec.json.encode(reasoning.context))
    return extras


def _form(text: _Text | None) -> Form | None:
    told = text.format if text else None
    if isinstance(told, _Schema):
        schema = schema_of(told.schema, "text.format.schema")
        return Form(
            kind="schema", name=told.name, description=told.description or "", schema=schema, strict=told.strict
        )
    return Form(kind="json") if isinstance(told, _AnyJson) else None


def _thinking(told: _Reasoning | None) -> Thinking | None:
    if told is None:
        return None
    summary = told.summary or told.generate_summary
    return Thinking(effort=told.effort or "", summary=summary or "") if told.effort or summary else None


def _sampling(body: _Body) -> Sampling:
    """Probabilities are told where `include` asks for them; how many alone asks for nothing."""
    logprobs = "message.output_text.logprobs" in (body.include or ())
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=logprobs,
        top_logprobs=body.top_logprobs if logprobs else None,
    )
