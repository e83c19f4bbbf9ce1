"""Reads a stream into events.

Usage and the ends of choices are kept until `[DONE]`: engines tell usage with every chunk, with the last choice or in
a chunk of its own, and some go on behind a `finish_reason`. For those that never say `[DONE]` see `watch.ChatWatch`.
"""

from collections.abc import Iterator

import msgspec

from intertie.core.events import Began, Broke, Ended, Event, Metered, Pinged
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.openai_chat.body_to_answer import read_usage
from intertie.dialects.openai_chat.delta_to_events import ChoiceReader
from intertie.dialects.openai_chat.told import AnswerTold, fault_of
from intertie.dialects.openai_chat.watch import no_event
from intertie.dialects.sse import EventSplitter, data_of, events, is_event

_MOST_CHOICES = 128

_chunk = msgspec.json.Decoder(AnswerTold).decode


class ChatReader:
    """See `dialect.EventReader`."""

    __slots__ = ("_began", "_choices", "_complete", "_metered", "_over", "_splitter", "_tier")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._began: Began | None = None
        self._choices: dict[int, ChoiceReader] = {}
        self._metered: Metered | None = None
        self._complete = self._over = False
        self._tier: str | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is not the dialect."""
        return [found for event in events(self._splitter.feed(data)) for found in self._read(event)]

    def ended(self) -> list[Event]:
        """What was waiting for the end. Of a stream that was cut only its usage, where it was told."""
        rest = self._splitter.rest
        no_stream = self._began is None and not is_event(rest)
        if not self._over and (no_stream or data_of(rest).startswith(b"[DONE]")):  # the last empty line may be missing
            return list(self._read(rest))
        if self._complete and not (self._over or rest) and all(one.stopped for one in self._choices.values()):
            return list(self._done())
        return [] if self._over or self._metered is None else [self._metered]

    def _read(self, event: bytes) -> Iterator[Event]:
        data = data_of(event)
        if self._over:
            return
        if data.startswith(b"[DONE]"):
            self._over = True
            yield from self._done()
        elif data:
            yield from self._chunk(data)
        elif is_event(event):
            yield Pinged()
        else:
            fault = no_event(event)
            if isinstance(fault, UpstreamGarbled):
                raise fault
            self._over = True
            yield Broke(fault)

    def _chunk(self, data: bytes) -> Iterator[Event]:
        try:
            told = _chunk(data)
        except (ValueError, RecursionError) as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        fault = fault_of(told)
        if fault is not None:
            self._over = True
            yield Broke(fault)
            return
        self._tier = told.service_tier = told.service_tier or self._tier
        usage = read_usage(told)
        if usage is not None:
            self._metered = Metered(usage, self._tier or "")
        if self._began is None and (told.id or told.choices):  # Azure's first chunk tells nothing but of its filters
            self._began = Began(told.id or "", told.model or "", int(told.created or 0))
            yield self._began
        self._complete = usage is not None and any(choice.finish_reason is not None for choice in told.choices or ())
        for choice in told.choices or ():
            yield from self._choice(choice.index).read(choice)

    def _choice(self, index: int) -> ChoiceReader:
        reader = self._choices.get(index)
        if reader is None:
            if not 0 <= index < _MOST_CHOICES:
                raise UpstreamGarbled(f"There is no choice {index}.")
            answer = self._began.id if self._began else ""
            reader = self._choices[index] = ChoiceReader(index, answer)
        return reader

    def _done(self) -> Iterator[Event]:
        if not self._choices:
            raise UpstreamGarbled("The stream ended before it began.")
        for _, choice in sorted(self._choices.items()):
            yield from choice.ended()
        if self._metered is not None:
            yield self._metered
        yield Ended()
