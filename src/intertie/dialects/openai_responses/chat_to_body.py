"""Writes a chat as the body of a call.

What nobody misses is left out without a word: caching marks (the endpoint caches by itself), a result's `failed` (its
text tells), the name of the speaker of a result. `store` is false unless the caller asked for it, since only this
dialect stores by itself; then sealed thoughts must travel, so they are asked for where the model is to think. A budget
of thinking becomes an effort by its size: up to 4,096 tokens low, up to 16,384 medium, beyond that high. A name of a
user that is longer than 64 characters becomes its digest.
"""

from hashlib import blake2b
from typing import Final

import msgspec

from intertie.core.chat import Chat, Form, Hosted, Thinking, Tool, ToolChoice
from intertie.core.endpoint import Endpoint
from intertie.dialects.dialect import Cannot
from intertie.dialects.openai_responses.response import Item
from intertie.dialects.openai_responses.turns_to_items import Writing
from intertie.dialects.strictness import strict_where_it_fits

_encode = msgspec.json.Encoder().encode
_LONGEST_USER: Final = 64
_BUDGETS: Final = ((4_096, "low"), (16_384, "medium"))
_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_TIERS: Final = {"standard_only": "default", "standard": "default"}
_KNOWN_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_SEALED: Final = "reasoning.encrypted_content"
_LOGPROBS: Final = "message.output_text.logprobs"


def chat_to_body(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body an endpoint gets. Raises Unsupported for what this dialect cannot say, unless `cannot` drops it."""
    chat = strict_where_it_fits(chat)
    writing = Writing(chat, cannot)
    items = writing.items()
    body: Item = {"model": endpoint.upstream_model, "input": items, "stream": chat.stream, "store": bool(chat.store)}
    if writing.instructions:
        body["instructions"] = writing.instructions
    body |= _tools(chat, cannot)
    body |= _sampling(chat, cannot)
    body |= _output(chat, cannot)
    body |= _named(chat, cannot)
    thinks = "reasoning" in body and body["reasoning"] != {"effort": "none"}
    include = [_SEALED] if thinks and not chat.store else []
    if chat.sampling.logprobs:
        include.append(_LOGPROBS)
    if include:
        body["include"] = include
    return _encode(body | _extras(chat, cannot))


def _tools(chat: Chat, cannot: Cannot) -> Item:
    body: Item = {}
    tools = [told for tool in chat.tools if (told := _tool(tool, chat, cannot)) is not None]
    if tools:
        body["tools"] = tools
        if chat.parallel_tools is not None:
            body["parallel_tool_calls"] = chat.parallel_tools
    if chat.tool_choice is not None and tools:
        body["tool_choice"] = _choice(chat.tool_choice, chat)
    return body


def _tool(tool: Tool | Hosted, chat: Chat, cannot: Cannot) -> msgspec.Raw | Item | None:
    if isinstance(tool, Hosted):
        if tool.origin == "openai_responses":
            return tool.raw
        return cannot.say("tools", f"only endpoints that speak {tool.origin} run the tool '{tool.kind}'")
    told: Item = {"type": "custom" if tool.free else "function", "name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if tool.free:
        return told | ({"format": tool.grammar} if tool.grammar else {})
    told["parameters"] = tool.schema or _NO_ARGUMENTS
    if tool.strict is not None or chat.origin != "openai_responses":
        told["strict"] = bool(tool.strict)  # here, unlike elsewhere, strict is what is left open
    return told


def _choice(choice: ToolChoice, chat: Chat) -> str | Item:
    named = [_reference(name, chat) for name in choice.names]
    if choice.mode == "named" and len(named) == 1:
        return named[0]
    mode = "required" if choice.mode == "named" else choice.mode
    return {"type": "allowed_tools", "mode": mode, "tools": named} if named and mode != "none" else mode


def _reference(name: str, chat: Chat) -> Item:
    free = any(isinstance(tool, Tool) and tool.free and tool.name == name for tool in chat.tools)
    return {"type": "custom" if free else "function", "name": name}


def _sampling(chat: Chat, cannot: Cannot) -> Item:
    told, body = chat.sampling, Item()
    for name, value in (("temperature", told.temperature), ("top_p", told.top_p)):
        if value is not None:
            body[name] = value
    if told.logprobs and told.top_logprobs is not None:
        body["top_logprobs"] = told.top_logprobs
    unsayable = {
        "top_k": told.top_k is not None,
        "stop": bool(told.stop),
        "seed": told.seed is not None,
        "frequency_penalty": bool(told.frequency_penalty),
        "presence_penalty": bool(told.presence_penalty),
        "logit_bias": told.logit_bias is not None and bytes(told.logit_bias) not in (b"{}", b"null"),
    }
    for name, given in unsayable.items():
        if given:
            cannot.say(name)
    return body


def _output(chat: Chat, cannot: Cannot) -> Item:
    body: Item = {}
    if chat.max_output is not None:
        body["max_output_tokens"] = chat.max_output
    text: Item = {"format": _form(chat.form)} if chat.form is not None else {}
    if chat.verbosity:
        text["verbosity"] = chat.verbosity
    if text:
        body["text"] = text
    reasoning = _reasoning(chat.thinking) if chat.thinking else {}
    if reasoning:
        body["reasoning"] = reasoning
    if chat.choices != 1:
        cannot.say("choices", "a response is one answer")
    if any(modality != "text" for modality in chat.modalities):
        cannot.say("modalities", "a response is written")
    if chat.voice is not None:
        cannot.say("voice", "a response is written")
    return body


def _form(form: Form) -> Item:
    if form.kind != "schema":
        return {"type": "json_object" if form.kind == "json" else "text"}
    told: Item = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema}
    if form.description:
        told["description"] = form.description
    if form.strict is not None:
        told["strict"] = form.strict
    return told


def _reasoning(thinking: Thinking) -> Item:
    effort = thinking.effort
    if not effort and thinking.on is False:
        effort = "none"
    elif not effort and thinking.budget is not None:
        effort = next((name for most, name in _BUDGETS if thinking.budget <= most), "high")
    summary = thinking.summary or ("auto" if thinking.visible else "")
    told: Item = {"effort": effort, "summary": summary}
    return {name: value for name, value in told.items() if value}


def _named(chat: Chat, cannot: Cannot) -> Item:
    """Who asks, and how the call is to be treated."""
    body: Item = {}
    tier = _TIERS.get(chat.tier, chat.tier)
    if tier in _KNOWN_TIERS:
        body["service_tier"] = tier
    elif tier:
        cannot.say("tier", f"there is no tier '{tier[:32]}'")
    if chat.user:
        long = len(chat.user) > _LONGEST_USER
        body["safety_identifier"] = blake2b(chat.user.encode(), digest_size=32).hexdigest() if long else chat.user
    if chat.cache_key:
        body["prompt_cache_key"] = chat.cache_key
    if chat.metadata:
        body["metadata"] = chat.metadata
    if chat.state:
        if chat.origin == "openai_responses":
            body["previous_response_id"] = chat.state
        else:
            cannot.say("state")
    return body


def _extras(chat: Chat, cannot: Cannot) -> Item:
    """Fields of our own that a chat has no place for; those within an item, and those of others, cannot be put back."""
    body: Item = {}
    for name, raw in chat.extras.items():
        if chat.origin == "openai_responses" and "." not in name and "[" not in name and name != "background":
            body[name] = raw
        else:
            cannot.say(name)
    return body
