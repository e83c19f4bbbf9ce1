"""The watch over a stream that passes through byte by byte: reads usage, holds back the terminal event."""

from typing import Final

from intertie.core.answers import told_under_200
from intertie.core.call import Call
from intertie.core.faults import StreamCut, UpstreamGarbled
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_chat.watch import no_event
from intertie.dialects.openai_responses.glance import ENDS, plain, read_event
from intertie.dialects.sse import EventSplitter, data_of, events

LONGEST_EVENT: Final = 16 * 1024 * 1024
"""Pictures come as one event, and the last event repeats the whole answer."""

_LONGEST_REST: Final = 64 * 1024
_MOST_EVENTS_BEHIND: Final = 16  # each copies the tail
_FIELDS: Final = (b":", b"data", b"event", b"id", b"retry")


class ResponsesWatch:
    """See `dialect.Watch`. The end is one of `glance.ENDS`, with whatever comes behind it; unknown events pass."""

    __slots__ = ("_behind", "_heard", "_splitter", "done", "tail")

    def __init__(self, call: Call, heard: Heard) -> None:
        self._heard = heard
        self._splitter = EventSplitter(LONGEST_EVENT)
        self._behind = 0
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        block = self._splitter.feed(data)
        if not self.done and (deltas := plain(block)) >= 0:
            self._heard.events += deltas
            return block
        return b"".join([event for event in events(block) if self._passes(event)])

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if no terminal event ever came."""
        rest = self._splitter.rest
        if self.done:
            if rest:
                self._hold_back(rest)
            return self.tail
        if rest and not self._heard.events and not is_event(rest):
            raise no_event(rest)
        if not self._is_end(rest):  # the last empty line may be missing
            raise StreamCut("The endpoint's stream ended before its end.")
        return self.tail

    def _passes(self, event: bytes) -> bool:
        if self.done:
            self._hold_back(event)
            return False
        data = data_of(event)
        if not data:
            if not is_event(event):
                raise no_event(event)
            return True
        if data.startswith(b"[DONE]"):
            raise StreamCut("The endpoint's stream ended without a terminal event.")
        try:
            kind, reading = read_event(data)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        if reading.error:
            raise told_under_200(reading.status, reading.error)
        if kind in ENDS:
            self._heard.usage = reading.usage
            self.tail, self.done = event, True
            return False
        self._heard.events += kind.endswith(".delta")
        return True

    def _is_end(self, rest: bytes) -> bool:
        try:
            return read_event(data_of(rest)).kind in ENDS and not self._passes(rest)
        except ValueError:
            return False

    def _hold_back(self, event: bytes) -> None:
        self._behind += 1
        if self._behind > _MOST_EVENTS_BEHIND or len(event) > _LONGEST_REST:
            raise StreamCut("The endpoint went on behind its stream's end.")
        self.tail += event


def is_event(event: bytes) -> bool:
    """Whether there is nothing but comments and fields of server-sent events, the last of which may be cut."""
    return all(
        line.startswith(_FIELDS) or any(name.startswith(line) for name in _FIELDS) for line in event.splitlines()
    )
