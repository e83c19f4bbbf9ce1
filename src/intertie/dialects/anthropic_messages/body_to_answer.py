"""Reads a whole answer. Blocks that have no words in other dialects (of tools that Anthropic runs) are passed over."""

import msgspec

from intertie.core.chat import Answer, Choice, Part, Reasoning, Refusal, Text, ToolCall
from intertie.dialects.anthropic_messages.blocks import NO_INPUT, AnswerBlock, StopDetails, to_citation
from intertie.dialects.anthropic_messages.faults import NOT_JSON
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.stops import read_stop
from intertie.dialects.anthropic_messages.usage import Figures, to_usage


class _Message(msgspec.Struct):
    content: list[AnswerBlock]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Figures | None = None


_message = msgspec.json.Decoder(_Message).decode


def body_to_answer(body: bytes) -> Answer:
    """The answer. Raises ValueError if it is not this dialect."""
    try:
        message = _message(body)
    except NOT_JSON as error:
        raise ValueError(str(error)) from None
    parts = [part for block in message.content if (part := _part(block)) is not None]
    if message.stop_details is not None and message.stop_details.explanation:
        parts.append(Refusal(message.stop_details.explanation))
    stop, name = read_stop(message.stop_reason)
    usage = None if message.usage is None else to_usage(message.usage)
    choice = Choice(parts=tuple(parts), stop=stop, stop_name=name, stop_text=message.stop_sequence or "")
    tier = usage.tier if usage is not None else ""
    return Answer(id=message.id, model=message.model, choices=(choice,), usage=usage, tier=tier)


def _part(block: AnswerBlock) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text or "", citations=tuple(to_citation(one) for one in block.citations or ()))
        case "thinking":
            return Reasoning(block.thinking or "", block.signature or "", origin=OWN)
        case "redacted_thinking":
            return Reasoning(sealed=block.data or "", origin=OWN)
        case "tool_use":
            arguments = "{}" if block.input is NO_INPUT else bytes(block.input).decode()
            return ToolCall(block.id or "", block.name or "", arguments)
        case _:
            return None
