"""From a call of Gemini's dialect to a chat.

What has no place in `core.chat` (safety settings, cached contents, speech and picture settings) becomes an extra under
its own path (`generationConfig.speechConfig`): no other dialect says it, and each refuses it by that name. The schema
of what a tool gives back, which Google's SDK makes of every annotation, is a hint that is left out without a word.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.chat import Chat, Form, Hosted, Sampling, Thinking, Tool, ToolChoice
from intertie.core.faults import Unsupported
from intertie.dialects.gemini.contents_to_turns import Content, contents_to_turns, instruction_to_turn
from intertie.dialects.gemini.schemas import json_schema
from intertie.dialects.gemini.spelling import ABSENT, given, respelled
from intertie.dialects.json_body import refuse, write_fields

SPELLING: Mapping[str, str] = MappingProxyType({
    "turns": "contents",
    "tool_choice": "toolConfig.functionCallingConfig",
    "form": "generationConfig.responseMimeType",  # whoever gives a schema is understood everywhere
    "thinking": "generationConfig.thinkingConfig",
    "modalities": "generationConfig.responseModalities",
    "max_output": "generationConfig.maxOutputTokens",
    "choices": "generationConfig.candidateCount",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "stop": "generationConfig.stopSequences",
    "seed": "generationConfig.seed",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "presence_penalty": "generationConfig.presencePenalty",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "tier": "serviceTier",
})  # fmt: skip
"""The words of `core.chat` as Gemini's callers write them."""


class _Declaration(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    parameters_json_schema: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    response_json_schema: msgspec.Raw = ABSENT
    behavior: str | None = None


class _Calling(msgspec.Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: tuple[str, ...] | None = None


class _ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: _Calling | None = None


class _ThinkingConfig(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _Generation(msgspec.Struct, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    stop_sequences: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_mime_type: str | None = None
    response_schema: msgspec.Raw = ABSENT
    response_json_schema: msgspec.Raw = ABSENT
    response_modalities: tuple[str, ...] | None = None
    thinking_config: _ThinkingConfig | None = None


class _Request(msgspec.Struct, rename="camel"):
    contents: list[Content]
    system_instruction: Content | None = None
    tools: list[Fields] | None = None
    tool_config: _ToolConfig | None = None
    generation_config: _Generation | None = None
    service_tier: str | None = None
    store: bool | None = None
    model: str | None = None
    intertie: msgspec.Raw = ABSENT
    provider: msgspec.Raw = ABSENT


_request = msgspec.json.Decoder(_Request, strict=False).decode
_declarations = msgspec.json.Decoder(list[_Declaration]).decode
_config = msgspec.json.Decoder(Fields).decode
_TOP = frozenset(field.encode_name for field in msgspec.structs.fields(_Request))
_MODES: Mapping[str, Literal["auto", "none", "required"]] = MappingProxyType(
    {"AUTO": "auto", "VALIDATED": "auto", "MODE_UNSPECIFIED": "auto", "ANY": "required", "NONE": "none"}
)
_NESTED = {
    "generationConfig": frozenset(field.encode_name for field in msgspec.structs.fields(_Generation)),
    "toolConfig": frozenset(("functionCallingConfig",)),
}
_CALLING = frozenset(field.encode_name for field in msgspec.structs.fields(_Calling))


def call_to_chat(call: Call) -> Chat:
    """Read a call. Raises InvalidRequest, naming the field, for what cannot be understood or said in other words."""
    fields = respelled(call.fields)
    try:
        seen = _request(write_fields(fields))
    except msgspec.DecodeError as error:
        refuse(error)
    config = seen.generation_config or _Generation()
    turns = contents_to_turns(seen.contents)
    if seen.system_instruction is not None:
        turns = (instruction_to_turn(seen.system_instruction), *turns)
    calling = (seen.tool_config and seen.tool_config.function_calling_config) or _Calling()
    return Chat(
        model=call.model,
        turns=turns,
        origin="gemini",
        tools=tuple(_tools(seen.tools or [], True if calling.mode == "VALIDATED" else None)),
        tool_choice=_choice(calling),
        form=_form(config),
        thinking=_thinking(config.thinking_config),
        sampling=_sampling(config),
        max_output=config.max_output_tokens,
        choices=call.choices,
        stream=call.stream,
        tier=_tier(seen.service_tier),
        modalities=tuple(name.lower() for name in config.response_modalities or ()),
        store=seen.store,
        extras=dict(_extras(fields)),
        spelling=dict(SPELLING),
    )


def _extras(fields: Fields) -> Iterator[tuple[str, msgspec.Raw]]:
    """What has no place in a chat, by its path."""
    for name, raw in fields.items():
        if name not in _TOP:
            yield name, raw
        elif name in _NESTED and given(raw):
            for inner, value in _config(raw).items():
                if inner not in _NESTED[name]:
                    yield f"{name}.{inner}", value
                elif inner == "functionCallingConfig" and given(value):
                    yield from _unknown(value, f"{name}.{inner}.")


def _unknown(calling: msgspec.Raw, where: str) -> Iterator[tuple[str, msgspec.Raw]]:
    return ((where + name, raw) for name, raw in _config(calling).items() if name not in _CALLING)


def _tools(tools: list[Fields], strict: bool | None) -> Iterator[Tool | Hosted]:
    for place, tool in enumerate(tools):
        for kind, raw in tool.items():
            if kind != "functionDeclarations":
                yield Hosted("gemini", kind, msgspec.Raw(write_fields({kind: raw})))
                continue
            try:
                declared = _declarations(raw)
            except msgspec.DecodeError as error:
                refuse(error)
            for index, one in enumerate(declared):
                yield _tool(one, strict, f"tools[{place}].functionDeclarations[{index}]")


def _tool(declared: _Declaration, strict: bool | None, where: str) -> Tool:
    if declared.behavior not in (None, "BLOCKING"):
        raise Unsupported(f"'{where}.behavior' cannot be passed on: only Gemini takes it.", param=f"{where}.behavior")
    schema = _schema(declared.parameters_json_schema, declared.parameters, f"{where}.parameters")
    return Tool(name=declared.name, description=declared.description or "", schema=schema, strict=strict)


def _schema(plain: msgspec.Raw, subset: msgspec.Raw, where: str) -> msgspec.Raw | None:
    """The JSON schema that was given, or made of one in Gemini's own subset."""
    if given(plain):
        return plain
    return json_schema(subset, where) if given(subset) else None


def _choice(calling: _Calling) -> ToolChoice | None:
    if calling.mode is None and not calling.allowed_function_names:
        return None
    mode = _MODES.get((calling.mode or "AUTO").upper())
    if mode is None:
        where = "toolConfig.functionCallingConfig.mode"
        raise Unsupported(f"'{where}' cannot be passed on: what that mode does is not known here.", param=where)
    names = calling.allowed_function_names or ()
    return ToolChoice("named" if names and mode == "required" else mode, names)


def _form(config: _Generation) -> Form | None:
    kind = config.response_mime_type
    if kind in (None, "", "text/plain"):
        return None
    if kind != "application/json":
        where = "generationConfig.responseMimeType"
        raise Unsupported(f"'{where}' cannot be passed on: only Gemini answers with {kind[:64]!r}.", param=where)
    schema = _schema(config.response_json_schema, config.response_schema, "generationConfig.responseSchema")
    return Form(kind="json") if schema is None else Form(kind="schema", name="answer", schema=schema)


def _thinking(config: _ThinkingConfig | None) -> Thinking | None:
    """How much to think: a budget of 0 is none, one of -1 leaves it to the model."""
    if config is None:
        return None
    budget, level = config.thinking_budget, (config.thinking_level or "").lower()
    return Thinking(
        on=None if budget is None else budget != 0,
        effort="" if level == "thinking_level_unspecified" else level,
        budget=budget if budget is not None and budget > 0 else None,
        adaptive=budget == -1,
        visible=config.include_thoughts,
    )


def _sampling(config: _Generation) -> Sampling:
    told: dict[str, Any] = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": None if config.top_k is None else int(config.top_k),
        "seed": config.seed,
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
        "top_logprobs": config.logprobs,
    }
    return Sampling(stop=config.stop_sequences or (), logprobs=bool(config.response_logprobs), **told)


def _tier(told: str | None) -> str:
    tier = (told or "").lower().removeprefix("service_tier_")
    return "" if tier == "unspecified" else "default" if tier == "standard" else tier
