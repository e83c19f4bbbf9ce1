"""Writes turns as messages.

The system's words come first; later ones stay in their place where the model and the order of speakers allow it
(behind a user, before the assistant or the end), else they join the first, as in Anthropic's own layer for callers who
speak OpenAI's dialect. Turns of one speaker become one message, with the results of tools at its head.

Left out without a word: empty texts, which Anthropic refuses; reasoning that another dialect signed, or nobody; how
closely an image is to be looked at; citations of earlier answers.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import msgspec

from intertie.core.chat import (
    Audio,
    Chat,
    Document,
    Image,
    Mark,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.request import IMAGE_TYPES
from intertie.dialects.dialect import Cannot

Json: TypeAlias = dict[str, Any]

_SYSTEM = ("system", "developer")
_PDF: Final = "application/pdf"

_legal_id = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def cached(mark: Mark) -> Json:
    """The caching mark of a block or a tool, if it has one."""
    if not mark:
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if mark == "1h" else {"type": "ephemeral"}}


def to_input(arguments: str) -> msgspec.Raw | Json:
    """A call's arguments as the object that Anthropic wants; what is none is wrapped as its documentation proposes."""
    try:
        _object(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"INVALID_JSON": arguments}
    return msgspec.Raw((arguments or "{}").encode())


class MessageWriter:
    """Fills `system` and `messages` from the turns of a chat."""

    __slots__ = ("_cannot", "_later", "_own", "messages", "system")

    def __init__(self, chat: Chat, later: bool, cannot: Cannot) -> None:
        self._cannot, self._later, self._own = cannot, later, chat.origin == OWN
        self.system: list[Json] = []
        self.messages: list[Json] = []
        for turn, following in zip(chat.turns, _followers(chat.turns), strict=True):
            if turn.name:
                cannot.say("name", "Anthropic does not tell speakers of one role apart")
            if turn.role in _SYSTEM:
                self._instruct(turn, following)
            else:
                self._say("assistant" if turn.role == "assistant" else "user", self._blocks(turn.parts))
        for message in self.messages:
            message["content"].sort(key=_behind_results)

    def _instruct(self, turn: Turn, following: str) -> None:
        blocks = self._blocks(turn.parts)
        if any(block["type"] != "text" for block in blocks):
            self._cannot.say("turns", "the system speaks in plain text alone")
            blocks = [block for block in blocks if block["type"] == "text"]
        before = self.messages[-1]["role"] if self.messages else ""
        if self._later and before in ("user", "system") and following in ("assistant", ""):
            self._say("system", blocks)
        else:
            self.system += blocks

    def _say(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        self.messages[-1]["content"] += blocks

    def _blocks(self, parts: Sequence[Part]) -> list[Json]:
        return [block for part in parts if (block := self._block(part)) is not None]

    def _block(self, part: Part) -> Json | None:
        match part:
            case Text() | Refusal():
                mark = part.mark if isinstance(part, Text) else ""
                return {"type": "text", "text": part.text, **cached(mark)} if part.text else None
            case Reasoning():
                return _thought(part)
            case ToolCall():
                return _called(part)
            case ToolResult():
                return self._result(part)
            case Image() | Audio() | Document():
                return self._shown(part)

    def _result(self, result: ToolResult) -> Json:
        block: Json = {"type": "tool_result", "tool_use_id": _to_id(result.call), **cached(result.mark)}
        if content := self._blocks(result.parts):
            block["content"] = content
        if result.failed:
            block["is_error"] = True
        return block

    def _shown(self, part: Image | Audio | Document) -> Json | None:
        if isinstance(part, Audio):
            self._cannot.say("turns", "Anthropic's models do not listen to audio")
            return None
        source = self._image(part.media) if isinstance(part, Image) else self._document(part.media)
        if source is None:
            return None
        if isinstance(part, Image):
            return {"type": "image", "source": source, **cached(part.mark)}
        told = {"title": part.title, "context": part.context}
        cite = {"citations": {"enabled": True}} if part.cite else {}
        words = {name: text for name, text in told.items() if text}
        return {"type": "document", "source": source, **words, **cite, **cached(part.mark)}

    def _image(self, media: Media) -> Json | None:
        if media.data and media.type not in IMAGE_TYPES:
            self._cannot.say("turns", f"images are one of {', '.join(IMAGE_TYPES)}")
            return None
        return self._source(media)

    def _document(self, media: Media) -> Json | None:
        if not media.data or media.type == _PDF:
            return self._source(media)
        text = _as_text(media)
        if text is None:
            self._cannot.say("turns", "documents are PDF or plain text")
            return None
        return {"type": "text", "media_type": "text/plain", "data": text}

    def _source(self, media: Media) -> Json | None:
        if media.data:
            return {"type": "base64", "media_type": media.type, "data": media.data}
        if media.url:
            return {"type": "url", "url": media.url}
        if self._own:
            return {"type": "file", "file_id": media.file}
        self._cannot.say("turns", "files kept by another provider cannot be read")
        return None


def _followers(turns: Sequence[Turn]) -> list[str]:
    """For each turn who speaks next, the system not counted; "" where nobody does."""
    following, found = "", list[str]()
    for turn in reversed(turns):
        found.append(following)
        following = following if turn.role in _SYSTEM else turn.role
    return found[::-1]


def _behind_results(block: Json) -> bool:
    return block["type"] != "tool_result"


def _thought(reasoning: Reasoning) -> Json | None:
    """Only what Anthropic signed or sealed, byte by byte."""
    if reasoning.origin != OWN:
        return None
    if reasoning.sealed:
        return {"type": "redacted_thinking", "data": reasoning.sealed}
    if not reasoning.signature:
        return None
    return {"type": "thinking", "thinking": reasoning.text, "signature": reasoning.signature}


def _called(call: ToolCall) -> Json:
    arguments = {"input": call.arguments} if call.free else to_input(call.arguments)
    return {"type": "tool_use", "id": _to_id(call.id), "name": call.name, "input": arguments, **cached(call.mark)}


def _to_id(text: str) -> str:
    """An id as Anthropic allows it; one of another kind is replaced, in calls and results alike."""
    return text if _legal_id.fullmatch(text) else f"toolu_{blake2b(text.encode(), digest_size=12).hexdigest()}"


def _as_text(media: Media) -> str | None:
    if not media.type.startswith("text/") and media.type not in ("application/json", "application/xml"):
        return None
    try:
        return b64decode(media.data, validate=True).decode()
    except ValueError:
        return None
