"""The way back: an endpoint's answer in the words of the caller, whole or while it streams."""

from collections.abc import Iterable

import msgspec

from intertie.core.events import Began, Broke, Ended, Event, Grew, Metered
from intertie.core.faults import StreamCut, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.dialect import EventReader, EventWriter, Heard, Watch
from intertie.dialects.openai_responses.renaming import Changes, Renamed, renamed
from intertie.gateway.passage import Passage


def returned(passage: Passage, body: bytes) -> tuple[bytes, Usage | None]:
    """A whole answer for the caller, and the usage it told. Raises UpstreamGarbled if it is not the dialect."""
    call, outbound, inbound = passage.asked or passage.call, passage.lane.outbound, passage.door.inbound
    assert call is not None
    try:
        if passage.conversion is not None:
            return passage.conversion.read(body, call), outbound.glance(body).usage
        if passage.chat is None:
            return renamed(body, changes(passage)), None
        assert outbound.read is not None and inbound.write is not None
        answer = outbound.read(body)
    except ValueError as error:
        raise UpstreamGarbled(f"The endpoint's answer is not what its dialect promises: {error}") from None
    if not answer.id or not answer.created or passage.kept_as:
        name, created = passage.kept_as or answer.id or passage.name, answer.created or passage.begun
        answer = msgspec.structs.replace(answer, id=name, created=created)
    return inbound.write(answer, call), answer.usage


def watch(passage: Passage, heard: Heard) -> Watch:
    """What stands between the endpoint's stream and the caller."""
    call, outbound, inbound = passage.call, passage.lane.outbound, passage.door.inbound
    assert call is not None
    if passage.chat is None:
        assert outbound.watch is not None
        through = outbound.watch(call, heard)
        return through if passage.asked is None else Renamed(through, changes(passage))
    assert outbound.reader is not None and inbound.writer is not None
    return Translated(outbound.reader(), inbound.writer(passage.asked or call), heard, passage)


def changes(passage: Passage) -> Changes:
    """What an endpoint of the caller's dialect does not know of a response: the gateway keeps it, not the endpoint."""
    assert passage.asked is not None
    fields = passage.asked.fields
    echoed = {name: fields[name] for name in ("store", "previous_response_id", "background") if name in fields}
    return {**echoed, "id": passage.kept_as} if passage.kept_as else echoed


class Translated:
    """See `dialects.dialect.Watch`: events read from one dialect and written in another."""

    __slots__ = ("_heard", "_passage", "_reader", "_writer", "done", "tail")

    def __init__(self, reader: EventReader, writer: EventWriter, heard: Heard, passage: Passage) -> None:
        self._reader, self._writer, self._heard, self._passage = reader, writer, heard, passage
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """What the caller gets now. Raises the Fault that the endpoint told."""
        return self._written(self._reader.feed(data))

    def ended(self) -> bytes:
        """The tail. Raises StreamCut if the dialect's own end never came."""
        rest = self._written(self._reader.ended())
        if not self.done:
            raise StreamCut("The endpoint's stream ended before its end.")
        self.tail = rest + self.tail
        return self.tail

    def _written(self, told: Iterable[Event]) -> bytes:
        parts: list[bytes] = []
        for event in told:
            if isinstance(event, Broke):
                raise event.fault
            if self.done:
                break  # what follows the end is nobody's
            if isinstance(event, Grew):
                self._heard.events += 1
            elif isinstance(event, Began):
                event = self._named(event)
            elif isinstance(event, Metered):
                self._heard.usage = event.usage
            text = self._writer.write(event)
            if isinstance(event, Ended):
                self.done, self.tail = True, text
            else:
                parts.append(text)
        return b"".join(parts)

    def _named(self, began: Began) -> Began:
        """With an id and a date where the endpoint tells none, and our own id where the answer is kept."""
        self._heard.prompt = began.usage
        passage = self._passage
        if began.id and began.created and not passage.kept_as:
            return began
        name, created = passage.kept_as or began.id or passage.name, began.created or passage.begun
        return msgspec.structs.replace(began, id=name, created=created)
