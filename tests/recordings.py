"""Recordings and pictures for tests: nothing but the headers that are read, and as many bytes as are asked for."""

import base64
import struct


def wav(seconds: float, rate: int = 16_000, *, told: int | None = None) -> bytes:
    """One channel of 16-bit silence; `told` is the length that the header claims."""
    sound = bytes(int(seconds * rate) * 2)
    claimed = len(sound) if told is None else told
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(sound)) + b"WAVE" + head + b"data" + struct.pack("<I", claimed) + sound


def flac(samples: int, rate: int) -> bytes:
    """A STREAMINFO block, and a kilobyte of what may be silence."""
    bits = rate << 44 | 1 << 41 | 15 << 36 | samples
    return b"fLaC\x80\x00\x00\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + bits.to_bytes(8, "big") + bytes(1016)


def opus(seconds: float) -> bytes:
    """An Ogg stream: the page with the Opus header, and a last page."""
    first = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead" + bytes(11)
    return first + bytes(2_000) + b"OggS\x00\x04" + struct.pack("<q", int(seconds * 48_000)) + bytes(100)


def vorbis(seconds: float, rate: int) -> bytes:
    """An Ogg stream with Vorbis in it."""
    first = b"OggS\x00\x02" + bytes(20) + b"\x01\x1e\x01vorbis" + struct.pack("<IBI", 0, 1, rate) + bytes(13)
    return first + bytes(9_000) + b"OggS\x00\x04" + struct.pack("<q", int(seconds * rate)) + bytes(100)


def mp3(seconds: float, *, tagged: bool = False, frames: int = 0) -> bytes:
    """128 kbit/s at 44.1 kHz, behind a tag if there is one; `frames` are counted in a Xing header."""
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) if tagged else b""
    xing = bytes(32) + b"Xing" + struct.pack(">II", 1, frames) if frames else b""
    return tag + b"\xff\xfb\x90\x00" + xing + bytes(int(seconds * 16_000) - 4 - len(xing))


def mp4(seconds: int, *, long: bool = False) -> bytes:
    """A movie header behind its data, in the form of 32 or of 64 bits."""
    times = (
        struct.pack(">QQIQ", 0, 0, 1_000, seconds * 1_000)
        if long
        else struct.pack(">IIII", 0, 0, 1_000, seconds * 1_000)
    )
    movie = (b"\x01" if long else b"\x00") + bytes(3) + times
    moov = struct.pack(">I4s", 16 + len(movie), b"moov") + struct.pack(">I4s", 8 + len(movie), b"mvhd") + movie
    sound = struct.pack(">I4s", 8 + 3_000, b"mdat") + bytes(3_000)
    return struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0) + sound + moov


def png(width: int, height: int, size: int = 200) -> bytes:
    """A picture of so many pixels in so many bytes."""
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    return head + bytes(max(0, size - len(head)))


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    """A frame's header behind so many segments of metadata of 60 kB each."""
    segment = b"\xff\xe1" + struct.pack(">H", 60_000) + bytes(59_998)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + segment * metadata + b"\xff\xdb" + struct.pack(">H", 67) + bytes(65) + frame + b"\xff\xd9"


def gif(width: int, height: int) -> bytes:
    """A logical screen."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(20)


def webp(form: bytes, width: int, height: int) -> bytes:
    """Lossy (`VP8 `), lossless (`VP8L`) or extended (`VP8X`)."""
    if form == b"VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif form == b"VP8L":
        body = b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + bytes(8)
    else:
        body = b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(4)
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + form + struct.pack("<I", len(body)) + body


def data_url(kind: str, data: bytes) -> str:
    """The data as a URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
