"""Sound: of which kind it is, and how long it lasts, read from what its header tells.

Where no header tells it, a length is bounded from above by the fewest bytes that a second of speech takes.
"""

from typing import Final

TOKENS_PER_S: Final = 32
"""Tokens of a second of sound where most are counted: Google's ("Understand and count tokens", read 2026-10-30).

OpenAI counts 10 in chats; its transcription models about 17 (0.006 USD a minute at 6 USD per million).
"""

_FEWEST_BYTES_PER_S: Final = 750  # Opus at 6 kbit/s, the least it is made for (RFC 6716, 2.1.1)
_PAGE_AT_MOST: Final = 65_307  # bytes of an Ogg page (RFC 3533): within so many from the end the last one begins
_CHUNKS: Final = 64
_RATES = (44_100, 48_000, 32_000)  # hertz, MPEG version 1; halved in version 2, quartered in 2.5
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_PLAIN_WAV = frozenset((1, 3, 6, 7, 0xFFFE))  # PCM, float, A-law, mu-law, extensible: a sample is as long as the next


def kind_of(data: bytes) -> str:
    """wav, flac, ogg, mp4, webm, mpeg or mp3 by the first bytes; "" for anything else."""
    for magic, at, kind in _MAGIC:
        if data.startswith(magic, at) and (kind != "wav" or data[8:12] == b"WAVE"):
            return kind
    return "mp3" if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 else ""


_MAGIC = (
    (b"RIFF", 0, "wav"),
    (b"fLaC", 0, "flac"),
    (b"OggS", 0, "ogg"),
    (b"ftyp", 4, "mp4"),
    (b"\x1aE\xdf\xa3", 0, "webm"),
    (b"\x00\x00\x01\xba", 0, "mpeg"),
    (b"ID3", 0, "mp3"),
)


def length_ms(data: bytes) -> int:
    """Milliseconds that a recording lasts, as its header tells; else the most that so many bytes can hold."""
    told = told_ms(data)
    return -(-len(data) * 1_000 // _FEWEST_BYTES_PER_S) if told is None else told


def told_ms(data: bytes) -> int | None:
    """Milliseconds that a recording lasts, as its header tells; None if it does not, or cannot be believed."""
    reader = _READERS.get(kind_of(data))
    told = reader(data) if reader is not None else None
    return told if told is not None and told <= len(data) * 1_000 else None  # silence too takes a byte a second


def tokens(milliseconds: int) -> int:
    """Tokens of so much sound, rounded up."""
    return -(-milliseconds * TOKENS_PER_S // 1_000)


def _ms(samples: int, rate: int) -> int | None:
    return -(-samples * 1_000 // rate) if rate and samples else None


def _wav(data: bytes) -> int | None:
    at, bytes_per_s = 12, 0
    for _ in range(_CHUNKS):
        name, size = data[at : at + 4], _little(data, at + 4, 4)
        if name == b"fmt " and _little(data, at + 8, 2) in _PLAIN_WAV:
            bytes_per_s = _little(data, at + 12, 4) * _little(data, at + 20, 2)  # sample rate, bytes of one sample
        elif name == b"data" or not name:
            break
        at += 8 + size + (size & 1)
    return _ms(max(0, len(data) - at - 8), bytes_per_s)  # what the chunk says of its length is not to be relied on


def _flac(data: bytes) -> int | None:
    """STREAMINFO comes first (RFC 9639, 8.2)."""
    return _ms(_big(data, 21, 5) & 0xF_FFFF_FFFF, _big(data, 18, 3) >> 4)


def _ogg(data: bytes) -> int | None:
    """The last page tells how many samples have been. Opus always counts 48,000 a second (RFC 7845, 4)."""
    last = data.rfind(b"OggS", max(0, len(data) - _PAGE_AT_MOST))
    samples = _little(data, last + 6, 8) if last >= 0 else 0
    vorbis = data.find(b"\x01vorbis", 0, 256)
    rate = 48_000 if b"OpusHead" in data[:256] else _little(data, vorbis + 12, 4) if vorbis >= 0 else 0
    return _ms(samples, rate) if samples < 1 << 62 else None


def _mp4(data: bytes) -> int | None:
    """The movie's header is the first box in `moov` (ISO 14496-12, 8.2.2)."""
    at = 0
    for _ in range(_CHUNKS):
        size, name = _big(data, at, 4), data[at + 4 : at + 8]
        if name == b"moov" and data[at + 12 : at + 16] == b"mvhd":
            long = data[at + 16 : at + 17] == b"\x01"
            times, width = (at + 36, 8) if long else (at + 28, 4)
            return _ms(_big(data, times + 4, width), _big(data, times, 4))
        size = _big(data, at + 8, 8) if size == 1 else size
        if size < 8 or name == b"moov":
            return None
        at += size
    return None


def _mp3(data: bytes) -> int | None:
    """The frames that a Xing header counts, else as long as the first frame's bit rate says."""
    at = 0
    if data.startswith(b"ID3"):
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    head = _big(data, at, 4)
    version, layer, kbits, rate = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or kbits in (0, 15) or rate == 3:
        return None
    hertz = _RATES[rate] >> (3 - version if version else 2)
    marks = (data.find(mark, at, at + 64) for mark in (b"Xing", b"Info"))
    xing = max(marks)
    if xing >= 0 and _big(data, xing + 7, 1) & 1:
        return _ms(_big(data, xing + 8, 4) * (1_152 if version == 3 else 576), hertz)
    return -(-(len(data) - at) * 8 // (_KBITS_1 if version == 3 else _KBITS_2)[kbits])


def _big(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _little(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


_READERS = {"wav": _wav, "flac": _flac, "ogg": _ogg, "mp4": _mp4, "mp3": _mp3}
