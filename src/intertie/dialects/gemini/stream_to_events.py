"""From Gemini's stream to events. Each chunk is a small answer: parts of one kind go on, another kind begins anew.

Tool calls come whole. There is no mark for the end: the stream is whole when its message ends and each candidate that
began was finished, so `Metered` and `Ended` wait for that.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from intertie.core.answers import told_under_200
from intertie.core.chat import Audio, ToolCall
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
from intertie.core.usage import Usage
from intertie.dialects.gemini.body_to_answer import blocked, call_id, call_of, chances_of, created, media_of
from intertie.dialects.gemini.glance import Candidate, Chunk, Part, read_chunk, reading_of
from intertie.dialects.gemini.grounds import citations_of
from intertie.dialects.gemini.reasons import stop_reason
from intertie.dialects.gemini.watch import LONGEST_EVENT, garbled, no_event, together
from intertie.dialects.sse import EventSplitter, data_of, events, is_event

_MOST_CHOICES: Final = 128
_MOST_PARTS: Final = 4_096  # of one choice: each has a number, and writers keep something of each


class GeminiReader:
    """See `dialect.EventReader`."""

    __slots__ = ("_answer", "_began", "_choices", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter(LONGEST_EVENT)
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._began = False
        self._answer = ""

    def feed(self, data: bytes) -> Iterable[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is not the dialect."""
        return [told for event in events(self._splitter.feed(data)) for told in self._event(event)]

    def ended(self) -> Iterable[Event]:
        """What is left, the usage, and `Ended` if all that began is finished."""
        told = self._last(self._splitter.rest)
        if self._usage is not None:
            told.append(Metered(self._usage, self._usage.tier))
        if self._choices and all(choice.finished for choice in self._choices.values()):
            told.append(Ended())
        return told

    def _last(self, rest: bytes) -> list[Event]:
        """The last empty line may be missing; what is no whole chunk then was cut off, if there was a stream at all."""
        try:
            return list(self._event(rest))
        except UpstreamGarbled:
            if self._began or data_of(rest):
                return []
            raise

    def _event(self, event: bytes) -> Iterator[Event]:
        data = data_of(event)
        if not data:
            if not is_event(event):
                raise no_event(event)
            return
        try:
            chunk = read_chunk(data)
            reading = reading_of(chunk)
        except ValueError as error:
            raise garbled(error) from None
        if reading.error:
            yield Broke(told_under_200(reading.status, reading.error))
            return
        self._usage = together(self._usage, reading.usage)
        if not self._began:
            self._began, self._answer = True, chunk.response_id or ""
            yield Began(self._answer, chunk.model_version or "", created(chunk), reading.usage)
        for candidate in chunk.candidates or ():
            yield from self._choice(candidate.index or 0).follow(candidate, self._answer)
        if chunk.blocked and not self._choices:
            yield from self._choice(0).refuse(chunk)

    def _choice(self, number: int) -> "_Choice":
        if not 0 <= number < _MOST_CHOICES:
            raise UpstreamGarbled(f"a candidate of number {number}")
        return self._choices.setdefault(number, _Choice(number))


class _Choice:
    """One candidate as it grows: the part that is open, and how many there were."""

    __slots__ = ("_calls", "_number", "_open", "_parts", "finished")

    def __init__(self, number: int) -> None:
        self._number = number
        self._open: PartKind | None = None
        self._parts = 0
        self._calls = 0
        self.finished = False

    def follow(self, candidate: Candidate, answer: str) -> Iterator[Event]:
        """The next piece of the candidate."""
        if self.finished:
            return
        chances = chances_of(candidate.logprobs_result)
        for part in (candidate.content and candidate.content.parts) or ():
            for event in self._part(part, answer):
                if chances and isinstance(event, Grew) and self._open == "text":
                    yield Grew(event.part, event.text, event.choice, chances)
                    chances = ()
                else:
                    yield event
        if candidate.grounding_metadata is not None and self._open == "text":
            for _, citation in citations_of(candidate.grounding_metadata, ()):
                yield Cited(self._parts - 1, citation, self._number)
        if candidate.finish_reason:
            yield from self._stop(candidate.finish_reason)

    def refuse(self, chunk: Chunk) -> Iterator[Event]:
        """The prompt was blocked, so there will be no candidate."""
        yield self._begin("refusal")
        yield Grew(self._parts - 1, blocked(chunk).text, self._number)
        yield from self._close()
        self.finished = True
        yield Stopped(reason="filter", choice=self._number, name=chunk.blocked)

    def _stop(self, finish: str) -> Iterator[Event]:
        yield from self._close()
        reason, name = stop_reason(finish, called=self._calls > 0)
        self.finished = True
        yield Stopped(reason=reason, choice=self._number, name=name)

    def _part(self, part: Part, answer: str) -> Iterator[Event]:
        if part.function_call is not None:
            name = call_id(part.function_call, answer, self._number, self._calls)
            self._calls += 1
            yield from self._call(call_of(part, part.function_call, name))
        elif (media := media_of(part)) is not None:
            yield from self._close()
            yield self._begin("audio" if isinstance(media, Audio) else "image", media=media.media.type)
            yield Grew(self._parts - 1, media.media.data, self._number)
            yield from self._close()
        elif part.text:
            yield from self._words("reasoning" if part.thought else "text", part.text)
        if part.thought_signature and part.function_call is None:
            yield from self._words("reasoning", "")
            yield Signed(self._parts - 1, part.thought_signature, choice=self._number)
            yield from self._close()

    def _call(self, call: ToolCall) -> Iterator[Event]:
        """A tool call comes whole."""
        yield from self._close()
        yield self._begin("tool_call", call=call.id, name=call.name)
        yield Grew(self._parts - 1, call.arguments, self._number)
        if call.signature:
            yield Signed(self._parts - 1, call.signature, choice=self._number)
        yield from self._close()

    def _words(self, kind: Literal["text", "reasoning"], text: str) -> Iterator[Event]:
        """Words of a kind: they go on in the open part if it is of that kind."""
        if self._open != kind:
            yield from self._close()
            yield self._begin(kind)
        if text:
            yield Grew(self._parts - 1, text, self._number)

    def _begin(self, kind: PartKind, *, call: str = "", name: str = "", media: str = "") -> Opened:
        if self._parts == _MOST_PARTS:
            raise UpstreamGarbled(f"an answer of more than {_MOST_PARTS} parts")
        self._open, self._parts = kind, self._parts + 1
        thought = kind == "reasoning"
        return Opened(
            part=self._parts - 1,
            kind=kind,
            choice=self._number,
            id=call,
            name=name,
            type=media,
            summary=thought,
            origin="gemini" if thought else None,
        )

    def _close(self) -> Iterator[Event]:
        if self._open is not None:
            self._open = None
            yield Closed(self._parts - 1, self._number)
