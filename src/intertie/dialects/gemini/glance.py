"""What answers and stream chunks say, and what they tell: usage, errors, the end. The shapes that all readers share.

Usage (Gemini's `usageMetadata`): `promptTokenCount` holds the cached tokens, not those of tools' results;
`candidatesTokenCount` holds no thoughts. In a stream each chunk repeats it, grown: the last figure is the sum.
"""

from typing import Annotated

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading
from intertie.dialects.gemini.spelling import ABSENT


class _Modality(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(msgspec.Struct, rename="camel", omit_defaults=True):
    """Tokens as Gemini counts them."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class Blob(msgspec.Struct, rename="camel"):
    """Bytes by value, in base64."""

    data: str | None = None
    mime_type: str | None = None


class FunctionCall(msgspec.Struct):
    """A call of a tool; `args` is a JSON object."""

    name: str | None = None
    args: msgspec.Raw = ABSENT
    id: str | None = None


class Part(msgspec.Struct, rename="camel"):
    """One part of a candidate; what is not looked for here is skipped."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    function_call: FunctionCall | None = None


class _Content(msgspec.Struct):
    parts: list[Part] | None = None


class _Web(msgspec.Struct):
    uri: str | None = None
    title: str | None = None


class _GroundingChunk(msgspec.Struct, rename="camel"):
    web: _Web | None = None
    retrieved_context: _Web | None = None
    maps: _Web | None = None


class Segment(msgspec.Struct, rename="camel"):
    """A piece of a part's text, its ends counted in bytes of UTF-8."""

    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class _GroundingSupport(msgspec.Struct, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(msgspec.Struct, rename="camel"):
    """What an answer rests on, and which searches were made for it."""

    grounding_chunks: list[_GroundingChunk] | None = None
    grounding_supports: list[_GroundingSupport] | None = None
    web_search_queries: list[str] | None = None


class Chance(msgspec.Struct, rename="camel"):
    """A token and the natural logarithm of its probability."""

    token: str | None = None
    log_probability: float | None = None


class _TopChances(msgspec.Struct):
    candidates: list[Chance] | None = None


class Logprobs(msgspec.Struct, rename="camel"):
    """The tokens that were chosen, and the likeliest at each place."""

    chosen_candidates: list[Chance] | None = None
    top_candidates: list[_TopChances] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers, or the next piece of it; `finish_reason` comes with the last."""

    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    logprobs_result: Logprobs | None = None
    grounding_metadata: Grounding | None = None


class Feedback(msgspec.Struct, rename="camel"):
    """Why a prompt was blocked; then there are no candidates."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """A whole answer, or one chunk of a stream: they have the same shape."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: object = None

    @property
    def blocked(self) -> str:
        """Why the prompt was blocked, "" if it was not."""
        return (self.prompt_feedback and self.prompt_feedback.block_reason) or ""


class _Code(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=400, le=599)]


_chunk = msgspec.json.Decoder(Chunk).decode
_encode = msgspec.json.Encoder().encode
_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex", "PROVISIONED_THROUGHPUT": "provisioned"}
_STANDARD = ("standard", "unspecified")


def read_chunk(data: bytes) -> Chunk:
    """A whole answer, or the data of one stream event. Raises ValueError if it is not this dialect."""
    try:
        return _chunk(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def glance(answer: bytes) -> Reading:
    """What a whole answer, or a chunk, tells. Raises ValueError if it is not this dialect."""
    return reading_of(read_chunk(answer))


def reading_of(chunk: Chunk) -> Reading:
    """What an answer or a chunk tells. Raises ValueError for a usage that nobody can have."""
    if chunk.error:
        return _error(chunk.error)
    return Reading(usage_of(chunk), only_usage=not chunk.candidates and not chunk.blocked)


def _error(error: object) -> Reading:
    """An error that came under status 200, with the status that it names itself."""
    try:
        code = msgspec.convert(error, _Code, strict=False).code
    except msgspec.ValidationError:
        code = 502
    return Reading(error=_encode({"error": error}), status=code)


def usage_of(chunk: Chunk) -> Usage | None:
    """The usage, counted as `core.usage` does. Raises ValueError if it is more than any engine's."""
    told = chunk.usage_metadata
    if told is None:
        return None
    prompt = _count(told.prompt_token_count) + _count(told.tool_use_prompt_token_count)
    reasoning = _count(told.thoughts_token_count)
    completion = _count(told.candidates_token_count) + reasoning
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS} tokens")
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=min(prompt, _count(told.cached_content_token_count)),
        reasoning=reasoning,
        audio_in=min(prompt, _of_kind(told.prompt_tokens_details, "AUDIO")),
        image_in=min(prompt, _of_kind(told.prompt_tokens_details, "IMAGE")),
        audio_out=min(completion, _of_kind(told.candidates_tokens_details, "AUDIO")),
        image_out=min(completion, _of_kind(told.candidates_tokens_details, "IMAGE")),
        searches=_searches(chunk),
        tier=_tier(told),
    )


def _count(told: int | None) -> int:
    return max(0, told or 0)


def _of_kind(details: list[_Modality] | None, kind: str) -> int:
    return sum(_count(one.token_count) for one in details or () if one.modality == kind)


def _searches(chunk: Chunk) -> int:
    """The searches made: Google sells grounding by the query."""
    grounds = [one.grounding_metadata for one in chunk.candidates or ()]
    return sum(len(one.web_search_queries or ()) for one in grounds if one is not None)


def _tier(told: UsageMetadata) -> str:
    """The tier really used: `serviceTier` of the Gemini API, `trafficType` of Vertex; "" is the standard."""
    tier = told.service_tier.lower().removeprefix("service_tier_") if told.service_tier else ""
    return "" if tier in _STANDARD else tier or _TIERS.get(told.traffic_type or "", "")
