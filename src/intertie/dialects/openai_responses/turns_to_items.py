"""Writes turns as the items of a call's `input`."""

from itertools import groupby

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
from intertie.dialects.openai_responses import output
from intertie.dialects.openai_responses.media import data_url, sound_format
from intertie.dialects.openai_responses.response import Item

_SHARE_FILES: frozenset[Dialect] = frozenset({"openai_chat", "openai_responses", "azure_openai"})
"""The dialects whose file ids mean the same files here."""


class Writing:
    """One chat being written. `instructions` is its first turn, if that is one text of the system."""

    def __init__(self, chat: Chat, cannot: Cannot) -> None:
        self._chat = chat
        self._cannot = cannot
        self._free = {part.id for turn in chat.turns for part in turn.parts if isinstance(part, ToolCall) and part.free}
        first = chat.turns[0] if chat.turns else Turn("user", ())
        only = first.parts[0] if len(first.parts) == 1 else None
        self.instructions = only.text if first.role == "system" and isinstance(only, Text) and not first.name else ""

    def items(self) -> list[Item]:
        """The items, without the instructions. Raises Unsupported for what cannot be said."""
        turns = self._chat.turns[1:] if self.instructions else self._chat.turns
        return [item for number, turn in enumerate(turns) for item in self._turn(turn, f"msg_{number}")]

    def _turn(self, turn: Turn, message_id: str) -> list[Item]:
        """Words in a row are one message; calls, results and thoughts are items of their own."""
        if turn.name:
            self._cannot.say("name", "a message has no name of its speaker here")
        items: list[Item] = []
        for kind, run in groupby(turn.parts, key=_run_of):
            parts = list(run)
            if kind == "words":
                content = [told for part in parts if (told := self._content(part, turn)) is not None]
                if content:
                    items.append(_message(turn.role, content, parts, f"{message_id}_{len(items)}"))
            elif kind == "thought":
                items += _thoughts([part for part in parts if isinstance(part, Reasoning)])
            else:
                for part in parts:
                    items += self._item(part)
        return items

    def _item(self, part: Part) -> list[Item]:
        match part:
            case ToolCall():
                kind, text = ("custom_tool_call", "input") if part.free else ("function_call", "arguments")
                call: Item = {"type": kind, "call_id": part.id, "name": part.name, text: part.arguments}
                return [call]
            case ToolResult():
                kind = "custom_tool_call_output" if part.call in self._free else "function_call_output"
                return [{"type": kind, "call_id": part.call, "output": self._result(part)}]
            case _:
                return []

    def _result(self, result: ToolResult) -> str | list[Item]:
        only = result.parts[0] if len(result.parts) == 1 else None
        if isinstance(only, Text) or not result.parts:
            return only.text if isinstance(only, Text) else ""
        return [told for part in result.parts if (told := self._given(part)) is not None]

    def _content(self, part: Part, turn: Turn) -> Item | None:
        if turn.role != "assistant":
            return self._given(part)
        match part:
            case Text():
                return {"type": "output_text", "text": part.text, "annotations": []}
            case Refusal():
                return output.refusal(part.text)
            case _:
                return self._cannot.say("turns", "only the caller's side shows pictures, sounds and files")

    def _given(self, part: Part) -> Item | None:
        match part:
            case Text():
                return {"type": "input_text", "text": part.text}
            case Image():
                return self._image(part)
            case Document():
                return self._document(part)
            case Audio():
                return self._audio(part)
            case _:
                return self._cannot.say("turns", "only the model declines")

    def _image(self, part: Image) -> Item | None:
        told: Item = {"type": "input_image", "detail": part.detail or "auto"}
        if part.media.file:
            return told | {"file_id": part.media.file} if self._shared(part.media) else None
        return told | {"image_url": part.media.url or data_url(part.media, "image/png")}

    def _document(self, part: Document) -> Item | None:
        if part.cite:
            self._cannot.say("citations", "citations of a document cannot be asked for")
        if part.context:
            self._cannot.say("context", "a file has no context of its own")
        media, told = part.media, Item(type="input_file")
        if media.file:
            return told | {"file_id": media.file} if self._shared(media) else None
        if media.url:
            return told | {"file_url": media.url}
        return told | {"filename": part.title or "document", "file_data": data_url(media, "application/pdf")}

    def _audio(self, part: Audio) -> Item | None:
        kind = sound_format(part.media)
        if not kind:
            return self._cannot.say("turns", "a sound is given as mp3 or wav by value")
        return {"type": "input_audio", "input_audio": {"data": part.media.data, "format": kind}}

    def _shared(self, media: Media) -> bool:
        if self._chat.origin in _SHARE_FILES:
            return True
        self._cannot.say("turns", f"the file '{media.file[:64]}' is kept by another provider")
        return False


def _run_of(part: Part) -> str:
    if isinstance(part, Reasoning):
        return "thought"
    return "call" if isinstance(part, ToolCall | ToolResult) else "words"


def _message(role: str, content: list[Item], parts: list[Part], message_id: str) -> Item:
    """One text alone is written as such, which every endpoint reads. Else the model's words want an id and a status."""
    alone = parts[0] if len(parts) == 1 else None
    if isinstance(alone, Text):
        return {"type": "message", "role": role, "content": alone.text}
    if role == "assistant":
        return output.message(message_id, "completed", content)
    return {"type": "message", "role": role, "content": content}


def _thoughts(parts: list[Reasoning]) -> list[Item]:
    """What this dialect sealed, as it came; thoughts of others are not said aloud."""
    own = [part for part in parts if part.origin == "openai_responses"]
    items: list[Item] = []
    for _, run in groupby(enumerate(own), key=lambda one: one[1].id or one[0]):
        same = [part for _, part in run]
        words = [(part.text, part.summary) for part in same if part.text]
        item = output.reasoning(same[0].id, "completed", words, "".join(part.sealed for part in same))
        del item["status"]
        if not same[0].id:
            del item["id"]
        items.append(item)
    return items
