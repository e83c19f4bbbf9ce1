"""Reads the `input` of a call into turns.

What the model said and wanted in a row becomes one turn, as do results of tools in a row: dialects that know turns want
parallel calls and their results together.
"""

from typing import Final

import msgspec

from intertie.core.chat import Audio, Document, Image, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult, Turn
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_responses.decode import decode
from intertie.dialects.openai_responses.items import (
    OWN,
    CallOutput,
    CustomCall,
    FunctionCall,
    Given,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    Kind,
    Message,
    OutputRefusal,
    OutputText,
    ReasoningItem,
    Said,
)
from intertie.dialects.openai_responses.media import audio_of, document_of, image_of, mark_of
from intertie.dialects.openai_responses.namespaces import joined
from intertie.dialects.openai_responses.sealing import SignedCall, unseal

_text = msgspec.json.Decoder(str)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_kind = msgspec.json.Decoder(Kind)
_message = msgspec.json.Decoder(Message)
_function_call = msgspec.json.Decoder(FunctionCall)
_custom_call = msgspec.json.Decoder(CustomCall)
_output = msgspec.json.Decoder(CallOutput)
_reasoning = msgspec.json.Decoder(ReasoningItem)

_THOUGHT_AND_SAID: Final = (Text, Refusal, ToolCall, Reasoning)


class Transcript:
    """The turns so far. `own` are items that only this dialect can say, by their place in the body.

    `continued` tells that earlier items are kept elsewhere: then a result may answer a call that is not here.
    """

    def __init__(self, *, continued: bool) -> None:
        self.own: dict[str, msgspec.Raw] = {}
        self._continued = continued
        self._turns: list[tuple[Role, list[Part], bool]] = []
        self._calls: dict[str, str] = {}
        self._signatures: dict[str, str] = {}
        self._read = {
            "message": self._message,
            "function_call": self._function_call,
            "custom_tool_call": self._custom_call,
            "function_call_output": self._result,
            "custom_tool_call_output": self._result,
            "reasoning": self._reasoning,
        }

    def read(self, raw: msgspec.Raw) -> None:
        """Read the whole input: one text, or items. Raises InvalidRequest, naming the item."""
        if bytes(raw).startswith(b'"'):
            self._say("user", [Text(decode(_text, raw, "input"))])
            return
        for index, item in enumerate(decode(_items, raw, "input")):
            where = f"input[{index}]"
            kind = decode(_kind, item, where).name
            if kind in OWN:
                self.own[where] = item
                self._continued |= kind == "item_reference"
            elif kind in self._read:
                self._read[kind](item, where)
            else:
                message = f"Invalid value for '{where}.type': no item is of the type '{kind[:64]}'."
                raise InvalidRequest(message, code="invalid_value", param=f"{where}.type")

    def turns(self) -> tuple[Turn, ...]:
        """All of it. Signatures of calls are put where they belong: they may come behind the call."""
        return tuple(Turn(role, tuple([self._signed(part) for part in parts])) for role, parts, _ in self._turns)

    def _say(self, role: Role, parts: list[Part], *, apart: bool = True) -> None:
        """Another turn; or more of the last one, if neither stands apart and it is the same side's."""
        if not apart and self._turns and self._turns[-1][0] == role and not self._turns[-1][2]:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, parts, apart))

    def _signed(self, part: Part) -> Part:
        if isinstance(part, ToolCall) and part.id in self._signatures:
            return msgspec.structs.replace(part, signature=self._signatures[part.id])
        return part

    def _message(self, raw: msgspec.Raw, where: str) -> None:
        message = decode(_message, raw, where)
        if isinstance(message.content, str):
            parts: list[Part] = [Text(message.content)]
        else:
            parts = [_part(part, f"{where}.content[{n}]") for n, part in enumerate(message.content)]
        spoken = message.role == "assistant"
        for index, part in enumerate(parts):
            if spoken != isinstance(part, _THOUGHT_AND_SAID) and not isinstance(part, Text):
                place = f"{where}.content[{index}]"
                text = f"Invalid value for '{place}': a message of the role '{message.role}' has no such content."
                raise InvalidRequest(text, code="invalid_value", param=place)
        self._say(message.role, parts, apart=not spoken)

    def _function_call(self, raw: msgspec.Raw, where: str) -> None:
        call = decode(_function_call, raw, where)
        self._call(ToolCall(call.call_id, joined(call.namespace, call.name), call.arguments))

    def _custom_call(self, raw: msgspec.Raw, where: str) -> None:
        call = decode(_custom_call, raw, where)
        self._call(ToolCall(call.call_id, joined(call.namespace, call.name), call.input, free=True))

    def _call(self, call: ToolCall) -> None:
        self._calls[call.id] = call.name
        self._say("assistant", [call], apart=False)

    def _result(self, raw: msgspec.Raw, where: str) -> None:
        result = decode(_output, raw, where)
        if result.call_id not in self._calls and not self._continued:
            message = f"No tool call found for the output with call_id '{result.call_id}'."
            raise InvalidRequest(message, code="invalid_value", param=f"{where}.call_id")
        if isinstance(result.output, str):
            parts = (Text(result.output),)
        else:
            parts = tuple([_given(part, f"{where}.output[{n}]") for n, part in enumerate(result.output)])
        name = self._calls.get(result.call_id, "")
        self._say("user", [ToolResult(result.call_id, parts, name=name)], apart=False)

    def _reasoning(self, raw: msgspec.Raw, where: str) -> None:
        item = decode(_reasoning, raw, where)
        sealed = item.encrypted_content or ""
        carried = unseal(sealed, f"{where}.encrypted_content")
        if isinstance(carried, SignedCall):
            self._signatures[carried.call] = carried.signature
        elif carried is not None:
            self._say("assistant", [carried], apart=False)
        else:
            self._say("assistant", [*reasoning_parts(item)], apart=False)


def reasoning_parts(item: ReasoningItem) -> list[Reasoning]:
    """An item as parts that share its id, one for each part of the summary and of the thoughts; the last is sealed."""
    words = [(part.text, True) for part in item.summary] + [(part.text, False) for part in item.content or []]
    last = len(words) - 1
    return [
        Reasoning(
            text=text,
            sealed=(item.encrypted_content or "") if index == last else "",
            id=item.id or "",
            summary=summary,
            origin="openai_responses",
        )
        for index, (text, summary) in enumerate(words)
    ] or [Reasoning(sealed=item.encrypted_content or "", id=item.id or "", summary=True, origin="openai_responses")]


def _part(part: Given | Said, where: str) -> Part:
    if isinstance(part, OutputText):
        return Text(part.text)
    if isinstance(part, OutputRefusal):
        return Refusal(part.refusal)
    return _given(part, where)


def _given(part: Given, where: str) -> Text | Image | Audio | Document:
    match part:
        case InputText():
            return Text(part.text, mark_of(part.prompt_cache_breakpoint))
        case InputImage():
            return image_of(part, where)
        case InputFile():
            return document_of(part, where)
        case InputAudio():
            return audio_of(part)
