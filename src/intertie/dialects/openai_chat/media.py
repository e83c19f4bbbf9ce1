"""Bytes by value in URLs (RFC 2397), and OpenAI's names for forms of sound."""

from typing import Final

AUDIO_TYPES: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aiff": "audio/aiff",
    "webm": "audio/webm",
    "pcm16": "audio/pcm",
}
"""Media types by OpenAI's format; OpenAI takes wav and mp3, others of this dialect more."""

AUDIO_FORMATS: Final = {type_: name for name, type_ in AUDIO_TYPES.items()} | {
    "audio/mp3": "mp3",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
}


def from_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a `data:` URL; None if it is none, or its data are not base64."""
    head, comma, data = url.partition(",")
    scheme, _, rest = head.partition(":")
    kind, *parameters = rest.split(";")
    if scheme.lower() != "data" or not comma or "base64" not in (parameters[-1:] or [""]):
        return None
    return kind.strip().lower(), data


def to_data_url(media_type: str, data: str) -> str:
    """A `data:` URL of base64."""
    return f"data:{media_type};base64,{data}"


def is_web_url(url: str) -> bool:
    """Whether it is an address on the web."""
    return url.startswith(("https://", "http://"))
