"""Reads a stream into events. Blocks that have no words in other dialects are passed over, unknown events too."""

from collections.abc import Iterable
from typing import Final

import msgspec

from intertie.core.events import (
    Began,
    Broke,
    Cited,
    Closed,
    Ended,
    Event,
    Grew,
    Metered,
    Opened,
    PartKind,
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import Fault, UpstreamGarbled
from intertie.dialects.anthropic_messages.blocks import NO_INPUT, to_citation
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.stops import read_stop
from intertie.dialects.anthropic_messages.stream import StreamEvent, is_end, no_event, read_event
from intertie.dialects.anthropic_messages.usage import Figures, fold, to_usage
from intertie.dialects.sse import EventSplitter, events, is_event

_MOST_OPEN: Final = 128

_KINDS: Final[dict[str, PartKind]] = {
    "text": "text",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_use": "tool_call",
}


class _Block:
    """A block that is open: which part it is, and the input that some endpoints tell whole at its start."""

    __slots__ = ("grew", "input", "kind", "part")

    def __init__(self, part: int, kind: PartKind, arguments: str) -> None:
        self.part, self.kind, self.input = part, kind, arguments
        self.grew = False


class MessageReader:
    """See `dialect.EventReader`."""

    __slots__ = ("_began", "_blocks", "_ended", "_figures", "_parts", "_splitter", "_stopped")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._blocks: dict[int, _Block] = {}
        self._parts = 0
        self._figures: Figures | None = None
        self._began = self._stopped = self._ended = False

    def feed(self, data: bytes) -> Iterable[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is not the dialect."""
        return [event for told in events(self._splitter.feed(data)) for event in self._read(told)]

    def ended(self) -> Iterable[Event]:
        """What was waiting for the end: only a last empty line may be missing. Raises UpstreamGarbled as `feed`."""
        rest = self._splitter.rest
        if not self._ended and is_end(rest):
            return self._end()
        if rest and not self._began and not is_event(rest):
            return [Broke(no_event(rest))]
        return []

    def _read(self, told: bytes) -> list[Event]:
        if self._ended:
            return []
        try:
            event = read_event(told)
        except UpstreamGarbled:
            raise
        except Fault as fault:
            return [Broke(fault)]
        return self._on(event) if event is not None else []

    def _on(self, event: StreamEvent) -> list[Event]:
        match event.type:
            case "content_block_delta":
                return self._grow(event)
            case "content_block_start":
                return self._open(event)
            case "content_block_stop":
                return self._close(event.index)
            case "message_stop":
                return self._end()
            case _:
                return self._frame(event)

    def _frame(self, event: StreamEvent) -> list[Event]:
        if event.type == "ping":
            return [Pinged()]
        if event.type == "message_delta":
            return [*self._stop(event), *self._meter(event.usage)]
        if event.type != "message_start" or self._began:
            return []
        self._began = True
        message = event.message
        if message is None:
            return [Began("", "")]
        metered = self._meter(message.usage)
        prompt = msgspec.structs.replace(metered[0].usage, completion=0) if metered else None  # it tells a placeholder
        return [Began(message.id, message.model, usage=prompt)]

    def _open(self, event: StreamEvent) -> list[Event]:
        block = event.content_block
        kind = _KINDS.get(block.type) if block is not None else None
        if block is None or kind is None:
            return []
        if len(self._blocks) >= _MOST_OPEN:
            raise UpstreamGarbled(f"more than {_MOST_OPEN} blocks are open at once")
        arguments = "" if block.input is NO_INPUT else bytes(block.input).decode()
        opened = self._blocks[event.index] = _Block(self._parts, kind, arguments if arguments != "{}" else "")
        self._parts += 1
        if kind == "tool_call":
            return [Opened(part=opened.part, kind=kind, id=block.id or "", name=block.name or "")]
        told: list[Event] = [Opened(part=opened.part, kind=kind, origin=OWN if kind == "reasoning" else None)]
        if text := block.text or block.thinking:
            told.append(Grew(opened.part, text))
        if block.signature or block.data:
            told.append(Signed(opened.part, block.signature or "", block.data or ""))
        return told

    def _grow(self, event: StreamEvent) -> list[Event]:
        block, delta = self._blocks.get(event.index), event.delta
        if block is None or delta is None:
            return []
        match block.kind, delta.type:
            case ("text", "text_delta"):
                text = delta.text
            case ("reasoning", "thinking_delta"):
                text = delta.thinking
            case ("tool_call", "input_json_delta"):
                text = delta.partial_json
            case ("reasoning", "signature_delta"):
                return [Signed(block.part, delta.signature)]
            case ("text", "citations_delta") if delta.citation is not None:
                return [Cited(block.part, to_citation(delta.citation))]
            case _:
                return []
        block.grew = block.grew or bool(text)
        return [Grew(block.part, text)] if text else []

    def _close(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        whole: list[Event] = []
        if block.kind == "tool_call" and not block.grew:
            whole.append(Grew(block.part, block.input or "{}"))
        return [*whole, Closed(block.part)]

    def _stop(self, event: StreamEvent) -> list[Event]:
        delta = event.delta
        if self._stopped or delta is None or delta.stop_reason is None:
            return []
        self._stopped = True
        told = [one for index in list(self._blocks) for one in self._close(index)]
        if delta.stop_details is not None and delta.stop_details.explanation:
            part, self._parts = self._parts, self._parts + 1
            told += [Opened(part=part, kind="refusal"), Grew(part, delta.stop_details.explanation), Closed(part)]
        reason, name = read_stop(delta.stop_reason)
        return [*told, Stopped(reason=reason, text=delta.stop_sequence or "", name=name)]

    def _meter(self, figures: Figures | None) -> list[Metered]:
        if figures is None:
            return []
        self._figures = fold(self._figures, figures)
        try:
            usage = to_usage(self._figures)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        return [Metered(usage, usage.tier)]

    def _end(self) -> list[Event]:
        self._ended = True
        if self._stopped:
            return [Ended()]
        told = [one for index in list(self._blocks) for one in self._close(index)]
        return [*told, Stopped(reason="other"), Ended()]
