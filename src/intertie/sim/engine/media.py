"""Pictures, sounds and files in a prompt: are the bytes what they are said to be, and what stands for them there."""

import base64
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from intertie.sim.engine.text import BYTES_PER_TOKEN

MEDIA_TOKENS: Final = 340
"""What a picture, a sound or a file counts as."""

_BEGINNINGS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType({
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
    "audio/wav": (b"RIFF",),
})  # fmt: skip


def decoded(data: str) -> bytes | None:
    """Bytes from base64; None if they are none, or there are none."""
    try:
        return base64.b64decode(data, validate=True) or None
    except ValueError:
        return None


def from_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a `data:` URL; None if it is another URL, or a broken one."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head.removeprefix("data:").removesuffix(";base64"), data


def is_what_it_says(kind: str, data: bytes) -> bool:
    """Whether the bytes begin as their media type does; of a type that is not known here nobody can tell."""
    return kind not in _BEGINNINGS or data.startswith(_BEGINNINGS[kind])


def stand_in(seen: bytes) -> bytes:
    """What stands in a prompt for what is no text: of fixed size; equal media, equal bytes."""
    mark = blake2b(seen, digest_size=20).hexdigest().encode()
    size = MEDIA_TOKENS * BYTES_PER_TOKEN
    return (mark * (size // len(mark) + 1))[:size]
