"""Reads the deltas of one choice into events.

Words, thoughts and refusals come one after another: the next closes the one before. Calls of tools may interleave and
stay open, like sound, until the choice ends. The reason why it ends is kept until the stream does, because some
engines go on behind it.
"""

from collections.abc import Iterator
from typing import Final

from intertie.core.chat import TokenChance
from intertie.core.events import Cited, Closed, Event, Grew, Opened, PartKind, Signed, Stopped
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.openai_chat.media import from_data_url
from intertie.dialects.openai_chat.reasoning import Detail, Thought
from intertie.dialects.openai_chat.told import (
    AudioTold,
    CallTold,
    ChoiceTold,
    MessageTold,
    Picture,
    citations_of,
    made_up_id,
    stop_of,
)

MOST_PARTS: Final = 128
MOST_HELD: Final = 1 << 20
"""Characters of arguments that are kept while a call has no name."""

_OLD_FUNCTION: Final = -1  # the key of the one call that has no index


class _Called:
    """A call: its id as told, its part, -1 while it has no name, and what is kept until then."""

    __slots__ = ("held", "id", "part", "size")

    def __init__(self, id_: str) -> None:
        self.id, self.part = id_, -1
        self.held: list[str] = []
        self.size = 0

    def is_not(self, told: CallTold) -> bool:
        """Whether a fragment begins another call: Google's endpoint gave every call the index 0, others give none."""
        if not told.name:
            return False
        return bool(self.id and told.id != self.id) if told.id else told.index is None

    def hold(self, arguments: str) -> None:
        self.size += len(arguments)
        if self.size > MOST_HELD:
            raise UpstreamGarbled("The arguments of a call that names no tool do not end.")
        self.held.append(arguments)


class ChoiceReader:
    """The state of one choice: what is open, the calls by their index, and why it ended."""

    __slots__ = ("_answer", "_at", "_audio", "_calls", "_chances", "_choice", "_kind", "_last", "_next", "_part",
                 "_said", "_start", "_stop", "_thought")  # fmt: skip

    def __init__(self, choice: int, answer: str) -> None:
        self._choice, self._answer = choice, answer
        self._next, self._part, self._audio = 0, -1, -1
        self._kind: PartKind | None = None
        self._thought: Thought | None = None
        self._calls: list[_Called] = []
        self._at: dict[int, _Called] = {}
        self._last: _Called | None = None
        self._said = self._start = 0  # characters of all texts, and where the open one begins
        self._chances: tuple[TokenChance, ...] = ()
        self._stop = ChoiceTold()

    def read(self, told: ChoiceTold) -> Iterator[Event]:
        """The events of a piece. Raises UpstreamGarbled if there are too many parts."""
        delta = told.delta or told.message or MessageTold()
        self._chances = told.logprobs.chances if told.logprobs else ()
        yield from self._think(delta)
        yield from self._speak(delta)
        if delta.audio is not None:
            yield from self._sound(delta.audio)
        for picture in delta.images or ():
            yield from self._show(picture)
        for call in delta.tool_calls or ():
            yield from self._call(call)
        if delta.function_call is not None and not delta.tool_calls:
            yield from self._call(CallTold(index=_OLD_FUNCTION, function=delta.function_call))
        if self._chances:  # a token may be less than a character
            yield from self._grow("text", "")
        if told.finish_reason is not None:
            self._stop = told

    @property
    def stopped(self) -> bool:
        """Whether it was told why it ends."""
        return self._stop.finish_reason is not None

    def ended(self) -> Iterator[Event]:
        """What is open ends, and the choice with it. Raises UpstreamGarbled for a call that never named its tool."""
        yield from self._close()
        if any(call.part < 0 for call in self._calls):
            raise UpstreamGarbled("A call names no tool.")
        still_open = [call.part for call in self._calls] + ([self._audio] if self._audio >= 0 else [])
        for part in sorted(still_open):
            yield Closed(part, self._choice)
        reason, text, name = stop_of(self._stop, bool(self._calls))
        yield Stopped(reason=reason, choice=self._choice, text=text, name=name)

    def _number(self) -> int:
        number = self._next
        self._next += 1
        if number >= MOST_PARTS:
            raise UpstreamGarbled(f"An answer has more than {MOST_PARTS} parts.")
        return number

    def _close(self) -> Iterator[Event]:
        if self._kind is not None:
            yield Closed(self._part, self._choice)
        self._kind = self._thought = None

    def _grew(self, part: int, text: str, transcript: str = "") -> Grew:
        """The first growth of a piece carries the chances of its tokens."""
        chances, self._chances = self._chances, ()
        return Grew(part, text, self._choice, chances, transcript)

    def _grow(self, kind: PartKind, text: str) -> Iterator[Event]:
        if self._kind != kind or self._thought is not None:
            yield from self._close()
            self._kind, self._part, self._start = kind, self._number(), self._said
            yield Opened(part=self._part, kind=kind, choice=self._choice)
        if kind == "text":
            self._said += len(text)
        yield self._grew(self._part, text)

    def _think(self, delta: MessageTold) -> Iterator[Event]:
        detailed = False
        for detail in delta.reasoning_details or ():
            for event in self._detail(detail):
                detailed = True
                yield event
        if delta.thoughts and not detailed:
            yield from self._grow("reasoning", delta.thoughts)

    def _detail(self, detail: Detail) -> Iterator[Event]:
        more = detail.reasoning
        if more is None:
            return
        if self._thought is None or not self._thought.takes(detail, more):
            yield from self._close()
            self._kind, self._part, self._thought = "reasoning", self._number(), Thought(detail, more)
            yield Opened(
                part=self._part,
                kind="reasoning",
                choice=self._choice,
                id=more.id,
                summary=more.summary,
                origin=more.origin,
            )
        if more.text:
            yield self._grew(self._part, more.text)
        if more.signature or more.sealed:
            yield Signed(self._part, more.signature, more.sealed, self._choice)

    def _speak(self, delta: MessageTold) -> Iterator[Event]:
        if delta.words:
            yield from self._grow("text", delta.words)
        if self._kind == "text":
            for citation in citations_of(delta.annotations, self._start):
                yield Cited(self._part, citation, self._choice)
        if delta.refusal:
            yield from self._grow("refusal", delta.refusal)

    def _sound(self, audio: AudioTold) -> Iterator[Event]:
        if self._audio < 0 and (audio.id or audio.data or audio.transcript):
            self._audio = self._number()
            yield Opened(part=self._audio, kind="audio", choice=self._choice, id=audio.id or "")
        if audio.data or audio.transcript:
            yield self._grew(self._audio, audio.data or "", audio.transcript or "")

    def _show(self, picture: Picture) -> Iterator[Event]:
        """A picture by value; one by address has no place in a stream of events."""
        told = from_data_url(picture.image_url.url) if picture.image_url else None
        if told is not None:
            part = self._number()
            yield Opened(part=part, kind="image", choice=self._choice, type=told[0])
            yield self._grew(part, told[1])
            yield Closed(part, self._choice)

    def _call(self, told: CallTold) -> Iterator[Event]:
        """A fragment of a call: the one of its index; without an index the last, unless it names a tool."""
        call = self._last if told.index is None else self._at.get(told.index)
        if call is None or call.is_not(told):
            call = _Called(told.id or "")
            self._calls.append(call)
            if len(self._calls) > MOST_PARTS:
                raise UpstreamGarbled(f"An answer has more than {MOST_PARTS} calls.")
        self._last = call
        if told.index is not None:
            self._at[told.index] = call
        if call.part < 0 and not told.name:
            call.hold(told.arguments)
            return
        if call.part < 0:
            yield from self._begin(call, told)
        if told.arguments:
            yield self._grew(call.part, told.arguments)
        if told.signature:
            yield Signed(call.part, told.signature, choice=self._choice)

    def _begin(self, call: _Called, told: CallTold) -> Iterator[Event]:
        yield from self._close()
        call.part = self._number()
        call.id = call.id or told.id or made_up_id(self._answer, self._choice, len(self._calls) - 1)
        yield Opened(part=call.part, kind="tool_call", choice=self._choice, id=call.id, name=told.name, free=told.free)
        if call.held:
            yield self._grew(call.part, "".join(call.held))
            call.held.clear()
