"""From a chat to the body of `generateContent`, for the Gemini API and for Vertex AI.

Schemas go as they are: both take JSON Schema (`parametersJsonSchema`, `responseJsonSchema`). Left out without a word,
for they alter nothing in the answer: user, metadata, caching marks and keys, and on Vertex whether to store.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from intertie.core.chat import Chat, Form, Hosted, Sampling, Thinking, Tool, ToolChoice
from intertie.core.endpoint import Endpoint
from intertie.dialects.dialect import Cannot
from intertie.dialects.gemini.turns_to_contents import turns_to_contents

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_BUDGETS: Mapping[str, int] = MappingProxyType({"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576})
"""How Google reads `reasoning_effort` for models that know budgets alone (ai.google.dev, OpenAI compatibility)."""
_TIERS: Mapping[str, str] = MappingProxyType(
    {"": "", "auto": "", "default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
)
_MODALITIES = ("text", "image", "audio")
_PLACES = ("generationConfig.", "toolConfig.")
_SAMPLING: Mapping[str, str] = MappingProxyType({
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "stop": "stopSequences", "seed": "seed",
    "frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty",
})  # fmt: skip


def chat_to_body(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """Write a chat. Raises Unsupported, or notes what is dropped, for what Gemini cannot say."""
    _refuse(chat, cannot)
    contents, instruction = turns_to_contents(chat, endpoint, cannot)
    body: dict[str, Any] = {"contents": contents}
    if instruction:
        body["systemInstruction"] = {"parts": instruction}
    if chat.tools:
        body["tools"] = _tools(chat, cannot)
    if calling := _calling(chat.tool_choice, strict=any(isinstance(one, Tool) and one.strict for one in chat.tools)):
        body["toolConfig"] = {"functionCallingConfig": calling}
    if tier := _tier(chat, cannot):
        body["serviceTier"] = tier
    if chat.store is not None and endpoint.dialect == "gemini":
        body["store"] = chat.store
    if config := _config(chat, endpoint, cannot):
        body["generationConfig"] = config
    _put_extras(body, chat, cannot)
    return _encode(body)


def _refuse(chat: Chat, cannot: Cannot) -> None:
    """What Gemini has no words for at all."""
    if chat.sampling.logit_bias is not None:
        cannot.say("logit_bias")
    if chat.parallel_tools is False and chat.tools:
        cannot.say("parallel_tools", "Gemini may always call several tools at once")
    if chat.verbosity not in ("", "medium"):
        cannot.say("verbosity")
    if chat.voice is not None:
        cannot.say("voice", "Gemini has voices of its own")
    if chat.state:
        cannot.say("state", "Gemini keeps no earlier answers")


def _tools(chat: Chat, cannot: Cannot) -> list[Any]:
    declared: list[Any] = []
    hosted: list[Any] = []
    for tool in chat.tools:
        if isinstance(tool, Hosted):
            if tool.origin in ("gemini", "vertex"):
                hosted.append(tool.raw)
            else:
                cannot.say("tools", f"only endpoints that speak {tool.origin} run '{tool.kind[:64]}' themselves")
        elif tool.free:
            cannot.say("tools", f"Gemini's tools take JSON, and '{tool.name[:64]}' takes free text")
        else:
            declared.append(_declaration(tool))
    return [{"functionDeclarations": declared}, *hosted] if declared else hosted


def _declaration(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.schema is not None:
        written["parametersJsonSchema"] = tool.schema
    return written


def _calling(choice: ToolChoice | None, *, strict: bool) -> dict[str, Any]:
    """`VALIDATED` is `AUTO` that keeps to the schemas, and to the allowed names where there are some."""
    mode, names = (choice.mode, choice.names) if choice is not None else ("auto", ())
    if mode == "auto":
        if not (strict or names):
            return {"mode": "AUTO"} if choice is not None else {}
        written: dict[str, Any] = {"mode": "VALIDATED"}
    else:
        written = {"mode": "NONE" if mode == "none" else "ANY"}
    return written | {"allowedFunctionNames": names} if names else written


def _tier(chat: Chat, cannot: Cannot) -> str:
    if chat.tier not in _TIERS:
        cannot.say("tier", "Gemini's tiers are standard, flex and priority")
    return _TIERS.get(chat.tier, "")


def _config(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> dict[str, Any]:
    config = _sampling(chat.sampling)
    if chat.max_output is not None:
        config["maxOutputTokens"] = chat.max_output
    if chat.choices != 1:
        config["candidateCount"] = chat.choices
    if chat.modalities and chat.modalities != ("text",):
        if not set(chat.modalities) <= set(_MODALITIES):
            cannot.say("modalities", "Gemini answers with text, images and audio")
        config["responseModalities"] = [name.upper() for name in chat.modalities if name in _MODALITIES]
    if chat.form is not None:
        config |= _form(chat.form)
    if chat.thinking is not None and (thinking := _thinking(chat.thinking, endpoint, cannot)):
        config["thinkingConfig"] = thinking
    return config


def _sampling(sampling: Sampling) -> dict[str, Any]:
    told = {wire: getattr(sampling, name) for name, wire in _SAMPLING.items()}
    written: dict[str, Any] = {wire: value for wire, value in told.items() if value not in (None, ())}
    if sampling.logprobs:
        written["responseLogprobs"] = True
        if sampling.top_logprobs is not None:
            written["logprobs"] = sampling.top_logprobs
    return written


def _form(form: Form) -> dict[str, Any]:
    """The name of a form says nothing to the model; its description stands in the schema, where JSON Schema has it."""
    if form.kind == "text":
        return {}
    written: dict[str, Any] = {"responseMimeType": "application/json"}
    if form.schema is not None:
        schema = form.schema
        if form.description and b"{" in bytes(schema)[:1] and "description" not in (fields := _object(schema)):
            schema = msgspec.Raw(_encode({"description": form.description, **fields}))
        written["responseJsonSchema"] = schema
    return written


def _thinking(thinking: Thinking, endpoint: Endpoint, cannot: Cannot) -> dict[str, Any]:
    """Models before Gemini 3 know budgets alone; later ones levels, and budgets for old callers' sake: never both."""
    written: dict[str, Any] = {}
    if thinking.visible is not None:
        written["includeThoughts"] = thinking.visible
    elif thinking.summary not in ("", "none"):
        written["includeThoughts"] = True
    if thinking.on is False or thinking.effort == "none":
        return {"thinkingBudget": 0}
    effort = _effort(thinking.effort, cannot)
    by_budget = endpoint.upstream_model.startswith(("gemini-1", "gemini-2"))
    if thinking.budget is not None and (by_budget or not effort):
        written["thinkingBudget"] = thinking.budget
    elif effort:
        written |= {"thinkingBudget": _BUDGETS[effort]} if by_budget else {"thinkingLevel": effort.upper()}
    elif thinking.adaptive and by_budget:
        written["thinkingBudget"] = -1
    return written


def _effort(effort: str, cannot: Cannot) -> str:
    if effort and effort not in _BUDGETS:
        cannot.say("thinking", f"Gemini has no effort '{effort[:16]}': its most is 'high'")
        return "high"
    return effort


def _put_extras(body: dict[str, Any], chat: Chat, cannot: Cannot) -> None:
    """Gemini's own extras return to their places; those of others have none."""
    for name, raw in chat.extras.items():
        if chat.origin != "gemini":
            cannot.say(name)
            continue
        *path, last = name.split(".") if name.startswith(_PLACES) else (name,)
        place = body
        for step in path:
            place = place.setdefault(step, {})
        place[last] = raw
