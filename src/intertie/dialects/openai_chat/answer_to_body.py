"""Writes a whole answer.

A message has one text, so texts are joined, and thoughts, words and calls stand in fields of their own: how they took
turns is not told.
"""

from collections.abc import Iterable

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Answer, Audio, Choice, Image, Part, Reasoning, Refusal, Text, ToolCall
from intertie.dialects.openai_chat.media import to_data_url
from intertie.dialects.openai_chat.reasoning import thoughts_told
from intertie.dialects.openai_chat.turns_to_messages import Json, write_call
from intertie.dialects.openai_chat.written import (
    Manner,
    annotation,
    finish,
    logprobs,
    manner_of,
    tier_told,
    usage_told,
)

_encode = msgspec.json.Encoder().encode


def answer_to_body(answer: Answer, call: Call) -> bytes:
    """The body that a caller gets."""
    manner = manner_of(call)
    told: Json = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model or call.model,
        "choices": [_choice(choice, index, manner) for index, choice in enumerate(answer.choices)],
    }
    if answer.usage is not None:
        told["usage"] = usage_told(answer.usage)
    if tier := tier_told(answer.tier):
        told["service_tier"] = tier
    if answer.fingerprint:
        told["system_fingerprint"] = answer.fingerprint
    return _encode(told)


def _choice(choice: Choice, index: int, manner: Manner) -> Json:
    parts = choice.parts
    message = _spoken(parts) | _seen(parts) | _called(parts, manner)
    if manner.thoughts:
        message |= thoughts_told([part for part in parts if isinstance(part, Reasoning)])
    refused = "refusal" in message and message["content"] is None
    return {
        "index": index,
        "message": {"role": "assistant"} | message,
        "logprobs": logprobs(choice.chances, refused=refused) if choice.chances else None,
        **finish(choice.stop, choice.stop_name, manner),
    }


def _spoken(parts: Iterable[Part]) -> Json:
    """The words, with what they rest on, and the words of refusal."""
    texts, refusals, cited = list[str](), list[str](), list[Json]()
    length = 0
    for part in parts:
        if isinstance(part, Refusal):
            refusals.append(part.text)
        elif isinstance(part, Text):
            end = length + len(part.text)
            cited.extend(annotation(citation, length, end) for citation in part.citations)
            texts.append(part.text)
            length = end
    message: Json = {"content": "".join(texts) if texts else None, "refusal": "".join(refusals) or None}
    return message | ({"annotations": cited} if cited else {})


def _seen(parts: Iterable[Part]) -> Json:
    """Sound and pictures; OpenAI's sound can be named again until `expires_at`, which nobody tells here."""
    message: Json = {}
    images: list[Json] = []
    for part in parts:
        if isinstance(part, Audio):
            message["audio"] = {
                "id": part.id, "data": part.media.data, "transcript": part.transcript, "expires_at": 0,
            }  # fmt: skip
        elif isinstance(part, Image):
            url = part.media.url or to_data_url(part.media.type, part.media.data)
            images.append({"type": "image_url", "image_url": {"url": url}})
    return message | ({"images": images} if images else {})


def _called(parts: Iterable[Part], manner: Manner) -> Json:
    """Calls of tools; a caller of the old functions gets its one call where it looks for it."""
    calls = [part for part in parts if isinstance(part, ToolCall)]
    message: Json = {}
    if calls and manner.old_functions:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
        calls = calls[1:]
    if calls:
        message["tool_calls"] = [write_call(call) for call in calls]
    return message
