"""Reads a stream of this dialect, split anywhere, into events.

Endpoints leave things out: parts that nobody announced begin with their first words, words that never came as deltas
are taken from the `done` that has them all, and an answer that was not streamed at all from the terminal event. Sealed
thoughts come with the end of their item, so its last part stays open until then.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.chat import Image, Part, Reasoning, ToolCall
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
    Signed,
    Stopped,
)
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.openai_chat.watch import no_event
from intertie.dialects.openai_responses.body_to_answer import Response, read_response, stop_of
from intertie.dialects.openai_responses.glance import ENDS, error_reading, usage_of
from intertie.dialects.openai_responses.output_to_parts import (
    Annotation,
    Chance,
    Content,
    OutputItem,
    call_id,
    chances,
    citation,
    contents,
    media_type,
    output_item,
    parts_of,
)
from intertie.dialects.openai_responses.watch import LONGEST_EVENT, is_event
from intertie.dialects.sse import EventSplitter, data_of, events

_MOST_PARTS: Final = 128


class _Told(msgspec.Struct):
    """An event of any type."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item_id: str | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    part: Content | None = None
    annotation: Annotation | None = None
    logprobs: tuple[Chance, ...] | None = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    error: object = None
    code: object = None
    message: object = None
    param: object = None


class _Key(NamedTuple):
    """A part by its place: the item, and which of its parts."""

    item: int
    kind: PartKind
    at: int = 0
    summary: bool = False


class _Open:
    """A part that began: its number, how much of it came, how much it cited. `open` until it was told whole."""

    __slots__ = ("came", "cited", "number", "open")

    def __init__(self, number: int) -> None:
        self.number = number
        self.came = 0
        self.cited = 0
        self.open = True


_told = msgspec.json.Decoder(_Told).decode
_Read: TypeAlias = Callable[[_Told], Iterator[Event]]

_CONTENTS: Final[dict[str, PartKind]] = {"output_text": "text", "refusal": "refusal", "reasoning_text": "reasoning"}
_DELTAS: Final[dict[str, Callable[[_Told], _Key]]] = {
    "response.output_text.delta": lambda told: _Key(told.output_index, "text", told.content_index),
    "response.refusal.delta": lambda told: _Key(told.output_index, "refusal", told.content_index),
    "response.reasoning_text.delta": lambda told: _Key(told.output_index, "reasoning", told.content_index),
    "response.reasoning_summary_text.delta": lambda told: _Key(
        told.output_index, "reasoning", told.summary_index, summary=True
    ),
    "response.function_call_arguments.delta": lambda told: _Key(told.output_index, "tool_call"),
    "response.custom_tool_call_input.delta": lambda told: _Key(told.output_index, "tool_call"),
}
"""The part that goes on."""

_WHOLES: Final[dict[str, Callable[[_Told], str | None]]] = {
    "response.output_text": lambda told: told.text,
    "response.refusal": lambda told: told.refusal,
    "response.reasoning_text": lambda told: told.text,
    "response.reasoning_summary_text": lambda told: told.text,
    "response.function_call_arguments": lambda told: told.arguments,
    "response.custom_tool_call_input": lambda told: told.input,
}
"""Where `done` has all of the part."""


class ResponsesReader:
    """See `dialect.EventReader`."""

    def __init__(self) -> None:
        self._splitter = EventSplitter(LONGEST_EVENT)
        self._parts: dict[_Key, _Open] = {}
        self._began = False
        self._over = False
        self._reads: dict[str, _Read] = {
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "response.output_text.annotation.added": self._cited,
            "error": self._error,
        }

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is not the dialect."""
        block = self._splitter.feed(data)
        return [event for one in events(block) for event in self._read(one)]

    def ended(self) -> list[Event]:
        """An event whose last empty line is missing; no `Ended` or `Broke` by then means: cut."""
        rest = self._splitter.rest
        if self._over or not rest or not (is_event(rest) and data_of(rest).endswith(b"}")):
            return []
        try:
            return list(self._read(rest))
        except UpstreamGarbled:
            return []

    def _read(self, event: bytes) -> Iterator[Event]:
        data = data_of(event)
        if self._over or data.startswith(b"[DONE]"):
            return
        if not data:
            if not is_event(event):
                raise no_event(event)
            return
        try:
            yield from self._events(_told(data))
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None

    def _events(self, told: _Told) -> Iterator[Event]:
        if not self._began and told.type != "error":
            yield self._begin(told)
        if told.type in ENDS:
            yield from self._end(told)
        elif told.type in self._reads:
            yield from self._reads[told.type](told)
        elif told.type in _DELTAS:
            yield from self._grown(_DELTAS[told.type](told), told.delta or "", told)
        elif told.type.endswith(".done") and (whole := _WHOLES.get(told.type.removesuffix(".done"))):
            key = _DELTAS[told.type.removesuffix("done") + "delta"](told)
            yield from self._rest(key, whole(told) or "", told)
        elif told.error and not told.type:
            yield from self._error(told)

    def _begin(self, told: _Told) -> Event:
        self._began = True
        if not bytes(told.response):
            return Began("", "")
        response = read_response(told.response)
        return Began(response.id, response.model, int(response.created_at or 0))

    def _open(self, key: _Key, item: OutputItem) -> Iterator[Event]:
        if key in self._parts:
            return
        if len(self._parts) >= _MOST_PARTS:
            raise UpstreamGarbled(f"The endpoint's answer has more than {_MOST_PARTS} parts.")
        number = len(self._parts)
        self._parts[key] = _Open(number)
        if key.kind == "tool_call":
            free = item.type == "custom_tool_call"
            yield Opened(part=number, kind=key.kind, id=call_id(item), name=item.name or "", free=free)
        elif key.kind == "reasoning":
            yield Opened(part=number, kind=key.kind, id=item.id or "", summary=key.summary, origin="openai_responses")
        else:
            yield Opened(part=number, kind=key.kind, type=media_type(item) if key.kind == "image" else "")

    def _grown(self, key: _Key, text: str, told: _Told) -> Iterator[Event]:
        """A call of a tool begins with its name, never with arguments: its item tells all of them at the end."""
        if key.kind != "tool_call":
            yield from self._open(key, OutputItem(id=told.item_id))
        part = self._parts.get(key)
        if part is not None and part.open and text:
            part.came += len(text)
            yield Grew(part.number, text, chances=chances(told.logprobs) if key.kind == "text" else ())

    def _rest(self, key: _Key, whole: str, told: _Told) -> Iterator[Event]:
        """What did not come as deltas."""
        came = self._parts[key].came if key in self._parts else 0
        yield from self._grown(key, whole[came:], _Told(item_id=told.item_id) if came else told)

    def _cite(self, key: _Key, annotations: Sequence[Annotation]) -> Iterator[Event]:
        """What was not cited yet."""
        part = self._parts.get(key)
        if part is not None and part.open:
            for annotation in annotations[part.cited :]:
                part.cited += 1
                yield Cited(part.number, citation(annotation))

    def _close(self, key: _Key) -> Iterator[Event]:
        part = self._parts.get(key)
        if part is not None and part.open:
            part.open = False
            yield Closed(part.number)

    def _item_added(self, told: _Told) -> Iterator[Event]:
        item = output_item(told.item)
        if item.type in ("function_call", "custom_tool_call"):
            yield from self._open(_Key(told.output_index, "tool_call"), item)

    def _part_added(self, told: _Told) -> Iterator[Event]:
        kind = _CONTENTS.get(told.part.type) if told.part else None
        if kind is not None:
            yield from self._open(_Key(told.output_index, kind, told.content_index), OutputItem(id=told.item_id))

    def _part_done(self, told: _Told) -> Iterator[Event]:
        kind = _CONTENTS.get(told.part.type) if told.part else None
        if told.part is not None and kind in ("text", "refusal"):
            yield from self._content(_Key(told.output_index, kind, told.content_index), told.part, told)

    def _content(self, key: _Key, content: Content, told: _Told) -> Iterator[Event]:
        """A part of a message is whole."""
        yield from self._rest(key, content.text or content.refusal or "", told)
        yield from self._cite(key, content.annotations or ())
        yield from self._close(key)

    def _cited(self, told: _Told) -> Iterator[Event]:
        key = _Key(told.output_index, "text", told.content_index)
        if told.annotation is not None and key in self._parts:
            yield from self._cite(key, [told.annotation] * (self._parts[key].cited + 1))

    def _item_done(self, told: _Told) -> Iterator[Event]:
        """What was not told of the item yet, its seal, and its end."""
        item = output_item(told.item)
        if item.type == "message":
            for index, content in enumerate(contents(item)):
                if content.type in ("output_text", "refusal"):
                    key = _Key(told.output_index, _CONTENTS[content.type], index)
                    yield from self._content(key, content, _Told(item_id=item.id, logprobs=content.logprobs))
        else:
            for key, part in _keyed(told.output_index, parts_of(told.item)):
                yield from self._open(key, item)
                yield from self._rest(key, _words(part), _Told(item_id=item.id))
                if isinstance(part, Reasoning) and part.sealed and self._parts[key].open:
                    yield Signed(self._parts[key].number, sealed=part.sealed)
        for key in [key for key in self._parts if key.item == told.output_index]:
            yield from self._close(key)

    def _end(self, told: _Told) -> Iterator[Event]:
        response = read_response(told.response)
        if not self._parts:
            for index, raw in enumerate(response.output or ()):
                yield from self._item_done(_Told(output_index=index, item=raw))
        usage = usage_of(response)
        metered = () if usage is None else (Metered(usage, response.service_tier or ""),)
        self._over = True
        if told.type == "response.failed":
            yield from metered
            yield from self._broke(response)
            return
        for key in tuple(self._parts):
            yield from self._close(key)
        reason, name = stop_of(response, any(key.kind == "tool_call" for key in self._parts))
        yield Stopped(reason=reason, name=name)
        yield from metered
        yield Ended()

    def _broke(self, response: Response) -> Iterator[Event]:
        reading = error_reading(response.error or {"message": "The response failed."})
        yield Broke(told_under_200(reading.status, reading.error))

    def _error(self, told: _Told) -> Iterator[Event]:
        self._over = True
        reading = error_reading(told.error or {"code": told.code, "message": told.message, "param": told.param})
        yield Broke(told_under_200(reading.status, reading.error))


def _keyed(item: int, parts: tuple[Part, ...]) -> Iterator[tuple[_Key, Part]]:
    """The parts of an item by their places; summaries and thoughts are numbered apart."""
    thoughts = summaries = 0
    for part in parts:
        match part:
            case Reasoning(summary=True):
                yield _Key(item, "reasoning", summaries, summary=True), part
                summaries += 1
            case Reasoning():
                yield _Key(item, "reasoning", thoughts), part
                thoughts += 1
            case ToolCall():
                yield _Key(item, "tool_call"), part
            case Image():
                yield _Key(item, "image"), part
            case _:
                pass


def _words(part: Part) -> str:
    match part:
        case Reasoning(text=text):
            return text
        case ToolCall(arguments=arguments):
            return arguments
        case Image(media=media):
            return media.data
        case _:
            return ""
