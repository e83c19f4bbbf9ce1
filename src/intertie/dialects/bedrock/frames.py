"""AWS event streams (`application/vnd.amazon.eventstream`), cut into messages however they were split on the way.

    total length u32 | headers' length u32 | CRC-32 of these 8 | headers | payload | CRC-32 of all before

A header is: length of its name u8, name, type u8, value. Source: Smithy 2.0, "Amazon Event Stream specification".
The checksums prove that what is cut is what was sent.
"""

from binascii import crc32
from struct import Struct
from typing import Final

import msgspec

from intertie.core.faults import UpstreamGarbled

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a message. AWS allows 24 MiB of payload; a picture in an answer has a few."""

_PRELUDE: Final = Struct("!III")
_CRC: Final = Struct("!I")
_SHORTEST: Final = _PRELUDE.size + _CRC.size
_STRING: Final = 7
_SIZES: Final = (0, 0, 1, 2, 4, 8, -1, -1, 8, 16)
"""Bytes of a header's value by its type: true, false, i8, i16, i32, i64, bytes, string, timestamp, UUID; -1 as told."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message. `kind` is event, exception or error, `name` which of them; `message` is an error's own text."""

    kind: str
    name: str
    payload: bytes
    message: str = ""


class FrameSplitter:
    """Keeps the beginning of a message until its end has come. `rest` tells that there is one."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = bytearray()

    @property
    def rest(self) -> bool:
        """Whether a message has begun whose end has not come."""
        return bool(self._kept)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are whole by now. Raises UpstreamGarbled for what is no such stream."""
        kept = self._kept
        kept += data
        frames: list[Frame] = []
        start = 0
        while len(kept) - start >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(kept, start)
            if crc32(kept[start : start + 8]) != check or not headers + _SHORTEST <= total <= LONGEST:
                raise UpstreamGarbled("The endpoint's stream is not an AWS event stream.")
            if len(kept) - start < total:
                break
            frames.append(_frame(bytes(kept[start : start + total]), _PRELUDE.size + headers))
            start += total
        del kept[:start]
        return frames


def _frame(message: bytes, payload: int) -> Frame:
    if crc32(message[:-4]) != _CRC.unpack_from(message, len(message) - 4)[0]:
        raise UpstreamGarbled("A message of the endpoint's stream was damaged on its way.")
    told = _headers(message[_PRELUDE.size : payload])
    kind = told.get(":message-type", "")
    name = told.get(":error-code" if kind == "error" else f":{kind}-type", "")
    return Frame(kind, name, message[payload:-4], told.get(":error-message", ""))


def _headers(block: bytes) -> dict[str, str]:
    """The headers that are text; the others decide nothing. Raises UpstreamGarbled if they do not fill the block."""
    told: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            kind = block[name_end]
            start, size = name_end + 1, _SIZES[kind]
            if size < 0:
                size = int.from_bytes(block[start : start + 2])
                start += 2
            if kind == _STRING:
                told[block[at + 1 : name_end].decode()] = block[start : start + size].decode()
            at = start + size
    except (IndexError, UnicodeDecodeError):
        at = -1
    if at != len(block):
        raise UpstreamGarbled("A message of the endpoint's stream has headers that cannot be read.")
    return told
