"""The watch over a stream that passes through byte by byte: reads usage, holds its end back."""

import msgspec

from intertie.core.call import Call
from intertie.core.faults import StreamCut, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.stream import Glimpse, glimpse, is_end, no_event, plain
from intertie.dialects.anthropic_messages.usage import Figures, fold, to_usage
from intertie.dialects.dialect import Heard
from intertie.dialects.sse import EventSplitter, events, is_event

_LONGEST_TAIL = 64 * 1024


class MessageWatch:
    """See `dialect.Watch`. The end is `message_stop`, with whatever comes behind it.

    Until the figures are final, what was heard is the prompt as `message_start` told it and a count of deltas: who
    leaves in the midst of an answer pays what the cache spared accordingly.
    """

    __slots__ = ("_figures", "_final", "_heard", "_prompt", "_splitter", "done", "tail")

    def __init__(self, call: Call, heard: Heard) -> None:
        self._heard = heard
        self._splitter = EventSplitter()
        self._figures: Figures | None = None
        self._prompt: Usage | None = None
        self._final = False
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        block = self._splitter.feed(data)
        if not self.done and (deltas := plain(block)) > 0:
            self._heard.events += deltas
        else:
            block = b"".join([event for event in events(block) if self._passes(event)])
        if self._prompt is not None and not self._final:
            self._heard.usage = msgspec.structs.replace(self._prompt, completion=self._heard.events, estimated=True)
        return block

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if the dialect's own end never came."""
        rest = self._splitter.rest
        if self.done or is_end(rest):
            self._hold_back(rest)
            return self.tail
        if rest and self._figures is None and not is_event(rest):
            raise no_event(rest)
        raise StreamCut("The endpoint's stream ended before its end.")

    def _passes(self, event: bytes) -> bool:
        if self.done:
            self._hold_back(event)
            return False
        found = glimpse(event)
        if found is None:
            return True
        if found.type == "message_stop":
            self._hold_back(event)
            return False
        self._heard.events += found.type == "content_block_delta"
        self._meter(found)
        return True

    def _meter(self, event: Glimpse) -> None:
        figures = event.message.usage if event.message is not None else event.usage
        if figures is None:
            return
        self._figures = fold(self._figures, figures)
        try:
            usage = to_usage(self._figures)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        if event.type == "message_delta":
            self._heard.usage, self._final = usage, True
        else:
            self._prompt = usage

    def _hold_back(self, event: bytes) -> None:
        self.done = True
        self.tail += event
        if len(self.tail) > _LONGEST_TAIL:
            raise StreamCut("The endpoint went on behind its stream's end.")
