"""What answers tell: usage by the unit that is sold, and errors.

Where an answer tells no usage, what was asked for is known: characters to be spoken, a recording's length, pictures.
"""

import re
from typing import Annotated, Final

import msgspec

from intertie.core.call import Call
from intertie.core.usage import NOTHING, Usage
from intertie.dialects import audio
from intertie.dialects.cohere.glance import Meta, count, usage_of
from intertie.dialects.dialect import Reading
from intertie.dialects.openai_media.bounds import spoken_tokens

_MOST_SECONDS = 1 << 22
_PAGES_OF_ERRORS = (b"<!doctype", b"<html")
_PCM_BYTES_PER_S = 48_000  # 24 kHz, 16 bits, as the API makes it
_LAST: Final = frozenset((
    "image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done",
))  # fmt: skip
_times = re.compile(rb"(?:(\d{1,4}):)?(\d{2}):(\d{2})[.,](\d{3})\s*$", re.MULTILINE)


class _Kinds(msgspec.Struct):
    """Of which kind tokens were."""

    image_tokens: int | None = 0
    audio_tokens: int | None = 0
    cached_tokens: int | None = 0


class _Usage(msgspec.Struct):
    """Tokens as OpenAI's newer operations tell them, as engines do, or the length of a recording."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    seconds: float | None = None
    input_tokens_details: _Kinds | None = None
    input_token_details: _Kinds | None = None
    output_tokens_details: _Kinds | None = None


class _Drawn(msgspec.Struct):
    """What the model used that wrote an SVG."""

    input_tokens: int = 0
    output_tokens: int = 0


class _Told(msgspec.Struct):
    """What is looked for in answers and events; the rest is only checked to be JSON."""

    type: str = ""
    error: object = None
    usage: _Usage | None = None
    svg_usage: _Drawn | None = None
    data: list[msgspec.Raw] | None = None
    meta: Meta | None = None
    duration: float | str | None = None


class _Code(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=400, le=599)]


_told = msgspec.json.Decoder(_Told).decode
_encode = msgspec.json.Encoder().encode


def glance(answer: bytes, call: Call) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not what this operation answers with."""
    if call.operation == "speech" and not answer.startswith(b"{"):
        return Reading(_spoken(answer, call))
    if call.operation in ("transcription", "translation") and not answer.startswith(b"{"):
        return Reading(_written(answer, call))
    return read(answer, call)


def read(text: bytes, call: Call) -> Reading:
    """What an answer in JSON tells. Raises ValueError if it is none."""
    told = _decoded(text)
    return _error(told.error) if told.error else Reading(_used(told, call))


def read_event(data: bytes, call: Call) -> tuple[Reading, bool]:
    """What an event of a stream tells, and whether a picture, transcript or speech is whole with it."""
    told = _decoded(data)
    if told.error:
        return _error(told.error), False
    last = told.type in _LAST
    return Reading(_used(told, call) if last or told.usage is not None else None), last


def _decoded(text: bytes) -> _Told:
    try:
        return _told(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _used(told: _Told, call: Call) -> Usage:
    """The usage that was told, and else what is known of it."""
    usage = told.usage
    if call.operation == "moderations" and usage is None:
        return NOTHING  # it costs nothing
    if billed := usage_of(told.meta):
        return billed
    if usage is None:
        return _known(told, call)
    if usage.seconds is not None:
        return Usage(audio_ms=_milliseconds(usage.seconds))
    return _tokens(usage, told, call)


def _tokens(usage: _Usage, told: _Told, call: Call) -> Usage:
    prompt = count(_first(usage.input_tokens, usage.prompt_tokens, usage.total_tokens))
    completion = count(_first(usage.output_tokens, usage.completion_tokens))
    before = usage.input_tokens_details or usage.input_token_details or _Kinds()
    after = usage.output_tokens_details
    image_in = min(prompt, count(before.image_tokens))
    audio_in = min(prompt - image_in, count(before.audio_tokens))
    images = _pictures(told, call)
    image_out = 0 if not images else completion if after is None else min(completion, count(after.image_tokens))
    drawn = told.svg_usage or _Drawn()
    return Usage(
        prompt=prompt + count(drawn.input_tokens),
        completion=completion + count(drawn.output_tokens),
        cached=min(prompt, count(before.cached_tokens)),
        image_in=image_in,
        audio_in=audio_in,
        image_out=image_out,
        audio_out=completion if call.operation == "speech" else 0,
        images=images,
        characters=call.units.characters,
    )


def _known(told: _Told, call: Call) -> Usage:
    """What was used as far as the call and the answer show it, without a figure from the endpoint."""
    if told.duration is not None:
        return Usage(audio_ms=_milliseconds(told.duration))
    images = _pictures(told, call)
    if images:
        return Usage(prompt=call.prompt_tokens, images=images, estimated=True)
    return Usage(
        prompt=call.prompt_tokens,
        audio_ms=call.units.audio_ms,
        characters=call.units.characters,
        searches=call.units.searches,
        estimated=True,
    )


def _pictures(told: _Told, call: Call) -> int:
    """How many pictures came: a whole answer has them in a list, an event is about one."""
    if call.operation not in ("images", "image_edits"):
        return 0
    return 1 if told.data is None else len(told.data)


def _spoken(answer: bytes, call: Call) -> Usage:
    """Sound tells no usage: its characters are known, its tokens estimated from how long it lasts."""
    if not answer or answer[:16].lower().startswith(_PAGES_OF_ERRORS):
        raise ValueError("no sound")
    characters = call.units.characters
    length = audio.told_ms(answer) if audio.kind_of(answer) else len(answer) * 1_000 // _PCM_BYTES_PER_S
    tokens = spoken_tokens(characters, length)
    return Usage(call.prompt_tokens, tokens, audio_out=tokens, characters=characters, estimated=True)


def _written(answer: bytes, call: Call) -> Usage:
    """Plain text and subtitles tell no usage; but subtitles tell how long it was spoken."""
    if answer[:16].lower().startswith(_PAGES_OF_ERRORS):
        raise ValueError("a web page")
    ends = _times.findall(answer[-4_096:])
    length = call.units.audio_ms
    if ends:
        hours, minutes, seconds, thousandths = (int(part or 0) for part in ends[-1])
        length = min(length, ((hours * 60 + minutes) * 60 + seconds) * 1_000 + thousandths)
    return Usage(call.prompt_tokens, audio_ms=length, estimated=True)


def _error(error: object) -> Reading:
    """An error under status 200; some endpoints put the status they mean into its `code`."""
    try:
        code = msgspec.convert(error, _Code, strict=False).code
    except msgspec.ValidationError:
        code = 502
    return Reading(error=_encode({"error": error}), status=code)


def _first(*figures: int | None) -> int | None:
    return next((figure for figure in figures if figure is not None), None)


def _milliseconds(seconds: float | str) -> int:
    length = float(seconds)
    if not 0 <= length <= _MOST_SECONDS:
        raise ValueError(f"a recording of {length} seconds")
    return -int(-length * 1_000 // 1)
