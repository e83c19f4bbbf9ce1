"""From events to Gemini's stream: each chunk a small answer, the last with the reasons why, sources and the usage.

A tool call is one part in Gemini, so its fragments wait until it is whole. The signature of a thought comes in a part
of its own behind the words. All that is written goes through the JSON encoder.
"""

from typing import Any, Final

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Citation, Reasoning, Text, TokenChance, ToolCall
from intertie.core.events import Began, Cited, Closed, Ended, Event, Grew, Metered, Opened, Pinged, Signed, Stopped
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.gemini.answer_to_body import call_part, logprobs_result, thought_of, usage_metadata
from intertie.dialects.gemini.grounds import grounding_of
from intertie.dialects.gemini.reasons import finish_reason

_MOST_PARTS: Final = 128  # open at once
_LONGEST_CALL: Final = 1 << 20
_MOST_CITATIONS: Final = 512

_encode = msgspec.json.Encoder().encode


class _Part:
    """A part that is open. `text` are the arguments of a tool call so far, `length` their characters."""

    __slots__ = ("length", "opened", "sealed", "signature", "text")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.text: list[str] = []
        self.length = 0
        self.signature = ""
        self.sealed = ""


class GeminiWriter:
    """See `dialect.EventWriter`."""

    __slots__ = ("_answer", "_cited", "_open", "_spoiled", "_stops", "_usage")

    def __init__(self, call: Call) -> None:
        self._answer = {"modelVersion": call.model, "responseId": ""}
        self._open: dict[tuple[int, int], _Part] = {}
        self._stops: dict[int, Stopped] = {}
        self._spoiled: set[int] = set()
        self._cited: dict[int, list[Citation]] = {}
        self._usage: dict[str, Any] | None = None

    def write(self, event: Event) -> bytes:
        """The bytes of an event. Raises UpstreamGarbled for more open parts, or longer arguments, than can be kept."""
        match event:
            case Grew():
                return self._grew(event)
            case Closed():
                return self._closed(event)
            case Ended():
                return self._last()
            case Pinged():
                return b"\n"  # an event of nothing: Google's SDKs stumble over comments
            case _:
                self._remember(event)
                return b""

    def _remember(self, event: Event) -> None:
        """What is said later, with something else."""
        match event:
            case Began():
                self._answer = {"modelVersion": event.model or self._answer["modelVersion"], "responseId": event.id}
            case Opened():
                if len(self._open) == _MOST_PARTS:
                    raise UpstreamGarbled(f"more than {_MOST_PARTS} parts of an answer are open at once")
                self._open[event.choice, event.part] = _Part(event)
            case Signed():
                part = self._part(event)
                part.signature, part.sealed = event.signature or part.signature, event.sealed or part.sealed
            case Cited():
                self._cited.setdefault(event.choice, []).append(event.citation)
                del self._cited[event.choice][_MOST_CITATIONS:]
            case Stopped():
                self._stops[event.choice] = event
            case Metered():
                self._usage = usage_metadata(event.usage, event.tier)
            case _:
                pass  # `Broke` is told by the gateway

    def _part(self, event: Grew | Signed | Closed) -> _Part:
        part = self._open.get((event.choice, event.part))
        if part is None:
            raise UpstreamGarbled("a part of the answer goes on that never began")
        return part

    def _grew(self, event: Grew) -> bytes:
        part = self._part(event)
        opened = part.opened
        if opened.kind == "tool_call":
            part.length += len(event.text)
            if part.length > _LONGEST_CALL:
                raise UpstreamGarbled(f"the arguments of a tool call are longer than {_LONGEST_CALL} characters")
            part.text.append(event.text)
            return b""
        if opened.kind in ("audio", "image"):
            written: dict[str, Any] = {"inlineData": {"mimeType": opened.type, "data": event.text}}
        else:
            written = {"text": event.text}
            if opened.kind == "reasoning":
                written["thought"] = True
        return self._said(written, event.choice, event.chances)

    def _closed(self, event: Closed) -> bytes:
        part = self._part(event)
        del self._open[event.choice, event.part]
        opened = part.opened
        if opened.kind == "tool_call":
            text = "".join(part.text)
            written = call_part(ToolCall(opened.id, opened.name, text, signature=part.signature))
            if written is None:
                self._spoiled.add(event.choice)
        elif opened.kind == "reasoning":
            thought = Reasoning("", part.signature, part.sealed, opened.id, opened.summary, opened.origin)
            written = thought_of(thought)
        else:
            return b""
        return b"" if written is None else self._said(written, event.choice)

    def _said(self, part: dict[str, Any], choice: int, chances: tuple[TokenChance, ...] = ()) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": choice}
        if chances:
            candidate["logprobsResult"] = logprobs_result(chances)
        return self._chunk({"candidates": [candidate]})

    def _last(self) -> bytes:
        """The chunk that ends it all: SDKs take the usage from the last."""
        candidates = [
            {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "finishReason": self._finish(stop),
                "index": stop.choice,
                **grounding_of([(0, Text("", citations=tuple(self._cited.get(stop.choice, ()))))]),
            }
            for stop in self._stops.values()
        ]
        usage = {} if self._usage is None else {"usageMetadata": self._usage}
        return self._chunk({"candidates": candidates, **usage})

    def _finish(self, stop: Stopped) -> str:
        if stop.choice in self._spoiled:
            return "MALFORMED_FUNCTION_CALL"
        return finish_reason(stop.reason, stop.name)

    def _chunk(self, body: dict[str, Any]) -> bytes:
        return b"data: " + _encode(body | self._answer) + b"\n\n"
