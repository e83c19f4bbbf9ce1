"""Pictures: how large they are, read from their first bytes, and how many tokens that is.

Each vendor counts in its own way, all from width and height alone (documentation read 2026-10-30):

- OpenAI, guide "Images and vision": patches of 32 px times 1.2, at most 30,000 of them (GPT-5.6 and later, which refuse
  more); older small models at most 1,536 patches times 2.46; older large ones fit into 2,048 px, the shorter side into
  768 px, and count 85 and 170 for each tile of 512 px. (gpt-4o-mini alone counts 33 times that, at a price as low.)
- Anthropic, "Images and vision": patches of 28 px, at most 4,784. The old formula, width x height / 750, came close.
- Google, "Understand and count tokens", "Media resolution": up to 384 px 258, else 258 for each tile; from Gemini 3 on
  1,120 whatever the size, 2,240 at most.
"""

from typing import Final, NamedTuple

UNKNOWN: Final = 1_500
"""What a picture that cannot be seen (a URL) is taken for: one of about a megapixel."""

WORST: Final = 36_000
"""More than any picture costs anywhere: OpenAI's 30,000 patches times 1.2."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_GIFS = (b"GIF87a", b"GIF89a")
_SEGMENTS: Final = 512  # a JPEG's size stands behind its metadata, which has seldom more than a dozen
_NO_SIZE = frozenset((0xC4, 0xC8, 0xCC))  # among the markers C0 … CF: tables, reserved, arithmetic coding


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def kind_of(data: bytes) -> str:
    """png, jpeg, webp or gif by the first bytes; "" for anything else."""
    if data.startswith(_PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpeg"
    if data.startswith(_GIFS):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def size_of(data: bytes) -> Size | None:
    """The size that a picture's header tells; None if it is no picture, or too little of one."""
    kind = kind_of(data)
    if kind == "png":
        size = Size(_big(data, 16, 4), _big(data, 20, 4)) if data[12:16] == b"IHDR" and len(data) >= 24 else None
    elif kind == "gif":
        size = Size(_little(data, 6, 2), _little(data, 8, 2)) if len(data) >= 10 else None
    elif kind == "webp":
        size = _webp(data)
    else:
        size = _jpeg(data) if kind else None
    return size if size is not None and size.width and size.height else None


def _webp(data: bytes) -> Size | None:
    """See RFC 9649: lossy, lossless, or extended (with animation, transparency, metadata)."""
    form = data[12:16]
    if len(data) < 30:
        return None
    if form == b"VP8X":
        return Size(_little(data, 24, 3) + 1, _little(data, 27, 3) + 1)
    if form == b"VP8L" and data[20] == 0x2F:
        bits = _little(data, 21, 4)
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return Size(_little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF)
    return None


def _jpeg(data: bytes) -> Size | None:
    """Steps from segment to segment until the frame's header (ITU-T T.81, B.2.2)."""
    at = 2
    for _ in range(_SEGMENTS):
        if len(data) < at + 9 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            return Size(_big(data, at + 7, 2), _big(data, at + 5, 2))
        elif marker in (0xD9, 0xDA):
            return None
        else:
            at += 2 + _big(data, at + 2, 2)
    return None


def _big(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _little(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def openai(size: Size) -> int:
    """Tokens at OpenAI's, by the dearest of its rules."""
    patches = _cells(size, 32)
    return max(-(-min(patches, 30_000) * 6 // 5), -(-min(patches, 1_536) * 123 // 50), _tiles(size))


def _tiles(size: Size) -> int:
    """Scaled down in whole numbers, rounded up: never a tile too few."""
    width, height = size
    for side, most in ((max(width, height), 2_048), (0, 768)):
        side = side or min(width, height)
        if side > most:
            width, height = -(-width * most // side), -(-height * most // side)
    return 85 + 170 * _cells(Size(width, height), 512)


def anthropic(size: Size) -> int:
    """Tokens at Anthropic's."""
    return min(_cells(size, 28), 4_784)


def gemini(size: Size) -> int:
    """Tokens at Google's, by the dearer of its rules: a tile's side is two thirds of the picture's shorter side."""
    if max(size) <= 384:
        return 2_240
    side = min(max(min(size) * 2 // 3, 256), 768)
    return max(2_240, min(258 * _cells(size, side), WORST))


def _cells(size: Size, side: int) -> int:
    return -(-size.width // side) * -(-size.height // side)


def typical(size: Size | None) -> int:
    """What a picture is likely to cost, whoever will look at it: Anthropic's count lies in the middle of all."""
    return UNKNOWN if size is None else anthropic(size)


def worst(size: Size | None) -> int:
    """The most that a picture can cost, whoever will look at it."""
    return WORST if size is None else max(openai(size), anthropic(size), gemini(size))
