"""Pictures, files and sounds: between the parts of a message here and the parts of a chat."""

import re
from typing import Final

from intertie.core.chat import Audio, Document, Image, Mark, Media
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_responses.items import Breakpoint, InputAudio, InputFile, InputImage

_LONGEST_HEAD: Final = 256  # of a data URL, before its comma
_data_head = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[^;,]+)*;base64", re.ASCII)
_SOUNDS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_FORMATS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}


def mark_of(told: Breakpoint | None) -> Mark:
    """A breakpoint as a mark: the shorter time, or the longer."""
    return "" if told is None else "1h" if told.ttl == "12h" else "5m"


def image_of(part: InputImage, where: str) -> Image:
    """Raises InvalidRequest for what is no picture, or not exactly one."""
    _exactly_one(where, image_url=part.image_url, file_id=part.file_id)
    if part.image_url is None:
        media = Media(file=part.file_id or "")
    else:
        media = _media(part.image_url, f"{where}.image_url")
        if media.data and not media.type.startswith("image/"):
            raise _wrong(f"{where}.image_url", f"expected an image, but got '{media.type}'")
    return Image(media, part.detail or "", mark_of(part.prompt_cache_breakpoint))


def document_of(part: InputFile, where: str) -> Document:
    """Raises InvalidRequest if there is not exactly one file. Base64 alone is a file of a type unknown here."""
    _exactly_one(where, file_data=part.file_data, file_url=part.file_url, file_id=part.file_id)
    if part.file_data is not None:
        named = part.file_data.startswith("data:")
        media = _media(part.file_data, f"{where}.file_data") if named else Media(data=part.file_data)
    elif part.file_url is not None:
        media = _media(part.file_url, f"{where}.file_url")
    else:
        media = Media(file=part.file_id or "")
    return Document(media, part.filename or "", mark=mark_of(part.prompt_cache_breakpoint))


def audio_of(part: InputAudio) -> Audio:
    """A sound in one of the two formats there are."""
    return Audio(Media(type=_SOUNDS[part.input_audio.format], data=part.input_audio.data))


def data_url(media: Media, otherwise: str) -> str:
    """Bytes as a data URL; `otherwise` is the type where it is not known."""
    return f"data:{media.type or otherwise};base64,{media.data}"


def sound_format(media: Media) -> str:
    """The format of a sound given by value; "" if it cannot be said here."""
    return _FORMATS.get(media.type, "") if media.data else ""


def _media(url: str, where: str) -> Media:
    if url.startswith(("https://", "http://")):
        return Media(url=url)
    comma = url.find(",", 0, _LONGEST_HEAD)
    head = _data_head.fullmatch(url, 0, comma) if comma > 0 else None
    if head is None or len(url) == comma + 1:
        raise _wrong(where, "expected an address (http, https) or a data URL in base64")
    return Media(type=head[1].lower(), data=url[comma + 1 :])


def _exactly_one(where: str, **given: str | None) -> None:
    if sum(value is not None for value in given.values()) != 1:
        names = " or ".join(f"'{name}'" for name in given)
        raise _wrong(where, f"expected exactly one of {names}")


def _wrong(where: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{where}': {what}.", code="invalid_value", param=where)
