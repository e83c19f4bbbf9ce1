"""What endpoints send in a session: read as far as it tells of responses, of money and of what the session is."""

from typing import Final, NamedTuple

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.faults import Fault, UpstreamGarbled
from intertie.core.usage import NOTHING, Usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.openai_responses.glance import error_reading

_CHARS_A_TOKEN: Final = 3_200
"""Base64 of an endpoint's speech for one token: 50 ms of 24 kHz PCM (OpenAI, "Managing costs")."""


class _Type(msgspec.Struct):
    type: str = ""


class _CachedDetails(msgspec.Struct):
    audio_tokens: int | None = 0
    image_tokens: int | None = 0


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0
    cached_tokens_details: _CachedDetails | None = None


class _OutputDetails(msgspec.Struct):
    audio_tokens: int | None = 0
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct):
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    input_token_details: _InputDetails | None = None
    output_token_details: _OutputDetails | None = None


class _Details(msgspec.Struct):
    error: object = None


class _Response(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    conversation_id: str | None = None
    status_details: _Details | None = None
    usage: _Usage | None = None


class _ResponseEvent(msgspec.Struct):
    response: _Response


class _TurnDetection(msgspec.Struct):
    create_response: bool | None = True


class _Input(msgspec.Struct):
    turn_detection: _TurnDetection | msgspec.UnsetType | None = msgspec.UNSET


class _Audio(msgspec.Struct):
    input: _Input | None = None


class _Session(msgspec.Struct):
    audio: _Audio | None = None
    turn_detection: _TurnDetection | msgspec.UnsetType | None = msgspec.UNSET


class _SessionEvent(msgspec.Struct):
    session: _Session


class _Error(msgspec.Struct):
    event_id: str | None = None


class _ErrorEvent(msgspec.Struct):
    error: _Error


class _Delta(msgspec.Struct):
    response_id: str = ""
    delta: str = ""


class _Item(msgspec.Struct):
    type: str = ""


class _ItemEvent(msgspec.Struct):
    item: _Item


class Done(NamedTuple):
    """A response that has ended: its usage, None where none was told; whether it went into the conversation, so that
    the usage tells of all that was said so far; and why it failed, if it did.
    """

    id: str
    usage: Usage | None
    in_conversation: bool
    fault: Fault | None


_type = msgspec.json.Decoder(_Type).decode
_response = msgspec.json.Decoder(_ResponseEvent).decode
_sessions = msgspec.json.Decoder(_SessionEvent).decode
_error = msgspec.json.Decoder(_ErrorEvent).decode
_delta = msgspec.json.Decoder(_Delta).decode
_item = msgspec.json.Decoder(_ItemEvent).decode


def type_of(data: bytes) -> str:
    """The type of an event. Raises UpstreamGarbled for what is none."""
    try:
        return _type(data).type
    except (msgspec.DecodeError, RecursionError) as error:
        raise _garbled(error) from None


def created(data: bytes) -> str:
    """The id of a response that begins. Raises UpstreamGarbled where none is told."""
    try:
        name = _response(data).response.id
    except (msgspec.DecodeError, RecursionError) as error:
        raise _garbled(error) from None
    if not name:
        raise UpstreamGarbled("A response began without an id.")
    return name


def done(data: bytes) -> Done:
    """A response that has ended. Raises UpstreamGarbled."""
    try:
        response = _response(data).response
    except (msgspec.DecodeError, RecursionError) as error:
        raise _garbled(error) from None
    fault = None
    if response.status == "failed":
        reading = error_reading(response.status_details.error if response.status_details else None)
        fault = told_under_200(reading.status, reading.error)
    usage = _usage(response.usage)
    return Done(response.id or "", usage, response.conversation_id is not None, fault)


def failed_event(data: bytes) -> str:
    """The id of the caller's event that an error is about, "" if none is named."""
    try:
        return _error(data).error.event_id or ""
    except (msgspec.DecodeError, RecursionError):
        return ""


def makes_responses(data: bytes) -> bool:
    """Whether an endpoint makes responses by itself when somebody has spoken; taken so where it is not told."""
    try:
        session = _sessions(data).session
    except (msgspec.DecodeError, RecursionError):
        return True
    told = session.audio.input.turn_detection if session.audio and session.audio.input else session.turn_detection
    if isinstance(told, _TurnDetection):
        return told.create_response is not False
    return told is msgspec.UNSET


def grown(kind: str, data: bytes) -> tuple[str, int]:
    """The response that a delta belongs to, and about how many tokens it carries: the estimate where no usage comes."""
    try:
        delta = _delta(data)
    except (msgspec.DecodeError, RecursionError):
        return "", 1
    return delta.response_id, 1 + len(delta.delta) // _CHARS_A_TOKEN if "audio.delta" in kind else 1


def own_words(data: bytes) -> int:
    """Bytes of an item that the endpoint said to its model by itself: what tools of its own are, and gave back."""
    try:
        return len(data) if _item(data).item.type.startswith("mcp") else 0
    except (msgspec.DecodeError, RecursionError):
        return len(data)


def _usage(told: _Usage | None) -> Usage | None:
    """Usage as all dialects count it; audio and pictures are those that were not read from the cache."""
    if told is None:
        return None
    prompt, completion = _count(told.input_tokens), _count(told.output_tokens)
    if prompt > MOST_TOKENS or completion > MOST_TOKENS:
        raise UpstreamGarbled(f"The endpoint told a usage of more than {MOST_TOKENS} tokens.")
    if not prompt and not completion:
        return NOTHING
    into, out = told.input_token_details or _InputDetails(), told.output_token_details or _OutputDetails()
    kept = into.cached_tokens_details or _CachedDetails()
    cached = min(prompt, _count(into.cached_tokens))
    audio = max(0, _count(into.audio_tokens) - _count(kept.audio_tokens))
    image = max(0, _count(into.image_tokens) - _count(kept.image_tokens))
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=cached,
        audio_in=min(prompt - cached, audio),
        image_in=min(max(0, prompt - cached - audio), image),
        audio_out=min(completion, _count(out.audio_tokens)),
        reasoning=min(max(0, completion - _count(out.audio_tokens)), _count(out.reasoning_tokens)),
    )


def _count(told: int | None) -> int:
    return max(0, told or 0)


def _garbled(error: Exception) -> UpstreamGarbled:
    return UpstreamGarbled(f"An event is not what its dialect promises: {error}")
