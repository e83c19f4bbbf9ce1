"""Writes a chat as the body that an Anthropic endpoint gets.

Left out without a word, because no answer differs by it: `cache_key`, `store` and `metadata` (labels of what other
providers keep), a schema's name, and whatever asks for what is the rule anyway.
"""

from collections.abc import Iterator

import msgspec

from intertie.core.chat import Chat, Form, Hosted, Tool
from intertie.core.endpoint import Endpoint
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.models import hears_system_later
from intertie.dialects.anthropic_messages.thinking_to_body import asks_for_thoughts, forgot, thinking_to_body
from intertie.dialects.anthropic_messages.turns_to_messages import Json, MessageWriter, cached
from intertie.dialects.dialect import Cannot
from intertie.dialects.strictness import closed

_ANYTHING = msgspec.Raw(b'{"type":"object","properties":{}}')

_TIERS: dict[str, Json] = {"default": {"service_tier": "standard_only"}, "fast": {"speed": "fast"}}

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def chat_to_body(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body of `POST /messages`. Raises Unsupported, by `cannot`, for what Anthropic has no way to say."""
    for name in _unsaid(chat):
        cannot.say(name)
    limit = endpoint.max_output if chat.max_output is None else chat.max_output
    written = MessageWriter(chat, hears_system_later(endpoint.upstream_model), cannot)
    body: Json = {"model": endpoint.upstream_model, "max_tokens": limit}
    if written.system:
        body["system"] = written.system
    body["messages"] = written.messages
    body |= _tools(chat, cannot) | _sampling(chat, cannot) | _output(chat, endpoint, limit, cannot)
    body |= _TIERS.get(chat.tier, {})
    if chat.stream:
        body["stream"] = True
    if chat.user:
        body["metadata"] = {"user_id": chat.user}
    for name, raw in chat.extras.items():
        if chat.origin == OWN and name.isidentifier():
            body[name] = raw
        else:
            cannot.say(name)
    return _encode(body)


def _unsaid(chat: Chat) -> Iterator[str]:
    """What is asked for by a chat and no Anthropic endpoint does."""
    drawn = chat.sampling
    bias = drawn.logit_bias is not None and bytes(drawn.logit_bias) not in (b"{}", b"null")
    asked = {
        "choices": chat.choices > 1,
        "seed": drawn.seed is not None,
        "frequency_penalty": bool(drawn.frequency_penalty),
        "presence_penalty": bool(drawn.presence_penalty),
        "logit_bias": bias,
        "logprobs": drawn.logprobs,
        "top_logprobs": bool(drawn.top_logprobs),
        "modalities": any(kind != "text" for kind in chat.modalities),
        "verbosity": chat.verbosity not in ("", "medium"),
        "state": bool(chat.state),
        "tier": chat.tier not in ("", "auto", "default", "standard", "fast"),
    }
    return (name for name, is_asked in asked.items() if is_asked)


def _sampling(chat: Chat, cannot: Cannot) -> Json:
    """Temperature and top_p of 1 are the rule; newer models refuse to be told both, or either."""
    drawn, body = chat.sampling, Json()
    if drawn.temperature is not None and drawn.temperature > 1:
        cannot.say("temperature", "Anthropic's lies between 0 and 1")
    elif drawn.temperature is not None and drawn.temperature != 1:
        body["temperature"] = drawn.temperature
    if drawn.top_p is not None and drawn.top_p != 1:
        body["top_p"] = drawn.top_p
    if drawn.top_k is not None:
        body["top_k"] = drawn.top_k
    if drawn.stop:
        body["stop_sequences"] = drawn.stop
    return body


def _output(chat: Chat, endpoint: Endpoint, limit: int, cannot: Cannot) -> Json:
    """`thinking` and `output_config`."""
    body, config = Json(), Json()
    if chat.thinking is not None and _forces(chat) and asks_for_thoughts(chat.thinking):
        cannot.say("thinking", "Anthropic's models do not think where a tool is forced")
    elif chat.thinking is not None:
        thinking, effort = thinking_to_body(chat.thinking, endpoint.upstream_model, limit, cannot)
        if "budget_tokens" in thinking and forgot(chat, OWN):
            cannot.leave("thinking")
        elif thinking:
            body["thinking"] = thinking
        if effort:
            config["effort"] = effort
    if chat.form is not None and chat.form.kind == "json":
        cannot.say("form", "Anthropic writes JSON of a schema, not just any")
    elif chat.form is not None and chat.form.schema is not None:
        schema = chat.form.schema if chat.origin == OWN else closed(chat.form.schema)
        config["format"] = {"type": "json_schema", "schema": _described(chat.form, schema)}
    return {**body, "output_config": config} if config else body


def _forces(chat: Chat) -> bool:
    return chat.tool_choice is not None and chat.tool_choice.mode in ("required", "named") and bool(chat.tools)


def _described(form: Form, schema: msgspec.Raw) -> msgspec.Raw | Json:
    """The schema, with the form's description where it has none of its own."""
    top = _members(schema)
    return {"description": form.description, **top} if form.description and top is not None else schema


def _members(schema: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _object(schema)
    except msgspec.DecodeError:
        return None


def _tools(chat: Chat, cannot: Cannot) -> Json:
    """`tools` and `tool_choice`; a choice among several is made by leaving out the others."""
    choice = chat.tool_choice
    names = choice.names if choice is not None else ()
    one = names[0] if choice is not None and choice.mode == "named" and len(names) == 1 else ""
    wanted = [tool for tool in chat.tools if one or not names or (isinstance(tool, Tool) and tool.name in names)]
    tools = [written for tool in wanted if (written := _tool(tool, chat, cannot)) is not None]
    if not tools:
        return {}
    mode = choice.mode if choice is not None else ""
    chosen: Json = {"type": {"named": "any", "required": "any", "none": "none"}.get(mode, "auto")}
    if one:
        chosen = {"type": "tool", "name": one}
    if chat.parallel_tools is False and mode != "none":
        chosen["disable_parallel_tool_use"] = True
    return {"tools": tools} if chosen == {"type": "auto"} else {"tools": tools, "tool_choice": chosen}


def _tool(tool: Tool | Hosted, chat: Chat, cannot: Cannot) -> msgspec.Raw | Json | None:
    if isinstance(tool, Hosted):
        if tool.origin == OWN:
            return tool.raw
        cannot.say("tools", f"the tool '{tool.kind}' runs at another provider")
        return None
    if tool.free:
        cannot.say("tools", f"the tool '{tool.name}' takes free text, Anthropic's take JSON")
        return None
    body: Json = {"name": tool.name}
    if tool.description:
        body["description"] = tool.description
    body["input_schema"] = _object_schema(tool, chat, cannot)
    if tool.strict:
        body["strict"] = True
    return {**body, **cached(tool.mark)}


def _object_schema(tool: Tool, chat: Chat, cannot: Cannot) -> msgspec.Raw | Json:
    """A schema that says it is one of an object, as Anthropic insists."""
    if tool.schema is None:
        return _ANYTHING
    top = _members(tool.schema)
    if top is None:
        cannot.say("tools", f"the schema of '{tool.name}' is no object")
        return _ANYTHING
    if "type" not in top:
        return {"type": "object", **top}
    return closed(tool.schema) if tool.strict and chat.origin != OWN else tool.schema
