"""What one event of a stream tells: read once, for the watch over what passes through and for the translation."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.faults import Fault, UpstreamGarbled
from intertie.dialects.anthropic_messages.blocks import AnswerBlock, Citing, StopDetails
from intertie.dialects.anthropic_messages.faults import NOT_JSON, status_of
from intertie.dialects.anthropic_messages.usage import Figures
from intertie.dialects.sse import data_of, is_event

_DELTA = b"\n\nevent: content_block_delta\ndata: "


class Opening(msgspec.Struct):
    """The message as `message_start` tells it: without content."""

    id: str = ""
    model: str = ""
    usage: Figures | None = None


class Delta(msgspec.Struct):
    """How a block grew (`type` says which of the texts), or why the message ends."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    citation: Citing | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class StreamEvent(msgspec.Struct):
    """One event. `type` repeats the name of the event; the rest is what that type carries."""

    type: str
    index: int = 0
    message: Opening | None = None
    content_block: AnswerBlock | None = None
    delta: Delta | None = None
    usage: Figures | None = None


class _Opened(msgspec.Struct):
    usage: Figures | None = None


class Glimpse(msgspec.Struct):
    """An event as far as what passes through is looked into."""

    type: str
    message: _Opened | None = None
    usage: Figures | None = None


class _Named(msgspec.Struct):
    type: str


_Found = TypeVar("_Found", StreamEvent, Glimpse)

_event = msgspec.json.Decoder(StreamEvent).decode
_glimpse = msgspec.json.Decoder(Glimpse).decode
_named = msgspec.json.Decoder(_Named).decode


def read_event(event: bytes) -> StreamEvent | None:
    """An event of the stream; None if it carries no data (a comment). Raises the Fault that it tells, or is."""
    return _read(event, _event)


def glimpse(event: bytes) -> Glimpse | None:
    """The same for what passes through: nothing is refused that is not needed here."""
    return _read(event, _glimpse)


def _read(event: bytes, decode: Callable[[bytes], _Found]) -> _Found | None:
    data = data_of(event)
    if not data:
        if not is_event(event):
            raise no_event(event)
        return None
    try:
        found = decode(data)
    except NOT_JSON as error:
        raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
    if found.type == "error":
        raise told_under_200(status_of(data), data)
    return found


def plain(block: bytes) -> int:
    """How many events a block holds if each is a `content_block_delta`; -1 if it needs a closer look.

    The question asked of nearly every block that passes through. Each event is checked to be JSON.
    """
    if not block.startswith(_DELTA[2:]):
        return -1
    chunks = block[len(_DELTA) - 2 :].split(_DELTA)
    try:
        for chunk in chunks:
            if _named(chunk).type != "content_block_delta":
                return -1
    except NOT_JSON:
        return -1
    return len(chunks)


def is_end(rest: bytes) -> bool:
    """Whether what is left of a stream is its end, with nothing but its last empty line missing."""
    try:
        return _named(data_of(rest)).type == "message_stop"
    except NOT_JSON:
        return False


def no_event(text: bytes) -> Fault:
    """What came where events should be: an error as a whole answer, or something that is no stream at all."""
    if text.lstrip().startswith(b"{") and b'"error"' in text:
        return told_under_200(status_of(text), text)
    return UpstreamGarbled("The endpoint answered with what is not a stream.")
