"""From a whole answer of Gemini to an answer in everybody's words; it is read tolerantly, unknown parts are skipped."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from intertie.core.chat import (
    Answer,
    Audio,
    Choice,
    Citation,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    TokenChance,
    ToolCall,
)
from intertie.dialects.gemini.glance import Candidate, Chance, Chunk, FunctionCall, Logprobs, read_chunk, usage_of
from intertie.dialects.gemini.glance import Part as Told
from intertie.dialects.gemini.grounds import citations_of
from intertie.dialects.gemini.reasons import stop_reason

_LONGEST_ID: Final = 64
_not_in_ids = re.compile(r"[^A-Za-z0-9_-]")


def body_to_answer(body: bytes) -> Answer:
    """Read an answer. Raises ValueError if it is not this dialect, or holds neither an answer nor why there is none."""
    chunk = read_chunk(body)
    usage = usage_of(chunk)
    candidates = chunk.candidates or []
    if not candidates and not chunk.blocked:
        raise ValueError("an answer without candidates")
    choices = [_choice(one, chunk.response_id or "", place) for place, one in enumerate(candidates)]
    return Answer(
        id=chunk.response_id or "",
        model=chunk.model_version or "",
        choices=tuple(choices) or (Choice(parts=(blocked(chunk),), stop="filter", stop_name=chunk.blocked),),
        usage=usage,
        created=created(chunk),
        tier=usage.tier if usage is not None else "",
    )


def blocked(chunk: Chunk) -> Refusal:
    """What is said where the prompt was blocked."""
    told = chunk.prompt_feedback and chunk.prompt_feedback.block_reason_message
    return Refusal(told or f"The prompt was blocked: {chunk.blocked}.")


def created(chunk: Chunk) -> int:
    """When the request was made, in seconds since 1970; 0 where it is not told."""
    try:
        when = datetime.fromisoformat(chunk.create_time or "")
    except ValueError:
        return 0
    return 0 if when.tzinfo is None else int(when.timestamp())


def _choice(candidate: Candidate, answer: str, place: int) -> Choice:
    told = (candidate.content and candidate.content.parts) or []
    finish = candidate.finish_reason or ""
    cited: dict[int, list[Citation]] = {}
    if candidate.grounding_metadata is not None:
        for part, citation in citations_of(candidate.grounding_metadata, [one.text or "" for one in told]):
            cited.setdefault(part, []).append(citation)
    parts: list[Part] = []
    calls = 0
    for index, part in enumerate(told):
        if part.function_call is not None:
            parts.append(call_of(part, part.function_call, call_id(part.function_call, answer, place, calls)))
            calls += 1
        else:
            parts.extend(_spoken(part, tuple(cited.get(index, ()))))
    stop, name = stop_reason(finish, called=calls > 0)
    return Choice(
        parts=tuple(parts),
        stop=stop,
        stop_name=name,
        chances=chances_of(candidate.logprobs_result),
    )


def _spoken(part: Told, citations: tuple[Citation, ...]) -> Iterator[Part]:
    """Words, thoughts, pictures and sounds. The signature of what is no thought follows it as one without words."""
    signature = part.thought_signature or ""
    if part.thought:
        yield Reasoning(part.text or "", signature, summary=True, origin="gemini")
        return
    if part.text:
        yield Text(part.text, citations=citations)
    elif (media := media_of(part)) is not None:
        yield media
    if signature:
        yield Reasoning(signature=signature, summary=True, origin="gemini")


def media_of(part: Told) -> Image | Audio | None:
    """A picture or a sound that the model made."""
    blob = part.inline_data
    if blob is None or not blob.data:
        return None
    kind = blob.mime_type or ""
    media = Media(type=kind, data=blob.data)
    return Image(media) if kind.startswith("image/") else Audio(media) if kind.startswith("audio/") else None


def call_of(part: Told, told: FunctionCall, name: str) -> ToolCall:
    """A tool call under this id."""
    return ToolCall(name, told.name or "", arguments_of(told), signature=part.thought_signature or "")


def arguments_of(told: FunctionCall) -> str:
    """The arguments as JSON text."""
    raw = bytes(told.args)
    return raw.decode() if raw[:1] == b"{" else "{}"


def call_id(told: FunctionCall, answer: str, choice: int, place: int) -> str:
    """The call's own id, or one made of its answer's id and its place: unlike all others of a conversation."""
    made = "_".join(("call", *([answer] if answer else []), str(choice), str(place)))
    return _not_in_ids.sub("-", told.id or made)[:_LONGEST_ID]


def chances_of(logprobs: Logprobs | None) -> tuple[TokenChance, ...]:
    """Each chosen token with the likeliest in its place."""
    if logprobs is None:
        return ()
    tops = [one.candidates or [] for one in logprobs.top_candidates or []]
    return tuple(
        msgspec.structs.replace(_chance(chosen), others=tuple(map(_chance, tops[at] if at < len(tops) else ())))
        for at, chosen in enumerate(logprobs.chosen_candidates or [])
    )


def _chance(told: Chance) -> TokenChance:
    return TokenChance(told.token or "", told.log_probability or 0.0)
