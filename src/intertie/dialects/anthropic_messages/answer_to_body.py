"""Writes a whole answer as a message. Sound and pictures, which no message can hold, are left out."""

from typing import Any

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Answer, Part, Reasoning, Refusal, Text, ToolCall
from intertie.dialects.anthropic_messages.blocks import from_citation
from intertie.dialects.anthropic_messages.foreign import to_signature
from intertie.dialects.anthropic_messages.messages_to_turns import OWN
from intertie.dialects.anthropic_messages.stops import write_stop
from intertie.dialects.anthropic_messages.turns_to_messages import to_input
from intertie.dialects.anthropic_messages.usage import of_message

_encode = msgspec.json.Encoder().encode


def answer_to_body(answer: Answer, call: Call) -> bytes:
    """The message, made of the first choice: callers of this dialect cannot ask for more."""
    choice = answer.choices[0]
    content = [block for number, part in enumerate(choice.parts) for block in _blocks(part, answer.id, number)]
    calls = any(isinstance(part, ToolCall) for part in choice.parts)
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    message: dict[str, Any] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model or call.model,
        "content": content,
        "stop_reason": write_stop(choice.stop, choice.stop_name, calls=calls, refused=refused),
        "stop_sequence": choice.stop_text or None,
        "usage": of_message(answer.usage),
    }
    return _encode(message)


def _blocks(part: Part, answer: str, number: int) -> list[dict[str, Any]]:
    match part:
        case Text(text="") | Refusal(text=""):
            return []
        case Text():
            cited = [from_citation(one) for one in part.citations]
            return [{"type": "text", "text": part.text, "citations": cited or None}]
        case Refusal():
            return [{"type": "text", "text": part.text, "citations": None}]
        case ToolCall():
            return _called(part, part.id or made_up_id(answer, number))
        case Reasoning():
            return [_thought(part)]
        case _:
            return []


def made_up_id(answer: str, number: int) -> str:
    """An id for a call that has none: of the answer's own and the number of the part."""
    return f"toolu_{answer}_{number}"


def _called(call: ToolCall, name: str) -> list[dict[str, Any]]:
    """The call; behind it, where another endpoint signed it, a block of empty thoughts that carries the signature."""
    arguments = {"input": call.arguments} if call.free else to_input(call.arguments)
    block = {"type": "tool_use", "id": name, "name": call.name, "input": arguments}
    return [block, _thought(Reasoning(signature=call.signature, id=name))] if call.signature else [block]


def _thought(reasoning: Reasoning) -> dict[str, Any]:
    if reasoning.origin == OWN and reasoning.sealed:
        return {"type": "redacted_thinking", "data": reasoning.sealed}
    signature = reasoning.signature if reasoning.origin == OWN else to_signature(reasoning)
    return {"type": "thinking", "thinking": reasoning.text, "signature": signature}
