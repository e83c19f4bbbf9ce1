"""From turns to Gemini's `contents` and its `systemInstruction`.

Instructions hold for the whole conversation here: those given in its midst join the others at the top. Results of
tools are objects: text becomes `output`, or `error` where the tool failed. Thoughts go back to Gemini alone, with their
signatures byte by byte; Gemini 3 also wants a signature on the first call of each of the model's turns and names
`skip_thought_signature_validator` for calls that it did not make itself (ai.google.dev, Thought signatures, FAQ).
Left out without a word: caching marks, how closely a picture is to be looked at, the names of documents.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import msgspec

from intertie.core.call import Fields
from intertie.core.chat import (
    Audio,
    Chat,
    Document,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest
from intertie.dialects.dialect import Cannot
from intertie.dialects.gemini.seals import is_gemini

_FOREIGN: Final = "skip_thought_signature_validator"
_UNSIGNED_MODELS: Final = ("gemini-1", "gemini-2")
_TYPES: Mapping[str, str] = MappingProxyType({
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic",
    "gif": "image/gif", "pdf": "application/pdf", "txt": "text/plain", "mp3": "audio/mp3", "wav": "audio/wav",
})  # fmt: skip
_INSTRUCTS: Final = ("system", "developer")

_arguments = msgspec.json.Decoder(Fields).decode


def turns_to_contents(chat: Chat, endpoint: Endpoint, cannot: Cannot) -> tuple[list[Any], list[Any]]:
    """The contents, and the parts of the system instruction. Raises InvalidRequest for a result without its call."""
    writer = _Writer(chat, endpoint, cannot)
    instruction = [part for turn in chat.turns if turn.role in _INSTRUCTS for part in writer.instruction(turn)]
    spoken = [turn for turn in chat.turns if turn.role not in _INSTRUCTS]
    contents = [content for turn in _together(spoken) if (content := writer.content(turn))["parts"]]
    if not contents:
        cannot.say("turns", "Gemini answers what a user said, and there is only a system message")
    return contents, instruction


def _together(turns: list[Turn]) -> Iterator[Turn]:
    """Turns that hold nothing but results become one: Gemini wants all results of a turn's calls in one content."""
    for answers, group in groupby(turns, lambda turn: all(isinstance(part, ToolResult) for part in turn.parts)):
        if answers:
            yield Turn("user", tuple(part for turn in group for part in turn.parts))
        else:
            yield from group


class _Writer:
    """Remembers which tool each call named: results name it again."""

    def __init__(self, chat: Chat, endpoint: Endpoint, cannot: Cannot) -> None:
        self._field = chat.spelled("turns")
        self._vertex = endpoint.dialect == "vertex"
        self._signs = not endpoint.upstream_model.startswith(_UNSIGNED_MODELS)
        self._cannot = cannot
        self._called: dict[str, str] = {}

    def instruction(self, turn: Turn) -> Iterator[dict[str, Any]]:
        """The parts of a system message."""
        for part in turn.parts:
            if isinstance(part, Text):
                yield {"text": part.text}
            else:
                self._cannot.say("turns", "Gemini's system instructions are text alone")

    def content(self, turn: Turn) -> dict[str, Any]:
        """One turn."""
        if turn.name:
            self._cannot.say("turns", "Gemini does not tell speakers of one role apart by 'name'")
        parts = [written for part in turn.parts for written in self._part(part)]
        calls = [part for part in parts if "functionCall" in part]
        if self._signs and calls and "thoughtSignature" not in calls[0]:
            calls[0]["thoughtSignature"] = _FOREIGN
        return {"role": "model" if turn.role == "assistant" else "user", "parts": parts}

    def _part(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case Text() | Refusal():
                if part.text:
                    yield {"text": part.text}
            case Reasoning():
                yield from _thought(part)
            case ToolCall():
                yield self._call(part)
            case ToolResult():
                yield self._result(part)
            case _:
                yield from self._media(part)

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._called[call.id] = call.name
        try:
            arguments = {} if call.free else _arguments(call.arguments or "{}")
        except (msgspec.DecodeError, RecursionError):
            arguments = None
        if call.free or arguments is None:
            self._cannot.say("turns", f"the arguments of the call '{call.id[:64]}' are no JSON object")
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments or {}} | self._id(call.id)}
        if call.signature:
            part["thoughtSignature"] = call.signature
        return part

    def _id(self, call: str) -> dict[str, str]:
        """Vertex goes by name and order."""
        return {} if self._vertex else {"id": call}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        name = self._called.get(result.call, result.name)
        if not name:
            message = f"A tool's result answers the call '{result.call[:64]}', which is not in the conversation."
            raise InvalidRequest(message, code="invalid_value", param=self._field)
        text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        response = {"error" if result.failed else "output": text}
        written: dict[str, Any] = {"name": name, "response": response} | self._id(result.call)
        media = [one for part in result.parts if not isinstance(part, Text) for one in self._media(part)]
        if media:
            written["parts"] = media
        return {"functionResponse": written}

    def _media(self, part: Image | Audio | Document) -> Iterator[dict[str, Any]]:
        if isinstance(part, Audio) and part.id:
            if part.transcript:
                yield {"text": part.transcript}
            else:
                self._cannot.say("turns", "the sound of an earlier answer is with the endpoint that made it")
            return
        if isinstance(part, Document) and (part.cite or part.context):
            self._cannot.say("turns", "Gemini neither cites documents nor takes a context beside them")
        written = self._written(part.media)
        if written is not None:
            yield written

    def _written(self, media: Media) -> dict[str, Any] | None:
        """Bytes with their type, or an address; None where that was noted as dropped."""
        if media.data and media.type:
            return {"inlineData": {"mimeType": media.type, "data": media.data}}
        kind = media.type or _TYPES.get(media.url.partition("?")[0].rpartition(".")[2].lower(), "")
        if media.url and (kind or not self._vertex):
            return {"fileData": {"fileUri": media.url} | ({"mimeType": kind} if kind else {})}
        if media.file.startswith(("gs://", "https://generativelanguage.googleapis")):
            return {"fileData": {"fileUri": media.file} | ({"mimeType": kind} if kind else {})}
        why = "the file is kept where Gemini cannot reach it" if media.file else "its media type is not told"
        self._cannot.say("turns", why)
        return None


def _thought(thought: Reasoning) -> Iterator[dict[str, Any]]:
    """Gemini's own thought; a signature without words belongs to the text before it."""
    if not is_gemini(thought.origin):
        return
    part: dict[str, Any] = {"text": thought.text}
    if thought.text:
        part["thought"] = True
    if thought.signature:
        part["thoughtSignature"] = thought.signature
    if len(part) > 1:
        yield part
