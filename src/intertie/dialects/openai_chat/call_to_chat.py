"""Reads a call into a chat.

What has no place in a chat stays in its `extras` by name. Left out is what changes nothing in the answer: what steered
the choice (`intertie`, OpenRouter's `provider` and `models`), `stream_options` and `usage` (usage is the gateway's
affair, padding against eavesdroppers the endpoint's), and how long a cache is kept.
Taken beside OpenAI's own fields: `reasoning` as OpenRouter has it, `thinking` as LiteLLM, DeepSeek and Z.ai do, and
`top_k`, which most engines know.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Chat, Form, Hosted, Sampling, Thinking, Tool, ToolChoice
from intertie.dialects.json_body import refuse
from intertie.dialects.openai_chat.messages import Message
from intertie.dialects.openai_chat.messages_to_turns import to_turns
from intertie.dialects.openai_chat.tools_to_chat import (
    ABSENT,
    Chosen,
    FunctionDefinition,
    NamedFunction,
    given,
    no_such_tool,
    read_choice,
    read_tools,
)

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Tokens: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class _Schema(msgspec.Struct):
    name: str
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _TextFormat(msgspec.Struct, tag="text"):
    pass


class _JsonFormat(msgspec.Struct, tag="json_object"):
    pass


class _SchemaFormat(msgspec.Struct, tag="json_schema"):
    json_schema: _Schema


class _Reasoning(msgspec.Struct):
    effort: Effort | None = None
    max_tokens: Tokens | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class _Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Tokens | None = None


class _Body(msgspec.Struct):
    messages: list[Message]
    tools: list[msgspec.Raw] | None = None
    tool_choice: Chosen = None
    functions: list[FunctionDefinition] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: _TextFormat | _JsonFormat | _SchemaFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: _Reasoning | None = None
    thinking: _Thinking | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = 1
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: msgspec.Raw = ABSENT


_body = msgspec.json.Decoder(_Body).decode
_KNOWN = frozenset(_Body.__struct_fields__) | {
    "model", "stream", "stream_options", "usage", "intertie", "provider", "prompt_cache_options",
    "prompt_cache_retention",
}  # fmt: skip
_SPELLING = {
    "turns": "messages",
    "form": "response_format",
    "choices": "n",
    "parallel_tools": "parallel_tool_calls",
    "tier": "service_tier",
    "cache_key": "prompt_cache_key",
    "voice": "audio",
}


def call_to_chat(call: Call) -> Chat:
    """The chat that a call asks for. Raises InvalidRequest, naming the field."""
    try:
        body = _body(call.body)
    except msgspec.DecodeError as error:
        refuse(error)
    tools, choice = _tools(body)
    return Chat(
        model=call.model,
        turns=to_turns(body.messages),
        origin="openai_chat",
        tools=tools,
        tool_choice=choice,
        parallel_tools=False if body.functions else body.parallel_tool_calls,
        form=_form(body.response_format),
        thinking=_thinking(body),
        sampling=_sampling(body, call),
        max_output=call.max_output,
        choices=body.n or 1,
        stream=call.stream,
        tier=body.service_tier or "",
        user=body.safety_identifier or body.user or "",
        cache_key=body.prompt_cache_key or "",
        metadata=body.metadata,
        store=body.store,
        verbosity=body.verbosity or "",
        modalities=tuple(body.modalities or ()),
        voice=given(body.audio),
        extras={name: raw for name, raw in call.fields.items() if name not in _KNOWN and given(raw)},
        spelling=_SPELLING | _spelling(body),
    )


def _tools(body: _Body) -> tuple[tuple[Tool | Hosted, ...], ToolChoice | None]:
    if body.functions is None:
        return read_choice(body.tool_choice, read_tools(body.tools or ()))
    tools = tuple(function.tool for function in body.functions)
    match body.function_call:
        case NamedFunction(name):
            if all(tool.name != name for tool in tools):
                raise no_such_tool("function_call.name")
            return tools, ToolChoice("named", (name,))
        case None:
            return tools, None
        case mode:
            return tools, ToolChoice(mode)


def _form(told: _TextFormat | _JsonFormat | _SchemaFormat | None) -> Form | None:
    match told:
        case None:
            return None
        case _TextFormat():
            return Form()
        case _JsonFormat():
            return Form(kind="json")
        case _SchemaFormat(schema):
            return Form(
                kind="schema",
                name=schema.name,
                description=schema.description or "",
                schema=given(schema.schema),
                strict=schema.strict,
            )


def _thinking(body: _Body) -> Thinking | None:
    """How much is to be thought, from the three fields that tell it; the more general one first."""
    told, switch = body.reasoning or _Reasoning(), body.thinking
    effort = body.reasoning_effort or told.effort or ""
    budget = told.max_tokens if told.max_tokens is not None else switch.budget_tokens if switch else None
    on = told.enabled if switch is None else switch.type != "disabled"
    thinking = Thinking(
        on=False if effort == "none" else on,
        effort=effort,
        budget=budget,
        adaptive=switch is not None and switch.type == "adaptive",
        summary=told.summary or "",
        visible=None if told.exclude is None else not told.exclude,
    )
    return None if thinking == Thinking() else thinking


def _sampling(body: _Body, call: Call) -> Sampling:
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=stop,
        seed=body.seed,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        logit_bias=call.fields["logit_bias"] if body.logit_bias else None,
        logprobs=bool(body.logprobs),
        top_logprobs=body.top_logprobs,
    )


def _spelling(body: _Body) -> dict[str, str]:
    """The words of which the caller had a choice."""
    spelling = {"max_output": "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"}
    if body.functions is not None:
        spelling |= {"tools": "functions", "tool_choice": "function_call"}
    if body.reasoning_effort is not None:
        spelling["thinking"] = "reasoning_effort"
    elif body.reasoning is not None:
        spelling["thinking"] = "reasoning"
    if body.safety_identifier:
        spelling["user"] = "safety_identifier"
    return spelling
