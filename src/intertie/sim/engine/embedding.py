"""Deterministic embeddings: unit vectors that lie close together where texts share words (feature hashing)."""

import base64
import math
import struct
from hashlib import blake2b

DIMENSIONS = 384


def embed(text: bytes, dimensions: int = DIMENSIONS) -> list[float]:
    """A unit vector. Every word pushes eight of its axes; the text as a whole pushes one a little, so none is empty."""
    vector = [0.0] * dimensions
    for word in text.lower().split():
        digest = blake2b(word, digest_size=32).digest()
        for (axis,) in struct.iter_unpack("<I", digest):
            vector[(axis >> 1) % dimensions] += 1.0 if axis & 1 else -1.0
    vector[int.from_bytes(blake2b(text, digest_size=4).digest(), "little") % dimensions] += 0.5
    length = math.sqrt(sum(each * each for each in vector))
    return [each / length for each in vector] if length else [1.0, *vector[1:]]


def packed(vector: list[float]) -> str:
    """Little-endian 32-bit floats in base 64, as OpenAI's SDK asks for by default."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
