"""Messages as answers. Source: the types of Anthropic's SDK (`anthropic.types`: Message, RawMessageStreamEvent)."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from intertie.sim.engine.dialect import AnswerForm, Spent
from intertie.sim.engine.output import Block, Output
from intertie.sim.engine.requests import GenerationRequest
from intertie.sim.engine.seals import seal

Form: TypeAlias = dict[str, object]

_STOPS: Final = MappingProxyType({"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"})
_encode = msgspec.json.Encoder().encode


class MessageForm(AnswerForm):
    """See `AnswerForm`. `hides`: the caller does not want to see the thoughts, only their signature."""

    def __init__(self, request: GenerationRequest, answer: str, *, hides: bool) -> None:
        self._request, self._hides = request, hides
        self._frame: Form = {"id": answer, "type": "message", "role": "assistant", "model": request.model}

    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """One object; there is only ever one choice."""
        (output,) = outputs
        content = [self._block(block) for block in output.blocks if block.text or block.kind != "words"]
        return _encode({**self._frame, "content": content, **_stop(output), "usage": self._usage(spent)})

    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """`message_start`, which knows the prompt; and a sign of life."""
        usage = self._usage(spent) | {"output_tokens": 1}
        silent: Form = {"content": [], "stop_reason": None, "stop_sequence": None}
        return _event("message_start", message={**self._frame, **silent, "usage": usage}) + _event("ping")

    def token(self, index: int, output: Output, at: int) -> bytes:
        """A delta; blocks stand one behind the other."""
        piece = output.pieces[at]
        block, place = output.block_of(piece), piece.block
        told = b""
        if piece.opens:
            told = _event("content_block_start", index=place, content_block=self._empty(block))
        if piece.text and not (block.kind == "thoughts" and self._hides):
            told += _event("content_block_delta", index=place, delta=_delta(block, piece.text))
        if output.closes(at):
            if block.kind == "thoughts":
                signature: Form = {"type": "signature_delta", "signature": seal(output.blocks[place].text)}
                told += _event("content_block_delta", index=place, delta=signature)
            told += _event("content_block_stop", index=place)
        return told

    def closing(self, index: int, output: Output) -> bytes:
        """Nothing: the message says it all."""
        return b""

    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """`message_delta`; its figures are sums, not differences."""
        usage = self._usage(spent)
        del usage["cache_creation"], usage["service_tier"]
        usage.pop("speed", None)
        return _event("message_delta", delta=_stop(outputs[0]), usage=usage)

    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """`message_stop`."""
        return _event("message_stop")

    def _empty(self, block: Block) -> Form:
        match block.kind:
            case "thoughts":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case "words":
                return {"type": "text", "text": ""}
            case "call":
                return {"type": "tool_use", "id": f"toolu_{block.id}", "name": block.name, "input": {}}

    def _block(self, block: Block) -> Form:
        match block.kind:
            case "thoughts":
                return {
                    "type": "thinking",
                    "thinking": "" if self._hides else block.text,
                    "signature": seal(block.text),
                }
            case "words":
                return {"type": "text", "text": block.text}
            case "call":
                return self._empty(block) | {"input": _arguments(block.text)}

    def _usage(self, spent: Spent) -> Form:
        """`input_tokens` are those that no cache knew or learned."""
        kept = {"ephemeral_5m_input_tokens": spent.written, "ephemeral_1h_input_tokens": spent.written_1h}
        told: Form = {
            "input_tokens": spent.fresh,
            "cache_creation_input_tokens": spent.written + spent.written_1h,
            "cache_read_input_tokens": spent.cached,
            "cache_creation": kept,
            "output_tokens": spent.completion,
            "service_tier": "standard",
        }
        if spent.thoughts:
            told["output_tokens_details"] = {"thinking_tokens": spent.thoughts}
        return told | {"speed": "fast"} if self._request.tier == "fast" else told


def _arguments(text: str) -> msgspec.Raw | Form:
    """Arguments that a limit cut are told as far as they are an object: not at all."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return msgspec.Raw(text.encode())


def _stop(output: Output) -> Form:
    reason = "stop_sequence" if output.stop_text else _STOPS[output.finish]
    return {"stop_reason": reason, "stop_sequence": output.stop_text or None}


def _delta(block: Block, text: str) -> Form:
    match block.kind:
        case "thoughts":
            return {"type": "thinking_delta", "thinking": text}
        case "words":
            return {"type": "text_delta", "text": text}
        case "call":
            return {"type": "input_json_delta", "partial_json": text}


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))
