"""Reads a stream of ConverseStream.

    messageStart → (contentBlockStart? → contentBlockDelta* → contentBlockStop)* → messageStop → metadata

Only tool calls and pictures say how they begin; a text or a thought is opened by its first piece. A cancel is no
saving here: Bedrock bills the whole output however early the caller leaves.
"""

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from intertie.core import events
from intertie.core.events import Event, PartKind
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.bedrock.faults import fault_in
from intertie.dialects.bedrock.frames import Frame, FrameSplitter
from intertie.dialects.bedrock.glance import Told, usage_of
from intertie.dialects.bedrock.reasons import reason_of
from intertie.dialects.bedrock.shapes import Cite, Media, Shape, ToolUse, stop_text

_MOST_OPEN = 128
_LONGEST_SEAL = 1024 * 1024


class _Begin(Shape):
    tool_use: ToolUse | None = None
    tool_result: msgspec.Raw = msgspec.Raw()
    image: Media | None = None


class _Start(Shape):
    content_block_index: int
    start: _Begin = msgspec.field(default_factory=_Begin)


class _Input(Shape):
    input: str = ""


class _Thought(Shape):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Piece(Shape):
    text: str | None = None
    tool_use: _Input | None = None
    reasoning_content: _Thought | None = None
    citation: Cite | None = None
    image: Media | None = None


class _Delta(Shape):
    content_block_index: int
    delta: _Piece


class _Stop(Shape):
    content_block_index: int


class _End(Shape):
    stop_reason: str
    additional_model_response_fields: msgspec.Raw = msgspec.Raw()


_start = msgspec.json.Decoder(_Start)
_delta = msgspec.json.Decoder(_Delta)
_stop = msgspec.json.Decoder(_Stop)
_end = msgspec.json.Decoder(_End)
_told = msgspec.json.Decoder(Told)

T = TypeVar("T")


class _Open:
    """A block that has begun: its part, -1 if it is not the caller's; bytes that wait, a signature so far."""

    __slots__ = ("bytes", "kind", "part", "signature")

    def __init__(self, part: int, kind: PartKind) -> None:
        self.part, self.kind = part, kind
        self.bytes = bytearray()
        self.signature = ""


class ConverseReader:
    """See `dialect.EventReader`."""

    __slots__ = ("_ended", "_open", "_parts", "_splitter", "_stopped")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._open: dict[int, _Open] = {}
        self._parts = 0
        self._stopped = self._ended = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is no such stream."""
        for frame in self._splitter.feed(data):
            if self._ended:
                return
            if frame.kind == "event":
                yield from self._event(frame)
            else:
                self._ended = True
                yield events.Broke(fault_in(frame))

    def ended(self) -> Iterator[Event]:
        """The end, if the message was whole and only its cost was not told."""
        if self._stopped and not self._ended and not self._splitter.rest:
            self._ended = True
            yield events.Ended()

    def _event(self, frame: Frame) -> Iterator[Event]:
        match frame.name:
            case "messageStart":
                yield events.Began("", "")
            case "contentBlockStart":
                yield from self._begin(_read(_start, frame))
            case "contentBlockDelta":
                yield from self._grow(_read(_delta, frame))
            case "contentBlockStop":
                yield from self._close(_read(_stop, frame).content_block_index)
            case "messageStop":
                yield from self._end(_read(_end, frame))
            case "metadata":
                yield from self._meter(_read(_told, frame))
            case _:
                pass  # newer than this reader

    def _begin(self, told: _Start) -> Iterator[Event]:
        index, start = told.content_block_index, told.start
        if start.tool_result or (start.tool_use is not None and start.tool_use.type):
            self._add(index, _Open(-1, "tool_call"))  # the endpoint runs this tool itself
        elif start.tool_use is not None:
            use = start.tool_use
            part = self._next(index, "tool_call")
            yield events.Opened(part=part, kind="tool_call", id=use.tool_use_id, name=use.name)
        elif start.image is not None:
            part = self._next(index, "image")
            yield events.Opened(part=part, kind="image", type=f"image/{start.image.format}")

    def _grow(self, told: _Delta) -> Iterator[Event]:
        index, delta = told.content_block_index, told.delta
        if delta.text is not None:
            yield from self._ensured(index, "text")
            yield from self._grew(index, delta.text)
        elif delta.tool_use is not None:
            if index not in self._open:
                raise UpstreamGarbled("The arguments of a tool call came before its name.")
            yield from self._grew(index, delta.tool_use.input)
        elif delta.reasoning_content is not None:
            yield from self._ensured(index, "reasoning")
            yield from self._think(index, delta.reasoning_content)
        elif delta.citation is not None:
            yield from self._ensured(index, "text")
            yield events.Cited(self._open[index].part, delta.citation.citation())
        elif delta.image is not None:
            yield from self._ensured(index, "image")
            yield from self._paint(index, delta.image.source.bytes)

    def _add(self, index: int, block: _Open) -> None:
        if len(self._open) >= _MOST_OPEN or index in self._open:
            raise UpstreamGarbled("The endpoint's stream opens blocks and does not close them.")
        self._open[index] = block

    def _next(self, index: int, kind: PartKind) -> int:
        self._add(index, _Open(self._parts, kind))
        self._parts += 1
        return self._parts - 1

    def _ensured(self, index: int, kind: PartKind) -> Iterator[Event]:
        if index not in self._open:
            origin = "bedrock" if kind == "reasoning" else None
            yield events.Opened(part=self._next(index, kind), kind=kind, origin=origin)

    def _grew(self, index: int, text: str) -> Iterator[Event]:
        if text and self._open[index].part >= 0:
            yield events.Grew(self._open[index].part, text)

    def _think(self, index: int, thought: _Thought) -> Iterator[Event]:
        """Signatures and sealed bytes may come in pieces, and are told when they are whole."""
        block = self._open[index]
        block.signature += thought.signature or ""
        block.bytes += _bytes(thought.redacted_content or "")
        if len(block.signature) + len(block.bytes) > _LONGEST_SEAL:
            raise UpstreamGarbled(f"The endpoint's stream has a signature of more than {_LONGEST_SEAL} bytes.")
        yield from self._grew(index, thought.text or "")

    def _paint(self, index: int, data: str) -> Iterator[Event]:
        """Each piece is base64 by itself; together they are one only if each holds whole groups of three bytes."""
        waiting = self._open[index].bytes
        waiting += _bytes(data)
        whole = len(waiting) - len(waiting) % 3
        text = b64encode(waiting[:whole]).decode()
        del waiting[:whole]
        yield from self._grew(index, text)

    def _close(self, index: int) -> Iterator[Event]:
        block = self._open.get(index)
        if block is None:
            return
        rest = b64encode(block.bytes).decode()
        if block.kind == "image":
            yield from self._grew(index, rest)
        elif block.signature or rest:
            yield events.Signed(block.part, block.signature, rest)
        del self._open[index]
        if block.part >= 0:
            yield events.Closed(block.part)

    def _end(self, told: _End) -> Iterator[Event]:
        for index in tuple(self._open):
            yield from self._close(index)
        reason, name = reason_of(told.stop_reason)
        self._stopped = True
        yield events.Stopped(reason=reason, text=stop_text(told.additional_model_response_fields), name=name)

    def _meter(self, told: Told) -> Iterator[Event]:
        try:
            usage = usage_of(told)
        except ValueError as error:
            raise UpstreamGarbled(f"The endpoint's stream told {error}.") from None
        if usage is None:
            return  # metrics alone
        yield events.Metered(usage, usage.tier)
        if self._stopped:
            self._ended = True
            yield events.Ended()


def _read(decoder: msgspec.json.Decoder[T], frame: Frame) -> T:
    try:
        return decoder.decode(frame.payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamGarbled(f"A {frame.name} event is not what its dialect promises: {error}") from None


def _bytes(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except Error:
        raise UpstreamGarbled("The endpoint's stream has bytes that are not base64.") from None
