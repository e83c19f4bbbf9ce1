"""Reads the items of a response's input into a prompt, and refuses what the API refuses of them.

Sources: the types of OpenAI's SDK (`openai.types.responses.response_input_item_param`), error texts as users report
them. Items of tools that OpenAI runs itself are not simulated and not known.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Raw

from intertie.core.faults import NotFound
from intertie.sim.engine.conversation import Conversation
from intertie.sim.engine.dialects.openai import refuse
from intertie.sim.engine.dialects.openai_chat import picture
from intertie.sim.engine.media import decoded, from_data_url
from intertie.sim.engine.reading import read
from intertie.sim.engine.seals import unseal


class _Closed(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _InputText(_Closed, tag_field="type", tag="input_text"):
    text: str


class _InputImage(_Closed, tag_field="type", tag="input_image"):
    detail: Literal["auto", "low", "high", "original"] = "auto"
    image_url: str | None = None
    file_id: str | None = None


class _InputFile(_Closed, tag_field="type", tag="input_file"):
    file_data: str | None = None
    filename: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _OutputText(_Closed, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Raw] = []
    logprobs: list[Raw] | None = None


class _Refusal(_Closed, tag_field="type", tag="refusal"):
    refusal: str


_Given = _InputText | _InputImage | _InputFile
_Said = _OutputText | _Refusal


class _Message(_Closed):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Given | _Said]
    type: Literal["message"] = "message"
    id: Annotated[str, Meta(pattern="^msg")] | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class _Call(_Closed):
    type: Literal["function_call"]
    call_id: Annotated[str, Meta(max_length=64)]
    name: str
    arguments: str
    id: Annotated[str, Meta(pattern="^fc")] | None = None
    status: str | None = None


class _Output(_Closed):
    type: Literal["function_call_output"]
    call_id: Annotated[str, Meta(max_length=64)]
    output: str | list[_Given]
    id: str | None = None
    status: str | None = None


class _Summary(_Closed):
    text: str
    type: Literal["summary_text"]


class _Reasoning(_Closed):
    type: Literal["reasoning"]
    summary: list[_Summary]
    id: Annotated[str, Meta(pattern="^rs")] | None = None
    content: list[Raw] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class _Kind(msgspec.Struct):
    type: str = "message"


_kind = msgspec.json.Decoder(_Kind)
_items = msgspec.json.Decoder(list[Raw])
_DECODERS: dict[str, msgspec.json.Decoder[_Message | _Call | _Output | _Reasoning]] = {
    "message": msgspec.json.Decoder(_Message),
    "function_call": msgspec.json.Decoder(_Call),
    "function_call_output": msgspec.json.Decoder(_Output),
    "reasoning": msgspec.json.Decoder(_Reasoning),
}
_encode = msgspec.json.Encoder().encode


class Seen(NamedTuple):
    """A prompt, and whether the word JSON is in it."""

    conversation: Conversation
    says_json: bool


def read_input(given: str | Raw, tools: bytes, instructions: str | None) -> Seen:
    """The prompt: tools, instructions, items; raises Complaint, InvalidRequest."""
    reader = _Reader(tools)
    if instructions:
        reader.message(_Message("system", instructions), "instructions")
    if isinstance(given, str):
        reader.message(_Message("user", given), "input")
    else:
        reader.items(read(_items, given, ("input",)))
    return Seen(reader.seen, reader.says_json)


class _Reader:
    def __init__(self, tools: bytes) -> None:
        self.seen, self.says_json = Conversation(tools), False
        self._waiting: dict[str, None] = {}

    def items(self, raws: list[Raw]) -> None:
        thought = ""
        for place, raw in enumerate(raws):
            where = f"input[{place}]"
            kind = read(_kind, raw, ("input", place)).type
            if kind not in _DECODERS:
                known = ", ".join(map(repr, _DECODERS))
                refuse(f"{where}.type", f"Invalid value: '{kind}'. Supported values are: {known}.")
            item = read(_DECODERS[kind], raw, ("input", place))
            if thought and isinstance(item, _Output):
                break
            thought = self._item(item, where)
        if thought:
            refuse("input", f"Item '{thought}' of type 'reasoning' was provided without its required following item.")
        if self._waiting:
            refuse("input", f"No tool output found for function call {next(iter(self._waiting))}.")

    def _item(self, item: _Message | _Call | _Output | _Reasoning, where: str) -> str:
        """Render an item; the id of one that wants another behind it."""
        match item:
            case _Message():
                self.message(item, where)
            case _Call():
                self._waiting[item.call_id] = None
                self.seen.turn("assistant")
                self.seen.put(_encode([item.call_id, item.name, item.arguments]))
            case _Output():
                if item.call_id not in self._waiting:
                    refuse("input", f"No tool call found for function call output with call_id {item.call_id}.")
                del self._waiting[item.call_id]
                self.seen.turn("tool")
                self._content(item.output, f"{where}.output", ("input",))
            case _Reasoning():
                return self._thought(item)
        return ""

    def message(self, message: _Message, where: str) -> None:
        """What somebody said."""
        self.seen.turn(message.role)
        kinds = ("output", "refusal") if message.role == "assistant" else ("input",)
        self._content(message.content, f"{where}.content", kinds)

    def _content(self, content: str | Sequence[_Given | _Said], where: str, kinds: tuple[str, ...]) -> None:
        if isinstance(content, str):
            self._say(content)
            return
        for place, part in enumerate(content):
            at = f"{where}[{place}]"
            tag = str(part.__struct_config__.tag)
            if not tag.startswith(kinds):
                refuse(f"{at}.type", f"Invalid value: '{tag}'. Supported values are: {' and '.join(kinds)}.")
            self._part(part, at)

    def _part(self, part: _Given | _Said, at: str) -> None:
        match part:
            case _InputText() | _OutputText():
                self._say(part.text)
            case _Refusal():
                self._say(part.refusal)
            case _InputImage():
                if part.image_url is None:
                    refuse(at, f"Invalid '{at}': files are not simulated.", "invalid_image_url")
                self.seen.show(picture(part.image_url, f"{at}.image_url"))
            case _InputFile():
                self.seen.show(_file(part, at), image=False)

    def _say(self, text: str) -> None:
        self.says_json = self.says_json or "json" in text.lower()
        self.seen.say(text)

    def _thought(self, item: _Reasoning) -> str:
        """Nothing is kept here, so thoughts must be brought along; and they must be those that were given."""
        if item.encrypted_content is None:
            raise NotFound(f"Item with id '{item.id}' not found. Items are not persisted when `store` is set to false. "
                           "Try again with `store` set to true, or remove this item from your input.")  # fmt: skip
        if unseal(item.encrypted_content) is None:
            refuse("input", f"The encrypted content for item {item.id} could not be verified.",
                   "invalid_encrypted_content")  # fmt: skip
        return item.id or "rs"


def _file(part: _InputFile, at: str) -> bytes:
    if part.file_url is not None:
        return part.file_url.encode()
    told = from_data_url(part.file_data or "")
    data = decoded(told[1]) if told is not None else None
    if data is None or not part.filename:
        refuse(f"{at}.file_data", "Invalid file data: expected a base64-encoded data URL and a filename.")
    return data
