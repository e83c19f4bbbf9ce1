"""The watch over a stream that passes through byte by byte.

Gemini has no mark for the end: a candidate is whole with its `finishReason`, a blocked prompt with its `blockReason`.
So a chunk that finishes something is held back until it is known whether another follows, and the last is the tail.
"""

from typing import Final

from msgspec.structs import replace

from intertie.core.answers import told_under_200
from intertie.core.call import Call
from intertie.core.faults import Fault, StreamCut, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard, Reading
from intertie.dialects.gemini.glance import Chunk, glance, read_chunk, reading_of
from intertie.dialects.sse import EventSplitter, data_of, events, is_event

LONGEST_EVENT: Final = 16 * 1024 * 1024
"""A picture comes whole, in one chunk."""
_LONGEST_TAIL: Final = LONGEST_EVENT + 64 * 1024
_MOST_BEHIND: Final = 64  # events


class GeminiWatch:
    """See `dialect.Watch`. `done` once as many candidates are whole as were asked for."""

    __slots__ = ("_asked", "_behind", "_finished", "_heard", "_seen", "_splitter", "done", "tail")

    def __init__(self, call: Call, heard: Heard) -> None:
        self._heard = heard
        self._asked = call.choices
        self._behind = 0
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._splitter = EventSplitter(LONGEST_EVENT)
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        return b"".join([self._passed(event) for event in events(self._splitter.feed(data))])

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if a candidate that had begun was never finished."""
        rest = self._splitter.rest
        if data_of(rest):
            self._last(rest)
        elif rest and not self._seen and not is_event(rest):
            raise no_event(rest)
        else:
            self._hold(rest)
        self.done = self.done or (bool(self._finished) and self._seen <= self._finished)
        if not self.done:
            raise _cut()
        return self.tail

    def _last(self, event: bytes) -> None:
        """The last empty line may be missing; what is no whole chunk then was cut off."""
        try:
            self._finishes(data_of(event))
        except UpstreamGarbled:
            raise _cut() from None
        self._hold(event)

    def _passed(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data and not is_event(event):
            raise no_event(event)
        was_done = self.done
        held = bool(data) and self._finishes(data)
        if was_done or (self.tail and not data):
            self._hold(event)
            return b""
        before, self.tail = self.tail, event if held else b""  # what was held back was not the last
        return before if held else before + event

    def _hold(self, event: bytes) -> None:
        self.tail += event
        self._behind += 1
        if self._behind > _MOST_BEHIND or len(self.tail) > _LONGEST_TAIL:
            raise StreamCut("The endpoint went on behind its stream's end.")

    def _finishes(self, data: bytes) -> bool:
        """Read a chunk: whether it finishes a candidate, or says that there will be none."""
        try:
            chunk = read_chunk(data)
            reading = reading_of(chunk)
        except ValueError as error:
            raise garbled(error) from None
        if reading.error:
            raise told_under_200(reading.status, reading.error)
        self._heard.usage = together(self._heard.usage, reading.usage)
        finishes = self._count(chunk)
        self.done = self.done or bool(chunk.blocked) or len(self._finished) >= self._asked
        return finishes or bool(chunk.blocked)

    def _count(self, chunk: Chunk) -> bool:
        finishes = False
        for candidate in chunk.candidates or ():
            index = candidate.index or 0
            if not 0 <= index < self._asked:
                continue  # nobody asked for it, and what is kept of it must have a bound
            self._seen.add(index)
            if candidate.finish_reason:
                self._finished.add(index)
                finishes = True
            self._heard.events += bool(candidate.content and candidate.content.parts)
        return finishes


def _cut() -> StreamCut:
    return StreamCut("The endpoint's stream ended before its end.")


def together(before: Usage | None, now: Usage | None) -> Usage | None:
    """The usage so far: each figure is the sum already, but searches are told by the one chunk that has them."""
    if before is None or now is None or before.searches <= now.searches:
        return now or before
    return replace(now, searches=before.searches)


def garbled(error: ValueError) -> UpstreamGarbled:
    """A stream event that is not this dialect."""
    return UpstreamGarbled(f"A stream event is not what its dialect promises: {error}")


def no_event(text: bytes) -> Fault:
    """What came where events should be: an error as a whole answer, or something that is no stream at all."""
    try:
        reading = glance(text)
    except ValueError:
        reading = Reading()
    if reading.error:
        return told_under_200(reading.status, reading.error)
    return UpstreamGarbled("The endpoint answered with what is not a stream.")
