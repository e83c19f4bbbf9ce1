"""Writes events as a stream: one block after another, whatever the order in which the parts grew.

The part that opened first is written as it grows; those that open meanwhile wait for their turn. A block begins with
the first that is to be said of it, so that none is empty. Sound and pictures, which no message can hold, are left out.
"""

from typing import Any, Final

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Reasoning
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
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.answer_to_body import made_up_id
from intertie.dialects.anthropic_messages.blocks import from_citation
from intertie.dialects.anthropic_messages.faults import error_event
from intertie.dialects.anthropic_messages.foreign import to_signature
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.stops import write_stop
from intertie.dialects.anthropic_messages.usage import from_usage, of_message

_MOST_WAITING: Final = 1024 * 1024  # characters of parts that wait for their turn
_MOST_PARTS: Final = 128  # that wait

_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool_call": ("input_json_delta", "partial_json"),
}

_encode = msgspec.json.Encoder().encode


def _event(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **fields}))


class _Part:
    """A part whose block is being written, or waits: what is known of it, and what is still to be said."""

    __slots__ = ("begun", "closed", "opened", "sealed", "signature", "size", "waiting")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.size = 0
        self.waiting: list[Grew | Cited] = []
        self.signature = self.sealed = ""
        self.begun = self.closed = False


class MessageStream:
    """See `dialect.EventWriter`."""

    __slots__ = ("_began", "_call", "_calls", "_id", "_index", "_parts", "_refused", "_stopped", "_usage", "_waiting")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._id = ""
        self._parts: dict[int, _Part] = {}  # in the order in which they opened; the first is being written
        self._index = self._waiting = 0
        self._began = self._calls = self._refused = False
        self._stopped = Stopped(reason="other")
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """The bytes of an event; b"" where the dialect says nothing, or only later."""
        if isinstance(event, Broke):
            return error_event(event.fault)
        if isinstance(event, Pinged):
            return _event("ping")
        if isinstance(event, Metered):
            self._usage = event.usage
            return b""
        if isinstance(event, Began):
            return self._begin(event)
        begun = b"" if self._began else self._begin(Began("", ""))
        if isinstance(event, Ended):
            return begun + self._end()
        return begun + self._on(event) if event.choice == 0 else begun

    def _begin(self, event: Began) -> bytes:
        if self._began:
            return b""
        self._began, self._id, self._usage = True, event.id, event.usage
        message: dict[str, Any] = {
            "id": event.id,
            "type": "message",
            "role": "assistant",
            "model": event.model or self._call.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": of_message(event.usage),
        }
        return _event("message_start", message=message)

    def _on(self, event: Opened | Grew | Signed | Cited | Closed | Stopped) -> bytes:
        if isinstance(event, Stopped):
            self._stopped = event
            for part in self._parts.values():
                part.closed = True
            return self._turn()
        if isinstance(event, Opened):
            return self._open(event)
        part = self._parts.get(event.part)
        if part is None:
            return b""
        if isinstance(event, Signed):
            part.signature, part.sealed = part.signature + event.signature, part.sealed + event.sealed
            return b""
        if isinstance(event, Closed):
            part.closed = True
            return self._turn()
        part.waiting.append(event)
        return self._turn() if part is next(iter(self._parts.values())) else self._wait(part, event)

    def _open(self, event: Opened) -> bytes:
        if event.kind not in _DELTAS:
            return b""
        if len(self._parts) >= _MOST_PARTS:
            raise UpstreamGarbled(f"more than {_MOST_PARTS} parts of an answer are open at once")
        self._parts[event.part] = _Part(event)
        return self._turn()

    def _wait(self, part: _Part, event: Grew | Cited) -> bytes:
        size = len(event.text) if isinstance(event, Grew) else len(event.citation.quote)
        part.size += size
        self._waiting += size
        if self._waiting > _MOST_WAITING:
            raise UpstreamGarbled("the parts of an answer overlap by more than can be put in order")
        return b""

    def _turn(self) -> bytes:
        """Write the first part as far as it is known, and each behind it whose turn comes."""
        written: list[bytes] = []
        while self._parts:
            number, part = next(iter(self._parts.items()))
            written.append(self._grown(part))
            if not part.closed:
                break
            written.append(self._closed(part))
            del self._parts[number]
        return b"".join(written)

    def _grown(self, part: _Part) -> bytes:
        kind, told = part.opened.kind, b""
        self._waiting -= part.size
        part.size = 0
        if not part.begun and (kind == "tool_call" or any(isinstance(one, Cited) or one.text for one in part.waiting)):
            told = self._start(part)
        name, field = _DELTAS[kind]
        for one in part.waiting:
            if isinstance(one, Cited):
                told += self._delta({"type": "citations_delta", "citation": from_citation(one.citation)})
            elif one.text:
                told += self._delta({"type": name, field: one.text})
        part.waiting.clear()
        return told

    def _start(self, part: _Part) -> bytes:
        opened, part.begun = part.opened, True
        match opened.kind:
            case "tool_call":
                self._calls = True
                name = opened.id or made_up_id(self._id, opened.part)
                block: dict[str, Any] = {"type": "tool_use", "id": name, "name": opened.name, "input": {}}
            case "reasoning":
                block = {"type": "thinking", "thinking": "", "signature": ""}
            case _:
                self._refused = self._refused or opened.kind == "refusal"
                block = {"type": "text", "text": ""}
        return _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _closed(self, part: _Part) -> bytes:
        opened = part.opened
        if opened.kind == "reasoning":
            return self._thought(part)
        told = self._stop() if part.begun else b""
        if opened.kind == "tool_call" and part.signature:
            name = opened.id or made_up_id(self._id, opened.part)
            return told + self._thought(_carrying(name, part.signature))
        return told

    def _thought(self, part: _Part) -> bytes:
        """The end of thoughts: their signature, or what seals them."""
        opened = part.opened
        if opened.origin == OWN and part.sealed:
            block = {"type": "redacted_thinking", "data": part.sealed}
            return _event("content_block_start", index=self._index, content_block=block) + self._stop()
        if not (part.begun or part.signature or part.sealed):
            return b""
        told = b"" if part.begun else self._start(part)
        signature = part.signature
        if opened.origin != OWN:
            signature = to_signature(
                Reasoning("", signature, part.sealed, opened.id, summary=opened.summary, origin=opened.origin)
            )
        return told + self._delta({"type": "signature_delta", "signature": signature}) + self._stop()

    def _stop(self) -> bytes:
        self._index += 1
        return _event("content_block_stop", index=self._index - 1)

    def _end(self) -> bytes:
        for part in self._parts.values():
            part.closed = True
        last, stopped = self._turn(), self._stopped
        reason = write_stop(stopped.reason, stopped.name, calls=self._calls, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": stopped.text or None}
        return last + _event("message_delta", delta=delta, usage=from_usage(self._usage)) + _event("message_stop")


def _carrying(call: str, signature: str) -> _Part:
    """Thoughts that say nothing and carry the signature of a call."""
    part = _Part(Opened(part=0, kind="reasoning", id=call))
    part.signature = signature
    return part
