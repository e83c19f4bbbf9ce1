"""The watch over a stream that passes through byte by byte: reads usage, hides what the caller did not ask for."""

from intertie.core.answers import told_under_200
from intertie.core.call import Call
from intertie.core.faults import Fault, StreamCut, UpstreamGarbled
from intertie.dialects.dialect import Heard, Reading
from intertie.dialects.openai_chat.glance import ends_choice, glance, plain, read_event, speaks
from intertie.dialects.sse import EventSplitter, data_of, events, is_event

_LONGEST_TAIL = 64 * 1024


class ChatWatch:
    """See `dialect.Watch`. The end is `[DONE]`, with whatever comes behind it.

    Some engines (`transformers serve`) never say it, but tell in one last chunk why the choice ends and what was used.
    Where the message ends behind that one nothing is missing, and `[DONE]` is said for them.
    """

    __slots__ = ("_complete", "_heard", "_several", "_splitter", "_wants_usage", "done", "tail")

    def __init__(self, call: Call, heard: Heard) -> None:
        self._heard = heard
        self._wants_usage = call.wants_usage
        self._several = call.choices > 1
        self._splitter = EventSplitter()
        self._complete = False
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        block = self._splitter.feed(data)
        if self._heard.events and not self.done and (chunks := plain(block)) > 0:
            self._heard.events += chunks
            self._complete = False
            return block
        return b"".join([event for event in events(block) if self._passes(event)])

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if the dialect's own end never came."""
        rest = self._splitter.rest
        if self.done or data_of(rest).startswith(b"[DONE]"):  # the last empty line may be missing
            self._hold_back(rest)
            return self.tail
        if self._complete and not (rest or self._several):
            self._hold_back(b"data: [DONE]\n\n")
            return self.tail
        if rest and not self._heard.events and not is_event(rest):
            raise no_event(rest)
        raise StreamCut("The endpoint's stream ended before its end.")

    def _passes(self, event: bytes) -> bool:
        data = data_of(event)
        if self.done or data.startswith(b"[DONE]"):
            self._hold_back(event)
            return False
        if not data:
            if not is_event(event):
                raise no_event(event)
            return True
        try:
            reading = read_event(data)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        if reading.error:
            raise told_under_200(reading.status, reading.error)
        if reading.usage is not None:
            self._heard.usage = reading.usage
        self._heard.events += not reading.only_usage and speaks(data)
        self._complete = reading.usage is not None and ends_choice(data)
        return self._wants_usage or not reading.only_usage

    def _hold_back(self, event: bytes) -> None:
        self.done = True
        self.tail += event
        if len(self.tail) > _LONGEST_TAIL:
            raise StreamCut("The endpoint went on behind its stream's end.")


def no_event(text: bytes) -> Fault:
    """What came where events should be: an error as a whole answer, or something that is no stream at all."""
    try:
        reading = glance(text)
    except ValueError:
        reading = Reading()
    if reading.error:
        return told_under_200(reading.status, reading.error)
    return UpstreamGarbled("The endpoint answered with what is not a stream.")
