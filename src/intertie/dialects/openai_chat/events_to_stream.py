"""Writes events as a stream of chunks.

Pictures are told whole, so they are kept until they close. Usage comes in a chunk of its own, and only to who asked
for it; then all other chunks tell `usage: null`. Where an endpoint broke, no `[DONE]` follows: clients would take the
piece for the whole.
"""

from typing import Final

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
from intertie.dialects.openai_chat.faults import error_event
from intertie.dialects.openai_chat.media import to_data_url
from intertie.dialects.openai_chat.reasoning import to_details
from intertie.dialects.openai_chat.turns_to_messages import Json
from intertie.dialects.openai_chat.written import annotation, finish, logprobs, manner_of, tier_told, usage_told

MOST_KEPT: Final = 32 << 20
"""Characters of a picture that are kept until it is whole."""

_encode = msgspec.json.Encoder().encode


class _Part:
    """An open part: what it is, its number among its kind, and the place of its text in the message."""

    __slots__ = ("kept", "length", "number", "opened", "size", "start")

    def __init__(self, opened: Opened, number: int, start: int) -> None:
        self.opened, self.number, self.start = opened, number, start
        self.length = self.size = 0
        self.kept: list[str] = []

    def keep(self, text: str) -> None:
        self.size += len(text)
        if self.size > MOST_KEPT:
            raise UpstreamGarbled("A picture does not end.")
        self.kept.append(text)

    def thought(self, text: str = "", signature: str = "", sealed: str = "") -> Json:
        """A piece of reasoning with all that must come back unchanged, where there may be any such."""
        opened = self.opened
        if not (signature or sealed or opened.id or opened.summary or opened.origin):
            return {}
        told = Reasoning(text, signature, sealed, opened.id, opened.summary, opened.origin)
        return {"reasoning_details": to_details(told, self.number)}


class _Choice:
    """What one choice said so far: whether its role is told, its parts by kind, the length of its text."""

    __slots__ = ("begun", "counts", "length", "parts")

    def __init__(self) -> None:
        self.begun = False
        self.counts: dict[str, int] = {}
        self.length = 0
        self.parts: dict[int, _Part] = {}

    def open(self, opened: Opened) -> _Part:
        number = self.counts.get(opened.kind, 0)
        self.counts[opened.kind] = number + 1
        part = self.parts[opened.part] = _Part(opened, number, self.length)
        return part


class ChatWriter:
    """See `dialect.EventWriter`."""

    __slots__ = ("_choices", "_created", "_head", "_manner", "_model", "_tail", "_tier", "_usage", "_wants_usage")

    def __init__(self, call: Call) -> None:
        self._model, self._manner, self._wants_usage = call.model, manner_of(call), call.wants_usage
        self._tail = b'],"usage":null}\n\n' if call.wants_usage else b"]}\n\n"
        self._head = _head(Began("", ""), call.model)
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._tier = ""

    def write(self, event: Event) -> bytes:
        """The bytes of an event. Raises UpstreamGarbled for a picture beyond all bounds."""
        match event:
            case Began():
                self._head, self._usage = _head(event, self._model), event.usage
                return b""
            case Metered():
                self._usage, self._tier = event.usage, event.tier
                return b""
            case Pinged():
                return b": ping\n\n"
            case Broke():
                return error_event(event.fault)
            case Ended():
                return self._ended()
            case _:
                return self._of_choice(event)

    def _of_choice(self, event: Opened | Grew | Signed | Cited | Closed | Stopped) -> bytes:
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = _Choice()
        if isinstance(event, Stopped):
            delta: Json = {} if choice.begun else {"content": ""}
            return self._chunk(event.choice, delta, finish(event.reason, event.name, self._manner))
        if isinstance(event, Opened):
            return self._chunk(event.choice, self._opened(choice.open(event)), {})
        part = choice.parts.get(event.part)
        if part is None:
            return b""
        if not isinstance(event, Grew):
            return self._chunk(event.choice, self._told(choice, part, event), {})
        refused = part.opened.kind == "refusal"
        chances: Json = {"logprobs": logprobs(event.chances, refused=refused)} if event.chances else {}
        return self._chunk(event.choice, self._grown(choice, part, event), chances)

    def _chunk(self, index: int, delta: Json | None, more: Json) -> bytes:
        """A chunk of one choice; the first tells whose words these are. None is nothing to tell."""
        choice = self._choices[index]
        if delta is None and "logprobs" not in more:
            return b""
        told: Json = {"role": "assistant"} if not choice.begun else {}
        choice.begun = True
        body = {"index": index, "delta": told | (delta or {}), "logprobs": None, "finish_reason": None} | more
        return self._head + _encode(body) + self._tail

    def _opened(self, part: _Part) -> Json | None:
        opened = part.opened
        if opened.kind == "audio":
            return {"audio": {"id": opened.id}}
        if opened.kind != "tool_call":
            return None
        if opened.free:
            return self._call(part, {"id": opened.id, "type": "custom", "custom": {"name": opened.name, "input": ""}})
        function = {"name": opened.name, "arguments": ""}
        return self._call(part, {"id": opened.id, "type": "function", "function": function})

    def _call(self, part: _Part, told: Json) -> Json | None:
        """A piece of a call; the first one is told to callers of the old functions where they look for it."""
        if not self._manner.old_functions or part.number:
            return {"tool_calls": [{"index": part.number} | told]}
        return {"function_call": told["function"]} if "function" in told else None

    def _grown(self, choice: _Choice, part: _Part, event: Grew) -> Json | None:
        text = event.text
        if not (text or event.transcript):
            return None
        part.length += len(text)
        match part.opened.kind:
            case "text":
                choice.length += len(text)
                return {"content": text}
            case "refusal":
                return {"refusal": text}
            case "reasoning":
                return {"reasoning_content": text} | part.thought(text) if self._manner.thoughts else None
            case "tool_call":
                return self._call(part, {"custom": {"input": text}} if part.opened.free else _arguments(text))
            case "audio":
                sound: Json = {"data": text} if text else {}
                return {"audio": sound | ({"transcript": event.transcript} if event.transcript else {})}
            case "image":
                part.keep(text)
                return None

    def _told(self, choice: _Choice, part: _Part, event: Signed | Cited | Closed) -> Json | None:
        kind = part.opened.kind
        match event:
            case Signed() if kind == "tool_call":
                # OpenAI's SDK fails at a piece of a function's call without `function`
                piece: Json = {"custom": {"input": ""}} if part.opened.free else _arguments("")
                return self._call(part, piece | {"extra_content": {"google": {"thought_signature": event.signature}}})
            case Signed() if kind == "reasoning" and self._manner.thoughts:
                return part.thought("", event.signature, event.sealed)
            case Cited() if kind == "text":
                return {"annotations": [annotation(event.citation, part.start, part.start + part.length)]}
            case Closed():
                del choice.parts[event.part]
                return self._closed(part)
            case _:
                return None

    def _closed(self, part: _Part) -> Json | None:
        opened = part.opened
        if opened.kind == "image":
            url = to_data_url(opened.type, "".join(part.kept))
            return {"images": [{"type": "image_url", "index": part.number, "image_url": {"url": url}}]}
        if opened.kind == "tool_call" and not (opened.free or part.length):
            return self._call(part, _arguments("{}"))  # clients read them as JSON
        return None

    def _ended(self) -> bytes:
        done = b"data: [DONE]\n\n"
        if not self._wants_usage or self._usage is None:
            return done
        tier = tier_told(self._tier)
        told = b'],"usage":' + _encode(usage_told(self._usage))
        told += b',"service_tier":' + _encode(tier) if tier else b""
        return self._head + told + b"}\n\n" + done


def _arguments(text: str) -> Json:
    return {"function": {"arguments": text}}


def _head(began: Began, model: str) -> bytes:
    """How every chunk of a stream begins."""
    chunk = {
        "id": began.id,
        "object": "chat.completion.chunk",
        "created": began.created,
        "model": began.model or model,
        "choices": (),
    }
    return b"data: " + _encode(chunk)[:-2]
