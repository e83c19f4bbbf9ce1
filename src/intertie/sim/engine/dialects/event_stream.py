"""AWS's binary event stream. Source: docs.aws.amazon.com, "Event stream encoding" of Amazon Transcribe.

    total length u32 │ length of headers u32 │ crc32 of both │ headers │ payload │ crc32 of all before
    a header: length of its name u8 │ name │ 7 (a text) │ length u16 │ text

All services share it.
"""

import struct
import zlib
from collections.abc import Mapping

_TEXT = 7
_FRAME = 16  # the bytes of a frame that are neither headers nor payload


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    told = b"".join(_header(name.encode(), text.encode()) for name, text in headers.items())
    prelude = struct.pack(">II", _FRAME + len(told) + len(payload), len(told))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + told + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, payload: bytes) -> bytes:
    """An event."""
    return frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """An error in the midst of a stream."""
    return frame({":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload)


def _header(name: bytes, text: bytes) -> bytes:
    return struct.pack(f">B{len(name)}sBH{len(text)}s", len(name), name, _TEXT, len(text), text)
