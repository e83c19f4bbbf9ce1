"""Writes a chat as the body of a request.

How much is to be thought becomes `reasoning_effort`, the one word that the dialect has for it: a budget of tokens takes
the effort that LiteLLM gives it. Whether thoughts are shown is between the gateway and its caller. Left out without a
word is what changes nothing: `store` unless it is wanted, labels of what is not stored, `parallel_tool_calls` and
`tool_choice` where there are no tools (OpenAI refuses them there).
"""

from typing import Final

import msgspec

from intertie.core.call import Fields
from intertie.core.chat import Chat, Form, Tool
from intertie.core.endpoint import Endpoint
from intertie.dialects.dialect import Cannot
from intertie.dialects.json_body import write_fields
from intertie.dialects.openai_chat.turns_to_messages import Json, to_messages
from intertie.dialects.quirks import adapt
from intertie.dialects.strictness import strict_where_it_fits


class _Grammar(msgspec.Struct):
    definition: str
    syntax: str


_encode = msgspec.json.Encoder().encode
_grammar = msgspec.json.Decoder(_Grammar).decode
TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_EFFORTS: Final = ((10_000, "high"), (5_000, "medium"), (2_000, "low"), (0, "minimal"))
"""Efforts by the least budget of tokens that they stand for, as LiteLLM has them."""


def chat_to_body(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body that an endpoint gets. Raises Unsupported for what it cannot be told, unless it is dropped."""
    chat = strict_where_it_fits(chat)
    told: Json = {"model": endpoint.upstream_model, "messages": list(to_messages(chat, cannot))}
    if chat.stream:
        told |= {"stream": True, "stream_options": {"include_usage": True}}
    told |= _tools(chat, cannot) | _sampling(chat, cannot) | _wishes(chat, cannot)
    if chat.state:
        cannot.say("state", "chat completions keep no earlier answers to go on from")
    for name, raw in chat.extras.items():
        if chat.origin == "openai_chat":
            told[name] = raw
        else:
            cannot.say(name)
    fields: Fields = {name: msgspec.Raw(_encode(value)) for name, value in told.items()}
    if endpoint.quirks:
        adapt(fields, "chat", endpoint.quirks)
    return write_fields(fields)


def _tools(chat: Chat, cannot: Cannot) -> Json:
    tools: list[object] = []
    for tool in chat.tools:
        if isinstance(tool, Tool):
            tools.append(_tool(tool))
        elif tool.origin == "openai_chat":
            tools.append(tool.raw)
        else:
            cannot.say("tools", f"endpoints that speak openai_chat run no '{tool.kind}'")
    told: Json = {"tools": tools} if tools else {}
    choice = chat.tool_choice
    if choice is not None and (tools or choice.mode in ("required", "named")):
        told["tool_choice"] = _chosen(choice.names, chat) if choice.mode == "named" else choice.mode
    if tools and chat.parallel_tools is not None:
        told["parallel_tool_calls"] = chat.parallel_tools
    return told


def _tool(tool: Tool) -> Json:
    told: Json = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if tool.free:
        return {"type": "custom", "custom": told | _free_form(tool)}
    if tool.schema is not None:
        told["parameters"] = tool.schema
    if tool.strict is not None:
        told["strict"] = tool.strict
    return {"type": "function", "function": told}


def _free_form(tool: Tool) -> Json:
    if tool.grammar is None:
        return {}
    grammar = _grammar(tool.grammar)
    return {"format": {"type": "grammar", "grammar": {"definition": grammar.definition, "syntax": grammar.syntax}}}


def _chosen(names: tuple[str, ...], chat: Chat) -> Json:
    """One tool by its name, or one of several."""
    free = {tool.name for tool in chat.tools if isinstance(tool, Tool) and tool.free}
    chosen: list[Json] = []
    for name in names:
        kind = "custom" if name in free else "function"
        chosen.append({"type": kind, kind: {"name": name}})
    if len(chosen) == 1:
        return chosen[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": chosen}}


def _sampling(chat: Chat, cannot: Cannot) -> Json:
    sampling = chat.sampling
    if sampling.top_k is not None:
        cannot.say("top_k")
    told: Json = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": sampling.stop or None,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "logit_bias": sampling.logit_bias,
        "logprobs": sampling.logprobs or None,
        "top_logprobs": sampling.top_logprobs,
    }
    return _said(told)


def _wishes(chat: Chat, cannot: Cannot) -> Json:
    if chat.tier and chat.tier not in TIERS:
        cannot.say("tier", f"there is no service tier '{chat.tier}'")
    told: Json = {
        "max_completion_tokens": chat.max_output,
        "n": None if chat.choices == 1 else chat.choices,
        "response_format": _form(chat.form),
        "reasoning_effort": _effort(chat),
        "service_tier": chat.tier if chat.tier in TIERS else None,
        "user": chat.user or None,
        "prompt_cache_key": chat.cache_key or None,
        "store": chat.store or None,
        "metadata": chat.metadata if chat.store else None,
        "verbosity": chat.verbosity or None,
        "modalities": chat.modalities or None,
        "audio": chat.voice,
    }
    return _said(told)


def _form(form: Form | None) -> Json | None:
    match form:
        case None:
            return None
        case Form(kind="text"):
            return {"type": "text"}
        case Form(kind="json"):
            return {"type": "json_object"}
        case _:
            told: Json = {
                "name": form.name or "answer",
                "description": form.description or None,
                "schema": form.schema,
                "strict": form.strict,
            }
            return {"type": "json_schema", "json_schema": _said(told)}


def _effort(chat: Chat) -> str | None:
    """The effort. Anthropic thinks only when it is asked to: who switches it off there asks for nothing more."""
    thinking = chat.thinking
    if thinking is None or thinking.effort:
        return thinking.effort if thinking else None
    if thinking.on is False:
        return None if chat.origin == "anthropic_messages" else "none"
    if thinking.budget is None:
        return None
    return next(effort for least, effort in _EFFORTS if thinking.budget >= least)


def _said(told: Json) -> Json:
    return {name: value for name, value in told.items() if value is not None}
