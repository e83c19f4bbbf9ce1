"""Server-sent events, cut at their ends while they arrive and passed on byte for byte.

An event ends with an empty line; lines end with CR LF, LF or CR (WHATWG HTML, 9.2.6). A CR at the end of what has come
may be half of a CR LF: the event is passed on at once, and an LF that follows counts as an empty line: nothing.
"""

import re
from collections.abc import Iterator
from typing import Final

from intertie.core.faults import UpstreamGarbled

MAX_EVENT: Final = 1024 * 1024

_WHOLE: Final = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r")
_EVENT: Final = re.compile(rb".*?(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)", re.DOTALL)
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_FIELDS: Final = (b":", b"data", b"event", b"id", b"retry")


class EventSplitter:
    """Passes on whole events of at most `longest` bytes, and keeps the beginning of the next: `rest`."""

    __slots__ = ("_kept", "_longest")

    def __init__(self, longest: int = MAX_EVENT) -> None:
        self._kept = bytearray()
        self._longest = longest

    @property
    def rest(self) -> bytes:
        """The beginning of an event whose end has not come."""
        return bytes(self._kept)

    def feed(self, data: bytes) -> bytes:
        """As many whole events as there are, as they came. Raises UpstreamGarbled if one is longer than `longest`."""
        kept = self._kept
        if not kept and data.endswith(_WHOLE):  # nearly always: writers flush after each event
            return data
        start = max(len(kept) - 3, 0)
        kept += data
        end = _last_end(kept, start)
        whole = bytes(kept[:end])
        del kept[:end]
        if len(kept) > self._longest:
            raise UpstreamGarbled(f"a server-sent event is longer than {self._longest} bytes")
        return whole


def events(block: bytes) -> Iterator[bytes]:
    """The events of a block that `feed` passed on, one by one, each with its empty line; joined they are the block."""
    end = 0
    if b"\r" not in block:  # nearly always; a search leaps through large events where a pattern walks
        while (gap := block.find(b"\n\n", end)) >= 0:
            yield block[end : gap + 2]
            end = gap + 2
    while match := _EVENT.match(block, end):  # a search would begin anew at every byte of an event that has no end
        yield match[0]
        end = match.end()
    if end < len(block):
        yield block[end:]


def data_of(event: bytes) -> bytes:
    """The event's data: its `data` lines joined by LF; b"" if it has none (a comment, a ping)."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and event.find(b"\n") == len(event) - 2:
        return event[6:-2] if b"\r" not in event else _data_of(event)
    return _data_of(event)


def is_event(event: bytes) -> bool:
    """Whether there is nothing but comments and fields of server-sent events."""
    return all(line.startswith(_FIELDS) for line in event.splitlines() if line)


def _data_of(event: bytes) -> bytes:
    lines: list[bytes] = []
    for line in _LINE_END.split(event) if b"\r" in event else event.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)


def _last_end(buffer: bytearray, start: int) -> int:
    """Just behind the last empty line at or behind `start`; 0 if there is none."""
    end = max(buffer.rfind(b"\n\n", start), buffer.rfind(b"\n\r", start), buffer.rfind(b"\r\r", start)) + 2
    if end == 1:
        return 0
    return end + 1 if buffer.startswith(b"\r\n", end - 1) else end
