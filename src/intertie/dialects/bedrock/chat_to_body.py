"""Writes a chat as the body that Converse and ConverseStream take.

Left out without a word, because no answer differs by it: `user`, `metadata`, `cache_key` and `store`, and whatever asks
for what is the rule anyway. Of a caller's extras those pass that are Converse's own (`guardrailConfig` and the like).
What a Claude is told beside the common words goes into `additionalModelRequestFields`, as Anthropic spells it.
"""

from collections.abc import Iterator

import msgspec

from intertie.core.chat import Chat, Form, Hosted, Thinking, Tool
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages.thinking_to_body import forgot, thinking_to_body
from intertie.dialects.bedrock.media_to_blocks import Json
from intertie.dialects.bedrock.turns_to_messages import MessageWriter, cache_point, tools_used
from intertie.dialects.dialect import Cannot
from intertie.dialects.strictness import closed

_MORE = "additionalModelRequestFields"
_BACK = "additionalModelResponseFieldPaths"
_OWN = ("guardrailConfig", "performanceConfig", "requestMetadata")
_TIERS = ("flex", "priority", "reserved")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_RULE = ("", "auto", "default", "standard")
_ANYTHING = msgspec.Raw(b'{"type":"object","properties":{}}')

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def chat_to_body(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body. Raises Unsupported, by `cannot`, for what Converse cannot say; InvalidRequest for extras gone wrong."""
    claude = _claude(endpoint)
    for name in _unsaid(chat, claude):
        cannot.say(name)
    written = MessageWriter(chat, bool(claude), cannot)
    limit = endpoint.max_output if chat.max_output is None else chat.max_output
    thinking, effort = _thinking(chat.thinking, claude, limit, cannot)
    if "budget_tokens" in thinking and forgot(chat, "bedrock"):
        thinking = {}
        cannot.leave("thinking")
    tools = _tools(chat, claude, cannot)
    own, more = _extras(chat, cannot)
    body: Json = {
        "messages": written.messages,
        "system": written.system,
        "inferenceConfig": _inference(chat, claude, cannot)
        | ({"maxTokens": limit} if "budget_tokens" in thinking else {}),
        "toolConfig": tools,
        "outputConfig": _form(chat.form, cannot) | ({"effort": effort} if effort else {}),
        "serviceTier": {"type": chat.tier} if chat.tier in _TIERS else {},
        _MORE: {**more, **(_for_claude(chat, thinking, bool(tools)) if claude else {})},
        _BACK: ["/stop_sequence"] if claude and chat.sampling.stop else [],
        **own,
    }
    return _encode({name: value for name, value in body.items() if value or name == "messages"})


def _for_claude(chat: Chat, thinking: Json, tools: bool) -> Json:
    """What Converse has no word for and a Claude has."""
    told = {
        "thinking": thinking,
        "top_k": chat.sampling.top_k,
        "tool_choice": {"disable_parallel_tool_use": True} if tools and chat.parallel_tools is False else None,
    }
    return {name: value for name, value in told.items() if value not in (None, {})}


def _thinking(thinking: Thinking | None, claude: str, limit: int, cannot: Cannot) -> tuple[Json, str]:
    """What a Claude is told of thinking, and the effort that Converse has for any model."""
    if thinking is None:
        return {}, ""
    if claude:
        return thinking_to_body(thinking, claude, limit, cannot)
    if thinking.on is not None or thinking.budget is not None or thinking.adaptive:
        cannot.say("thinking", "of models other than Claude Bedrock takes an effort alone")
    elif thinking.effort and thinking.effort not in _EFFORTS:
        cannot.say("thinking", f"Bedrock's efforts are {', '.join(_EFFORTS)}")
    return {}, thinking.effort if thinking.effort in _EFFORTS else ""


def _claude(endpoint: Endpoint) -> str:
    """The name that tells which Claude it is, "" if it is none; a profile's ARN hides it, and the public name tells."""
    names = (endpoint.upstream_model, endpoint.model)
    return next((name for name in names if "claude" in name), "")


def _unsaid(chat: Chat, claude: str) -> Iterator[str]:
    """What is asked for by a chat and Converse has no word for, at least not for this model."""
    drawn = chat.sampling
    bias = drawn.logit_bias is not None and bytes(drawn.logit_bias) not in (b"{}", b"null")
    asked = {
        "choices": chat.choices > 1,
        "seed": drawn.seed is not None,
        "top_k": drawn.top_k is not None and not claude,
        "frequency_penalty": bool(drawn.frequency_penalty),
        "presence_penalty": bool(drawn.presence_penalty),
        "logit_bias": bias,
        "logprobs": drawn.logprobs,
        "top_logprobs": bool(drawn.top_logprobs),
        "modalities": any(kind != "text" for kind in chat.modalities),
        "voice": chat.voice is not None,
        "verbosity": chat.verbosity not in ("", "medium"),
        "state": bool(chat.state),
        "tier": chat.tier not in _TIERS and chat.tier not in _RULE,
        "parallel_tools": chat.parallel_tools is False and bool(chat.tools) and not claude,
    }
    return (name for name, is_asked in asked.items() if is_asked)


def _inference(chat: Chat, claude: str, cannot: Cannot) -> Json:
    """Newer Claudes refuse to be told both temperature and top_p, or either; of both 1 is their rule."""
    drawn, body = chat.sampling, Json()
    if chat.max_output is not None:
        body["maxTokens"] = chat.max_output
    if drawn.temperature is not None and drawn.temperature > 1:
        cannot.say("temperature", "Bedrock's lies between 0 and 1")
    elif drawn.temperature is not None and not (claude and drawn.temperature == 1):
        body["temperature"] = drawn.temperature
    if drawn.top_p is not None and not (claude and drawn.top_p == 1):
        body["topP"] = drawn.top_p
    if drawn.stop:
        body["stopSequences"] = drawn.stop
    return body


def _form(form: Form | None, cannot: Cannot) -> Json:
    if form is not None and form.kind == "json":
        cannot.say("form", "Bedrock writes JSON of a schema, not just any")
    if form is None or form.schema is None:
        return {}
    named = {name: text for name, text in (("name", form.name), ("description", form.description)) if text}
    schema = {"schema": bytes(closed(form.schema)).decode(), **named}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _tools(chat: Chat, claude: str, cannot: Cannot) -> Json:
    """`toolConfig`; a choice among several is made by leaving out the others, and no tool is wanted by naming none."""
    choice, used = chat.tool_choice, tuple(tools_used(chat))
    mode = choice.mode if choice is not None else "auto"
    names = choice.names if choice is not None and choice.mode == "named" else ()
    if mode == "none" and not used:
        return {}
    if mode == "none":
        cannot.say("tool_choice", "where tools were called before, Bedrock lets the model call them again")
    wanted = [tool for tool in chat.tools if len(names) < 2 or (isinstance(tool, Tool) and tool.name in names)]
    tools = [block for tool in wanted for block in _tool(tool, bool(claude), cannot)]
    if not tools and used:
        cannot.say("tools", "Bedrock wants the tools declared that were called before")
        tools = [_spec(Tool(name=name)) for name in dict.fromkeys(used) if name]
    if not tools or mode in ("auto", "none"):
        return {"tools": tools} if tools else {}
    return {"tools": tools, "toolChoice": {"tool": {"name": names[0]}} if len(names) == 1 else {"any": {}}}


def _tool(tool: Tool | Hosted, caches: bool, cannot: Cannot) -> Iterator[Json]:
    if isinstance(tool, Hosted):
        cannot.say("tools", f"the tool '{tool.kind[:64]}' runs at another provider")
    elif tool.free:
        cannot.say("tools", f"the tool '{tool.name}' takes free text, Bedrock's take JSON")
    else:
        yield _spec(tool)
        if tool.mark and caches:
            yield cache_point(tool.mark)


def _spec(tool: Tool) -> Json:
    told: Json = {"description": tool.description} if tool.description else {}
    if tool.strict:
        told["strict"] = True
    schema = _ANYTHING if tool.schema is None else closed(tool.schema) if tool.strict else tool.schema
    return {"toolSpec": {"name": tool.name, **told, "inputSchema": {"json": schema}}}


def _extras(chat: Chat, cannot: Cannot) -> tuple[Json, Json]:
    """The fields that are Converse's own, and those that the caller has for the model alone."""
    own: Json = {}
    more: Json = {}
    for name, raw in chat.extras.items():
        if name in _OWN:
            own[name] = raw
        elif name == _MORE:
            try:
                more = dict(_object(raw))
            except msgspec.DecodeError:
                message = f"Invalid type for '{name}': expected an object."
                raise InvalidRequest(message, code="invalid_type", param=name) from None
        else:
            cannot.say(name)
    return own, more
