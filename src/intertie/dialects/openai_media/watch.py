"""The watch over a stream of pictures, transcript or speech that passes through byte by byte.

These streams end with an event of their own that tells the usage; engines that write transcripts as chunks of a chat
end with `[DONE]` instead.
"""

from contextlib import suppress
from typing import Final

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.call import Call
from intertie.core.faults import StreamCut, UpstreamGarbled
from intertie.core.usage import NOTHING, Usage
from intertie.dialects.dialect import Heard, Reading
from intertie.dialects.json_body import read_fields, write_fields
from intertie.dialects.openai_media.glance import read, read_event
from intertie.dialects.sse import EventSplitter, data_of, events

_LONGEST: Final = 64 * 1024 * 1024  # a picture of eight million pixels, in base64


class MediaWatch:
    """See `dialect.Watch`. Of several pictures each has an end of its own: the last one's is the stream's."""

    __slots__ = ("_call", "_heard", "_left", "_splitter", "done", "tail")

    def __init__(self, call: Call, heard: Heard) -> None:
        self._call, self._heard = call, heard
        self._left = call.choices
        self._splitter = EventSplitter(_LONGEST)
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        return b"".join([event for event in events(self._splitter.feed(data)) if self._passes(event)])

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if the stream's own end never came."""
        rest = self._splitter.rest
        if self.done or data_of(rest):
            with suppress(UpstreamGarbled):  # half an event; a whole one may lack its empty line
                self._passes(rest)
        elif rest and not self._heard.events:
            self._hold_back(self._whole(rest))
        if not self.done:
            raise StreamCut("The endpoint's stream ended before its end.")
        return self.tail

    def _whole(self, text: bytes) -> bytes:
        """The one event of a stream that is none: some models answer with a whole transcript, stream or not."""
        self._read(text)
        if self._call.operation != "transcription" or b'"text"' not in text:
            raise UpstreamGarbled("The endpoint answered with what is not a stream.")
        self._heard.usage = read(text, self._call).usage
        fields = read_fields(text)[0] | {"type": msgspec.Raw(b'"transcript.text.done"')}
        return b"data: %b\n\n" % write_fields(fields)

    def _read(self, data: bytes) -> tuple[Reading, bool]:
        """What an event tells, and whether it is a last one. Raises the fault that it tells, or is."""
        try:
            reading, last = read_event(data, self._call)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        if reading.error:
            raise told_under_200(reading.status, reading.error)
        return reading, last

    def _passes(self, event: bytes) -> bool:
        data = data_of(event)
        if self.done or data.startswith(b"[DONE]"):
            return self._hold_back(event)
        if not data:
            return True
        reading, last = self._read(data)
        self._heard.events += 1
        if reading.usage is not None:
            self._heard.usage = _sum(self._heard.usage or NOTHING, reading.usage)
        self._left -= last
        return self._left > 0 or self._hold_back(event)

    def _hold_back(self, event: bytes) -> bool:
        self.done = True
        self.tail += event
        if len(self.tail) > _LONGEST:
            raise StreamCut("The endpoint went on behind its stream's end.")
        return False


def _sum(one: Usage, other: Usage) -> Usage:
    """Each picture tells what it took itself."""
    if one is NOTHING:
        return other
    return msgspec.structs.replace(
        one,
        prompt=one.prompt + other.prompt,
        completion=one.completion + other.completion,
        image_in=one.image_in + other.image_in,
        image_out=one.image_out + other.image_out,
        images=one.images + other.images,
    )
