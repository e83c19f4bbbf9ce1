"""From Gemini's `contents` to turns: who said what, and which result answers which call.

Gemini's callers may leave out the ids of calls. Then a call's id is made of its place, and a result belongs to the
first call of its name that has none yet. What is no picture, sound or document (videos, code that Gemini ran) has no
words in `core.chat` and is refused by name; `partMetadata` no model ever sees.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from intertie.core.call import Fields
from intertie.core.chat import (
    Audio,
    Document,
    Image,
    Media,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.gemini.glance import Blob
from intertie.dialects.gemini.seals import unseal
from intertie.dialects.gemini.spelling import ABSENT, given


class _File(msgspec.Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    """A call of a tool, as it stood in the answer."""

    name: str
    args: Fields | None = None
    id: str | None = None


class _ResultPart(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    inline_data: Blob | None = None
    file_data: _File | None = None


class _Result(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    response: Fields
    id: str | None = None
    parts: list[_ResultPart] | None = None


class _Part(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: _File | None = None
    function_call: _Given | None = None
    function_response: _Result | None = None
    part_metadata: msgspec.Raw = ABSENT
    executable_code: msgspec.Raw = ABSENT
    code_execution_result: msgspec.Raw = ABSENT
    tool_call: msgspec.Raw = ABSENT
    tool_response: msgspec.Raw = ABSENT
    video_metadata: msgspec.Raw = ABSENT
    media_resolution: msgspec.Raw = ABSENT
    audio_transcription: msgspec.Raw = ABSENT


_UNSAID: Final = (
    "executable_code", "code_execution_result", "tool_call", "tool_response", "video_metadata", "media_resolution",
    "audio_transcription",
)  # fmt: skip
_NAMES: Final = {field.name: field.encode_name for field in msgspec.structs.fields(_Part)}


class Content(msgspec.Struct, forbid_unknown_fields=True):
    """What one side said."""

    parts: list[_Part] | None = None
    role: Literal["user", "model", "function"] | None = None


_encode = msgspec.json.Encoder().encode


def contents_to_turns(contents: Sequence[Content]) -> tuple[Turn, ...]:
    """The conversation. Raises InvalidRequest, naming the part, for what cannot be understood or said."""
    reader = _Reader()
    turns = (reader.turn(place, content) for place, content in enumerate(contents))
    return tuple(turn for turn in turns if turn.parts)


def instruction_to_turn(content: Content) -> Turn:
    """The `systemInstruction`. Raises InvalidRequest if there is anything but text in it."""
    texts: list[Part] = []
    for place, part in enumerate(content.parts or ()):
        if part.text is None:
            where = f"systemInstruction.parts[{place}]"
            raise InvalidRequest(f"Invalid value for '{where}': expected text.", code="invalid_value", param=where)
        texts.append(Text(part.text))
    return Turn("system", tuple(texts))


class _Reader:
    """Remembers the calls without a result: their names by id; their ids by name and whether they were given."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._named: dict[tuple[str, bool], deque[str]] = {}

    def turn(self, place: int, content: Content) -> Turn:
        """One content as a turn."""
        role: Role = "assistant" if content.role == "model" else "user"
        parts: list[Part] = []
        for index, part in enumerate(content.parts or ()):
            where, name = f"contents[{place}].parts[{index}]", f"call_{place}_{index}"
            read = self._part(part, role, where, name)
            parts.append(read)
            if part.thought_signature and not isinstance(read, ToolCall | Reasoning):
                parts.append(unseal("", part.thought_signature))
        return Turn(role, tuple(_joined(parts) if role == "assistant" else parts))

    def _part(self, part: _Part, role: Role, where: str, name: str) -> Part:
        _refuse_unsaid(part, where)
        if part.function_call is not None:
            return self._call(part, part.function_call, role, where, name)
        if part.function_response is not None:
            return self._result(part.function_response, role, f"{where}.functionResponse")
        if part.inline_data is not None:
            return _from_bytes(part.inline_data, f"{where}.inlineData")
        if part.file_data is not None:
            return _from_file(part.file_data, f"{where}.fileData")
        if part.text is None:
            raise InvalidRequest(f"'{where}' holds nothing.", code="invalid_value", param=where)
        if part.thought or (part.thought_signature and not part.text):
            return unseal(part.text, part.thought_signature or "")
        return Text(part.text)

    def _call(self, part: _Part, made: _Given, role: Role, where: str, name: str) -> ToolCall:
        if role != "assistant":
            raise _misplaced(f"{where}.functionCall", "model")
        call = made.id or name
        self._open[call] = made.name
        self._named.setdefault((made.name, bool(made.id)), deque()).append(call)
        return ToolCall(call, made.name, _encode(made.args or {}).decode(), signature=part.thought_signature or "")

    def _result(self, result: _Result, role: Role, where: str) -> ToolResult:
        if role != "user":
            raise _misplaced(where, "user")
        call = self._answered(result)
        if call is None:
            raise InvalidRequest(
                f"'{where}' answers no call of '{result.name[:64]}' that came before it.",
                code="invalid_value",
                param=where,
            )
        text, failed = _said(result.response)
        media = [
            _from_bytes(one.inline_data, f"{where}.parts[{place}].inlineData")
            if one.inline_data is not None
            else _from_file(one.file_data or _File(""), f"{where}.parts[{place}].fileData")
            for place, one in enumerate(result.parts or ())
        ]
        return ToolResult(call, (Text(text), *media), failed, result.name)

    def _answered(self, result: _Result) -> str | None:
        """The call that a result answers: the one of its id, else the first of its name, those without id first."""
        if result.id and result.id in self._open:
            del self._open[result.id]
            return result.id
        for own in (False,) if result.id else (False, True):
            waiting = self._named.get((result.name, own), ())
            while waiting:
                call = waiting.popleft()
                if self._open.pop(call, None) is not None:
                    return call
        return None


def _refuse_unsaid(part: _Part, where: str) -> None:
    for field in _UNSAID:
        if given(getattr(part, field)):
            raise _unsupported(f"{where}.{_NAMES[field]}", "only Gemini knows what that is")


def _said(response: Fields) -> tuple[str, bool]:
    """What a tool gave back, and whether it failed: Gemini reads `output` or `error`, else the whole object."""
    for name, failed in (("output", False), ("error", True)):
        if response.keys() == {name}:
            raw = bytes(response[name])
            return (msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode()), failed
    return _encode(response).decode(), False


def _from_bytes(blob: Blob, where: str) -> Image | Audio | Document:
    if not blob.data or not blob.mime_type:
        raise InvalidRequest(f"'{where}' needs 'data' and 'mimeType'.", code="invalid_value", param=where)
    return _of_type(Media(type=blob.mime_type, data=blob.data), where)


def _from_file(file: _File, where: str) -> Image | Audio | Document:
    """A file by its address. One that Google keeps (uploaded, or in Cloud Storage) nobody else can fetch."""
    if not file.file_uri:
        raise InvalidRequest(f"'{where}' needs 'fileUri'.", code="invalid_value", param=where)
    kind = file.mime_type or ""
    public = file.file_uri.startswith(("https://", "http://")) and "generativelanguage.googleapis" not in file.file_uri
    return _of_type(Media(type=kind, url=file.file_uri) if public else Media(type=kind, file=file.file_uri), where)


def _of_type(media: Media, where: str) -> Image | Audio | Document:
    kind = media.type.partition("/")[0]
    if kind == "video" or not kind:
        raise _unsupported(where, "only Gemini watches videos" if kind else "what it is must be told by its 'mimeType'")
    return Image(media) if kind == "image" else Audio(media) if kind == "audio" else Document(media)


def _joined(parts: list[Part]) -> Iterator[Part]:
    """What a model said: streams cut it into pieces, which callers give back so. A whole thought was signed."""
    begun: list[str] = []
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if not isinstance(part, Text | Reasoning):
            yield part
            continue
        begun.append(part.text)
        signed = isinstance(part, Reasoning) and bool(part.signature or part.sealed)
        if signed or type(following) is not type(part):
            if signed or any(begun):
                yield msgspec.structs.replace(part, text="".join(begun))
            begun.clear()


def _misplaced(where: str, role: str) -> InvalidRequest:
    return InvalidRequest(f"'{where}' has its place in a content of role '{role}'.", code="invalid_value", param=where)


def _unsupported(where: str, why: str) -> Unsupported:
    return Unsupported(f"'{where}' cannot be passed on: {why}.", param=where)
