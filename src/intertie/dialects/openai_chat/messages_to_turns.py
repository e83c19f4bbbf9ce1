"""Reads messages into turns.

Tool messages in a row become one turn of the user. Every result must answer a call that was made before. The old
functions have no ids: theirs are made of the place of the message that calls.
"""

from collections.abc import Iterable, Iterator
from typing import NoReturn, TypeAlias

import msgspec

from intertie.core.chat import (
    Audio,
    Document,
    Image,
    Mark,
    Media,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_chat import messages as asked
from intertie.dialects.openai_chat.media import AUDIO_TYPES, from_data_url, is_web_url
from intertie.dialects.openai_chat.reasoning import to_reasonings

Seen: TypeAlias = Text | Image | Document
SeenPart: TypeAlias = asked.TextPart | asked.ImagePart | asked.FilePart
SaidMessage: TypeAlias = asked.SystemMessage | asked.DeveloperMessage | asked.UserMessage


def to_turns(messages: Iterable[asked.Message]) -> tuple[Turn, ...]:
    """The turns that messages tell. Raises InvalidRequest, naming the field."""
    reader = _Reader()
    for index, message in enumerate(messages):
        reader.read(message, index)
    return reader.whole()


class _Reader:
    """What was read so far: turns, results in a row, tools by the ids of their calls, the last old function's id."""

    __slots__ = ("_called", "_last_function", "_results", "_turns")

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._results: list[ToolResult] = []
        self._called: dict[str, str] = {}
        self._last_function = ""

    def read(self, message: asked.Message, index: int) -> None:
        at = f"messages[{index}]"
        match message:
            case asked.ToolMessage():
                self._results.append(self._result(message, at))
            case asked.FunctionMessage():
                self._results.append(self._function_result(message, at))
            case asked.AssistantMessage():
                self._add("assistant", self._answer(message, index), message)
            case asked.SystemMessage():
                self._add("system", _content(message.content, at), message)
            case asked.DeveloperMessage():
                self._add("developer", _content(message.content, at), message)
            case asked.UserMessage():
                self._add("user", _content(message.content, at), message)

    def _add(self, role: Role, parts: Iterable[Part], message: SaidMessage | asked.AssistantMessage) -> None:
        self._end_results()
        self._turns.append(Turn(role, _marked(tuple(parts), message.mark), message.name or ""))

    def _end_results(self) -> None:
        if self._results:
            self._turns.append(Turn("user", tuple(self._results)))
            self._results.clear()

    def whole(self) -> tuple[Turn, ...]:
        self._end_results()
        return tuple(self._turns)

    def _result(self, message: asked.ToolMessage, at: str) -> ToolResult:
        name = self._called.get(message.tool_call_id)
        if name is None:
            _refuse(f"{at}.tool_call_id", "no tool call with this id comes before it")
        parts = tuple(_seen_content(message.content, at))
        return ToolResult(message.tool_call_id, parts, name=name, mark=message.mark)

    def _function_result(self, message: asked.FunctionMessage, at: str) -> ToolResult:
        if self._called.get(self._last_function) != message.name:
            _refuse(f"{at}.name", "no call of this function comes before it")
        return ToolResult(self._last_function, tuple(_words(message.content)), name=message.name)

    def _answer(self, message: asked.AssistantMessage, index: int) -> Iterator[Part]:
        yield from to_reasonings(message.reasoning_content or message.reasoning, message.reasoning_details)
        yield from _content(message.content, f"messages[{index}]")
        if message.refusal:
            yield Refusal(message.refusal)
        if message.audio is not None:
            yield Audio(Media(), id=message.audio.id)
        for number, part in enumerate(message.images or ()):
            yield _image(part, f"messages[{index}].images[{number}]")
        for call in message.tool_calls or ():
            yield self._call(_call(call))
        if message.function_call is not None:
            self._last_function = f"call_{index}"
            yield self._call(ToolCall(self._last_function, message.function_call.name, message.function_call.arguments))

    def _call(self, call: ToolCall) -> ToolCall:
        self._called[call.id] = call.name
        return call


def _call(call: asked.FunctionCall | asked.CustomCall) -> ToolCall:
    signature = call.extra_content.signature if call.extra_content else ""
    if isinstance(call, asked.CustomCall):
        return ToolCall(call.id, call.custom.name, call.custom.input, free=True, signature=signature)
    return ToolCall(call.id, call.function.name, call.function.arguments, signature=signature)


def _words(text: str | None) -> Iterator[Text]:
    if text:
        yield Text(text)


def _content(content: str | Iterable[asked.ContentPart] | None, at: str) -> Iterator[Part]:
    """The parts of a content; an empty text is none."""
    if content is None or isinstance(content, str):
        yield from _words(content)
        return
    for index, part in enumerate(content):
        where = f"{at}.content[{index}]"
        match part:
            case asked.RefusalPart():
                yield Refusal(part.refusal)
            case asked.AudioPart():
                yield _audio(part, where)
            case _:
                yield _seen(part, where)


def _seen_content(content: str | Iterable[SeenPart], at: str) -> Iterator[Seen]:
    if isinstance(content, str):
        yield from _words(content)
        return
    for index, part in enumerate(content):
        yield _seen(part, f"{at}.content[{index}]")


def _seen(part: SeenPart, where: str) -> Seen:
    match part:
        case asked.TextPart():
            return Text(part.text, part.mark)
        case asked.ImagePart():
            return _image(part, where)
        case asked.FilePart():
            return _file(part, where)


def _image(part: asked.ImagePart, where: str) -> Image:
    url, detail = part.image_url.url, part.image_url.detail or ""
    if is_web_url(url):
        return Image(Media(url=url), detail, part.mark)
    told = from_data_url(url)
    if told is None:
        _refuse(f"{where}.image_url.url", "expected an http(s) URL or a base64 data URL")
    if not told[0].startswith("image/"):
        _refuse(f"{where}.image_url.url", f"expected an image, got '{told[0][:64]}'")
    return Image(Media(type=told[0], data=told[1]), detail, part.mark)


def _audio(part: asked.AudioPart, where: str) -> Audio:
    kind = AUDIO_TYPES.get(part.input_audio.format)
    if kind is None:
        _refuse(f"{where}.input_audio.format", f"expected one of {', '.join(AUDIO_TYPES)}")
    return Audio(Media(type=kind, data=part.input_audio.data), mark=part.mark)


def _file(part: asked.FilePart, where: str) -> Document:
    data, id_, title = part.file.file_data, part.file.file_id, part.file.filename or ""
    if (data is None) == (id_ is None):
        _refuse(f"{where}.file", "expected either 'file_data' or 'file_id'")
    if data is None:
        return Document(Media(file=id_ or ""), title, mark=part.mark)
    if is_web_url(data):  # as OpenRouter takes it
        return Document(Media(url=data), title, mark=part.mark)
    told = from_data_url(data)
    if told is None:
        _refuse(f"{where}.file.file_data", "expected a base64 data URL with a media type")
    return Document(Media(type=told[0], data=told[1]), title, mark=part.mark)


def _marked(parts: tuple[Part, ...], mark: Mark) -> tuple[Part, ...]:
    """A mark of the whole message stands on its last part that can carry one."""
    if not mark or not parts or isinstance(parts[-1], Reasoning | Refusal):
        return parts
    return (*parts[:-1], msgspec.structs.replace(parts[-1], mark=mark))


def _refuse(param: str, why: str) -> NoReturn:
    raise InvalidRequest(f"Invalid value for '{param}': {why}.", code="invalid_value", param=param)
