"""What whole answers and chunks say alike: how the caller wants it, why it ends, how likely tokens were, what it used.

A reason to stop that OpenAI has no word for is told as `stop`, with its own name in `native_finish_reason` as
OpenRouter does it: clients check `finish_reason` against OpenAI's list.
"""

from typing import Final

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Citation, StopReason, TokenChance
from intertie.core.usage import Usage
from intertie.dialects.openai_chat.chat_to_body import TIERS
from intertie.dialects.openai_chat.turns_to_messages import Json

_FINISHES: Final[dict[StopReason, str]] = {
    "end": "stop",
    "length": "length",
    "tool": "tool_calls",
    "sequence": "stop",
    "filter": "content_filter",
    "pause": "stop",
    "other": "stop",
}


class _Reasoning(msgspec.Struct):
    exclude: bool | None = None


_reasoning = msgspec.json.Decoder(_Reasoning | None).decode


class Manner(msgspec.Struct, frozen=True):
    """How a caller wants its answer: with the old `function_call`, and whether thoughts are shown."""

    old_functions: bool = False
    thoughts: bool = True


def manner_of(call: Call) -> Manner:
    """The manner that a call asks for."""
    told = _reasoning(call.fields.get("reasoning", b"null"))
    return Manner("functions" in call.fields, not (told and told.exclude))


def finish(reason: StopReason, name: str, manner: Manner) -> Json:
    """The fields that say why a choice ends."""
    told: Json = {"finish_reason": _FINISHES[reason]}
    if reason == "tool" and manner.old_functions:
        told["finish_reason"] = "function_call"
    if native := name or ("pause" if reason == "pause" else ""):
        told["native_finish_reason"] = native
    return told


def logprobs(chances: tuple[TokenChance, ...], *, refused: bool) -> Json:
    """The probabilities of tokens, of words or of words of refusal."""
    told = [_token(chance) | {"top_logprobs": [_token(other) for other in chance.others]} for chance in chances]
    return {"content": None, "refusal": told} if refused else {"content": told, "refusal": None}


def _token(chance: TokenChance) -> Json:
    return {"token": chance.token, "logprob": chance.logprob, "bytes": chance.bytes}


def annotation(citation: Citation, start: int, end: int) -> Json:
    """A citation of the text that lies from `start` to `end` in the message: of all of it, where it does not say."""
    told: Json = {
        "url": citation.url,
        "title": citation.title,
        "start_index": start + citation.start if citation.start >= 0 else start,
        "end_index": start + citation.end if citation.end >= 0 else end,
    }
    return {"type": "url_citation", "url_citation": told | ({"content": citation.quote} if citation.quote else {})}


def usage_told(usage: Usage) -> Json:
    """Usage in OpenAI's words; `cache_write_tokens`, `image_tokens` and searches only where there are some."""
    read: Json = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_in}
    made: Json = {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_out}
    if usage.written or usage.written_1h:
        read["cache_write_tokens"] = usage.written + usage.written_1h
    if usage.image_in:
        read["image_tokens"] = usage.image_in
    if usage.image_out:
        made["image_tokens"] = usage.image_out
    told: Json = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": read,
        "completion_tokens_details": made,
    }
    return told | ({"num_search_queries": usage.searches} if usage.searches else {})


def tier_told(tier: str) -> str | None:
    """A service tier in OpenAI's words; None where it has none for it, or it was not told."""
    return "default" if tier == "standard" else tier if tier in TIERS else None
