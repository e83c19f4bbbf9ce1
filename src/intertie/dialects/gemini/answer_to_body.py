"""From an answer in everybody's words to Gemini's `GenerateContentResponse`, whole."""

from collections.abc import Iterable
from typing import Any

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.chat import Answer, Audio, Choice, Image, Part, Reasoning, Refusal, Text, TokenChance, ToolCall
from intertie.core.usage import Usage
from intertie.dialects.gemini.grounds import grounding_of
from intertie.dialects.gemini.reasons import finish_reason
from intertie.dialects.gemini.seals import seal

_encode = msgspec.json.Encoder().encode
_arguments = msgspec.json.Decoder(Fields).decode


def answer_to_body(answer: Answer, call: Call) -> bytes:
    """Write an answer for the caller."""
    body: dict[str, Any] = {"candidates": [_candidate(one, place) for place, one in enumerate(answer.choices)]}
    if answer.usage is not None:
        body["usageMetadata"] = usage_metadata(answer.usage, answer.tier)
    return _encode(body | {"modelVersion": answer.model, "responseId": answer.id})


def _candidate(choice: Choice, place: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    texts: list[tuple[int, Text]] = []
    spoiled = False
    for part in choice.parts:
        if isinstance(part, Text):
            texts.append((len(parts), part))
        written = part_of(part)
        spoiled = spoiled or (written is None and isinstance(part, ToolCall))
        if written is not None:
            parts.append(written)
    finish = finish_reason(choice.stop, choice.stop_name)
    written = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": "MALFORMED_FUNCTION_CALL" if spoiled else finish,
        "index": place,
        **grounding_of(texts),
    }
    if choice.chances:
        written["logprobsResult"] = logprobs_result(choice.chances)
    return written


def part_of(part: Part) -> dict[str, Any] | None:
    """A part as Gemini has it; None for what it cannot carry: a call whose arguments are no JSON object."""
    match part:
        case Text() | Refusal():
            return {"text": part.text}
        case Reasoning():
            return thought_of(part)
        case ToolCall():
            return call_part(part)
        case Image() | Audio() if part.media.data:
            return {"inlineData": {"mimeType": part.media.type, "data": part.media.data}}
        case _:
            return None


def thought_of(thought: Reasoning) -> dict[str, Any] | None:
    """A thought with its signature. Without words it is one of Gemini's own on the text before, or another's seal."""
    signature = seal(thought)
    if not (thought.text or signature):
        return None
    written: dict[str, Any] = {"text": thought.text, "thought": True}
    return written | {"thoughtSignature": signature} if signature else written


def call_part(call: ToolCall) -> dict[str, Any] | None:
    """A call; None if its arguments are no JSON object."""
    try:
        arguments = _arguments(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return None
    written: dict[str, Any] = {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}
    return written | {"thoughtSignature": call.signature} if call.signature else written


def usage_metadata(usage: Usage, tier: str = "") -> dict[str, Any]:
    """Usage as Gemini counts: thoughts are not among the candidates' tokens."""
    written: dict[str, Any] = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": max(0, usage.completion - usage.reasoning),
        "totalTokenCount": usage.prompt + usage.completion,
    }
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.cached:
        written["cachedContentTokenCount"] = usage.cached
    if details := _details({"AUDIO": usage.audio_in, "IMAGE": usage.image_in}):
        written["promptTokensDetails"] = details
    if details := _details({"AUDIO": usage.audio_out, "IMAGE": usage.image_out}):
        written["candidatesTokensDetails"] = details
    if tier or usage.tier:
        written["serviceTier"] = tier or usage.tier
    return written


def _details(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]


def logprobs_result(chances: Iterable[TokenChance]) -> dict[str, Any]:
    """The tokens chosen, and the likeliest at each place."""
    chosen = list(chances)
    tops = [{"candidates": [_chance(other) for other in one.others]} for one in chosen]
    return {"chosenCandidates": [_chance(one) for one in chosen], "topCandidates": tops}


def _chance(chance: TokenChance) -> dict[str, Any]:
    return {"token": chance.token, "logProbability": chance.logprob}
