"""Reads the messages of a call into turns; see `call_to_chat`."""

from base64 import b64encode
from typing import Final

import msgspec
from msgspec import Raw

from intertie.core.chat import Document, Image, Mark, Media, Part, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages import request as asked
from intertie.dialects.anthropic_messages.foreign import from_signature

OWN: Final = "anthropic_messages"

_block = msgspec.json.Decoder(asked.Block).decode
_encode = msgspec.json.Encoder().encode


class TurnReader:
    """Reads turns, remembers the calls that results may answer, and keeps what has no words in `extras`."""

    __slots__ = ("_calls", "_extras")

    def __init__(self, extras: dict[str, Raw]) -> None:
        self._calls: set[str] = set()
        self._extras = extras

    def turns(self, body: asked.Body) -> tuple[Turn, ...]:
        """The system's words first, then the messages."""
        turns = [Turn("system", self._parts(body.system, "system", "system"))] if body.system else []
        for index, message in enumerate(body.messages):
            role: Role = message.role
            turns.append(Turn(role, self._parts(message.content, f"messages[{index}].content", role)))
        return tuple(turn for turn in turns if turn.parts)

    def _parts(self, content: str | list[Raw], where: str, speaker: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (Text(content),)
        parts: list[Part] = []
        for index, raw in enumerate(content):
            at = f"{where}[{index}]"
            kind = asked.kind_of(raw, at)
            if kind not in asked.SPEAKERS:
                self._extras[at] = raw
                continue
            if speaker not in asked.SPEAKERS[kind]:
                message = f"'{at}': a block of type '{kind}' cannot stand in the content of '{speaker}'."
                raise InvalidRequest(message, code="invalid_value", param=at)
            try:
                block = _block(raw)
            except msgspec.ValidationError as error:
                asked.refuse_at(error, at)
            parts.append(self._part(block, at))
        return _signed(parts)

    def _part(self, block: asked.Block, at: str) -> Part:
        match block:
            case asked.TextBlock():
                return Text(block.text, mark_of(block))
            case asked.ThinkingBlock():
                foreign = from_signature(block.thinking, block.signature)
                return foreign or Reasoning(block.thinking, block.signature, origin=OWN)
            case asked.RedactedThinkingBlock():
                return Reasoning(sealed=block.data, origin=OWN)
            case asked.ToolUseBlock():
                self._calls.add(block.id)
                return ToolCall(block.id, block.name, _encode(block.input).decode(), mark=mark_of(block))
            case asked.ToolResultBlock():
                return self._result(block, at)
            case _:
                return self._seen(block, at)

    def _seen(self, block: asked.ImageBlock | asked.DocumentBlock | asked.SearchResultBlock, at: str) -> Part:
        if isinstance(block, asked.SearchResultBlock):
            return _found(block)
        if isinstance(block, asked.DocumentBlock):
            return _document(block, at)
        if asked.given(block.transformations):
            self._extras[f"{at}.transformations"] = block.transformations
        return Image(_media(block.source, asked.IMAGE_TYPES, at), mark=mark_of(block))

    def _result(self, block: asked.ToolResultBlock, at: str) -> ToolResult:
        if block.tool_use_id not in self._calls:
            message = f"'{at}.tool_use_id' answers no 'tool_use' block of an earlier message."
            raise InvalidRequest(message, code="invalid_value", param=f"{at}.tool_use_id")
        parts = self._parts(block.content, f"{at}.content", "tool_result") if block.content is not None else ()
        told = tuple(part for part in parts if isinstance(part, Text | Image | Document))
        return ToolResult(block.tool_use_id, told, bool(block.is_error), mark=mark_of(block))


def _signed(parts: list[Part]) -> tuple[Part, ...]:
    """The parts, with signatures that came in blocks of their own back at the calls that they belong to."""
    carried = {part.id: part.signature for part in parts if isinstance(part, Reasoning) and not part.origin and part.id}
    if not carried:
        return tuple(parts)
    return tuple(
        msgspec.structs.replace(part, signature=carried.get(part.id, "")) if isinstance(part, ToolCall) else part
        for part in parts
        if not (isinstance(part, Reasoning) and part.id in carried)
    )


def mark_of(block: asked.Block | asked.ToolDefinition) -> Mark:
    """How long what comes before and with this is to be cached."""
    return "" if block.cache_control is None else block.cache_control.ttl or "5m"


def _media(source: asked.Base64Source | asked.UrlSource | asked.FileSource, types: tuple[str, ...], at: str) -> Media:
    match source:
        case asked.UrlSource():
            return Media(url=source.url)
        case asked.FileSource():
            return Media(file=source.file_id)
        case asked.Base64Source():
            if source.media_type not in types:
                message = f"'{at}.source.media_type' must be one of {', '.join(types)}."
                raise InvalidRequest(message, code="invalid_value", param=f"{at}.source.media_type")
            return Media(type=source.media_type, data=source.data)


def _document(block: asked.DocumentBlock, at: str) -> Document:
    source = block.source
    if isinstance(source, asked.TextSource):
        media = _words(source.data)
    elif isinstance(source, asked.ContentSource):
        said = source.content
        media = _words(said if isinstance(said, str) else "\n\n".join(one.text for one in said))
    else:
        media = _media(source, asked.DOCUMENT_TYPES, at)
    cite = block.citations is not None and block.citations.enabled
    return Document(media, block.title or "", block.context or "", cite, mark_of(block))


def _found(block: asked.SearchResultBlock) -> Document:
    cite = block.citations is not None and block.citations.enabled
    return Document(
        _words("\n\n".join(one.text for one in block.content)), block.title, block.source, cite, mark_of(block)
    )


def _words(text: str) -> Media:
    return Media(type="text/plain", data=b64encode(text.encode()).decode())
