"""Writes turns as messages.

Results of tools go ahead of what else is in their turn: they must follow the calls. A tool message takes text alone,
so what a tool showed comes in a user's message behind all results, under the id of its call. That a tool failed has
no place of its own: its words tell. A document of text is written as text, which every endpoint reads.

Reasoning goes back to endpoints of this dialect if they signed it or if nobody did (DeepSeek and Kimi want it in the
midst of a tool's use); what another dialect signed is left out. Caching marks are left out: they only make it cheaper.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

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
from intertie.core.endpoint import Dialect
from intertie.dialects.dialect import Cannot
from intertie.dialects.openai_chat.media import AUDIO_FORMATS, to_data_url
from intertie.dialects.openai_chat.reasoning import thoughts_told

Json: TypeAlias = dict[str, object]

OPENAIS: Final[frozenset[Dialect]] = frozenset({"openai_chat", "openai_responses", "azure_openai"})
"""Dialects whose files and extras are OpenAI's."""


def to_messages(chat: Chat, cannot: Cannot) -> Iterator[Json]:
    """The messages that say the turns of a chat. Raises Unsupported for what they cannot say, unless it is dropped."""
    writer = _Writer(chat.origin in OPENAIS, cannot)
    for turn in chat.turns:
        if turn.role == "assistant":
            yield writer.answer(turn)
            continue
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        for result in results:
            yield {"role": "tool", "tool_call_id": result.call, "content": _told(result)}
        rest = [
            *writer.shown(results),
            *writer.content(part for part in turn.parts if not isinstance(part, ToolResult)),
        ]
        if rest or not results:
            yield _named(turn, {"role": turn.role, "content": _plain(rest)})


class _Writer:
    """Writes parts; `keeps_files` tells whether the caller's files are kept at OpenAI."""

    __slots__ = ("_cannot", "_keeps_files")

    def __init__(self, keeps_files: bool, cannot: Cannot) -> None:
        self._keeps_files, self._cannot = keeps_files, cannot

    def answer(self, turn: Turn) -> Json:
        """The message of an assistant."""
        texts: list[Json] = [{"type": "text", "text": part.text} for part in turn.parts if isinstance(part, Text)]
        calls = [write_call(part) for part in turn.parts if isinstance(part, ToolCall)]
        message: Json = {"role": "assistant", "content": _plain(texts) if texts or not calls else None}
        if refusal := "".join(part.text for part in turn.parts if isinstance(part, Refusal)):
            message["refusal"] = refusal
        for part in turn.parts:
            if isinstance(part, Audio) and part.id:
                message["audio"] = {"id": part.id}
            elif not isinstance(part, Text | ToolCall | Refusal | Reasoning):
                self._cannot.say("turns", "assistants' messages take no media")
        if calls:
            message["tool_calls"] = calls
        thoughts = [part for part in turn.parts if isinstance(part, Reasoning) and part.origin in (None, "openai_chat")]
        return _named(turn, message | thoughts_told(thoughts))

    def content(self, parts: Iterable[Part]) -> Iterator[Json]:
        """The parts of a content, without what cannot be said."""
        for part in parts:
            match part:
                case Text():
                    yield {"type": "text", "text": part.text}
                case Image():
                    yield from self._image(part)
                case Audio():
                    yield from self._audio(part)
                case Document():
                    yield from self._document(part)
                case Refusal():
                    yield {"type": "text", "text": part.text}
                case _:
                    self._cannot.say("turns", "only assistants think and call tools")

    def shown(self, results: Iterable[ToolResult]) -> Iterator[Json]:
        """What results show beside their words."""
        for result in results:
            media = list(self.content(part for part in result.parts if not isinstance(part, Text)))
            if media:
                yield {"type": "text", "text": f"The tool call {result.call} returned:"}
                yield from media

    def _image(self, image: Image) -> Iterator[Json]:
        media = image.media
        if media.file:
            self._cannot.say("turns", "chat completions take images by URL or by value")
            return
        url: Json = {"url": media.url or to_data_url(media.type, media.data)}
        yield {"type": "image_url", "image_url": url | ({"detail": image.detail} if image.detail else {})}

    def _audio(self, audio: Audio) -> Iterator[Json]:
        kind = AUDIO_FORMATS.get(audio.media.type)
        if kind is None or not audio.media.data:
            self._cannot.say("turns", "chat completions take sound by value, in a format that they name")
            return
        yield {"type": "input_audio", "input_audio": {"data": audio.media.data, "format": kind}}

    def _document(self, document: Document) -> Iterator[Json]:
        media = document.media
        if document.cite:
            self._cannot.say("turns", "chat completions do not cite documents")
        if document.context:
            yield {"type": "text", "text": document.context}
        if media.type.startswith("text/") and media.data:
            yield {"type": "text", "text": "\n\n".join(words for words in (document.title, _decoded(media)) if words)}
            return
        if media.url or (media.file and not self._keeps_files):
            self._cannot.say("turns", "chat completions take files by value, or by their id at the endpoint")
            return
        file: Json = {"file_id": media.file} if media.file else {"file_data": to_data_url(media.type, media.data)}
        yield {"type": "file", "file": file | ({"filename": document.title} if document.title else {})}


def write_call(call: ToolCall) -> Json:
    """A call of a tool; Google's endpoints of this dialect want their signature where they put it."""
    signed: Json = {"extra_content": {"google": {"thought_signature": call.signature}}} if call.signature else {}
    if call.free:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}} | signed
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function} | signed


def _told(result: ToolResult) -> str | list[Json]:
    texts: list[Json] = [{"type": "text", "text": part.text} for part in result.parts if isinstance(part, Text)]
    return _plain(texts) or ("failed" if result.failed and not result.parts else "")


def _plain(parts: list[Json]) -> str | list[Json]:
    """One text as itself, more in a list."""
    if not parts:
        return ""
    only = parts[0]
    return str(only["text"]) if len(parts) == 1 and only["type"] == "text" else parts


def _named(turn: Turn, message: Json) -> Json:
    return message | {"name": turn.name} if turn.name else message


def _decoded(media: Media) -> str:
    try:
        return b64decode(media.data).decode("utf-8", "replace")
    except binascii.Error:
        return media.data
