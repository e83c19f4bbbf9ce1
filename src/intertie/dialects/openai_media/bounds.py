"""The most that a call can use of what its size does not tell: tokens of pictures, speech to be spoken, searches."""

import re
from typing import Final

SPOKEN_PER_S: Final = 21
"""Tokens of a second of speech that is made: 0.015 USD a minute at 12 USD per million (gpt-4o-mini-tts, 2026-10)."""

_CHARACTERS_PER_S: Final = 14  # English, at an even pace
_TOKENS_PER_CHARACTER: Final = 8  # 2.6 characters a second: slower than any language is spoken
_PARTIAL: Final = 100  # tokens of each partial image ("Image generation", Streaming, read 2026-10-30)
_LARGEST: Final = 2_880  # a square of 8,294,400 pixels, the most that any model makes
_CHUNK_BYTES: Final = 1_000  # 500 tokens of at least two bytes
_LEAST_ROOM: Final = 200
_CHUNKS_PER_SEARCH: Final = 100
_size = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")

_QUALITY: Final = {"low": (16, 408), "medium": (48, 1_584)}
"""Factor of the formula of gpt-image-2, and the most tokens of older models ("Image generation", read 2026-10-30)."""

_BEST: Final = (96, 6_240)  # high, xhigh, max, and whatever else: also what `auto` may turn out to be


def image_tokens(size: str, quality: str, partial_images: int) -> int:
    """Output tokens of one picture at most.

    The formula is OpenAI's calculator's for gpt-image-2, as worked out in the vendor's forum (thread 1382699):
    factor x round(factor x shorter / longer side) x (2,000,000 + pixels) / 4,000,000. The models 2.5 and 2.6 do with
    less in every quality that gpt-image-2 has, and their `max` is its `high`.
    """
    factor, older = _QUALITY.get(quality, _BEST)
    match = _size.fullmatch(size)
    width, height = (int(match[1]), int(match[2])) if match else (_LARGEST, _LARGEST)
    short, long = min(width, height), max(width, height)
    across = (2 * factor * short + long) // (2 * long)
    newer = -(-factor * across * (2_000_000 + width * height) // 4_000_000)
    return max(newer, older) + partial_images * _PARTIAL


def speech_tokens(characters: int, speed: float) -> int:
    """Tokens of so much text spoken, at most; slow speech has more."""
    return int(characters * _TOKENS_PER_CHARACTER / min(1.0, speed)) + SPOKEN_PER_S


def spoken_tokens(characters: int, length_ms: int | None) -> int:
    """Tokens of speech that was made, likely: by how long it lasts, where that is known."""
    if length_ms is None:
        return -(-characters * SPOKEN_PER_S // _CHARACTERS_PER_S)
    return -(-length_ms * SPOKEN_PER_S // 1_000)


def searches(query: bytes, documents: list[bytes]) -> int:
    """Search units of a rerank, at most: one for each 100 documents.

    A document that, with the query, has more than 500 tokens counts as several ("Pricing", docs.cohere.com, 2026-10).
    """
    room = max(_LEAST_ROOM, _CHUNK_BYTES - len(query))
    chunks = sum(1 + len(document) // room for document in documents)
    return -(-chunks // _CHUNKS_PER_SEARCH)
