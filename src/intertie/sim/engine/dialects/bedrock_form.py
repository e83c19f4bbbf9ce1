"""Answers of Converse and ConverseStream. Source: botocore's model of the service, and what its streams look like."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from intertie.sim.engine.dialect import AnswerForm, Spent
from intertie.sim.engine.dialects.event_stream import event
from intertie.sim.engine.output import Block, Output
from intertie.sim.engine.requests import GenerationRequest
from intertie.sim.engine.seals import seal

Form: TypeAlias = dict[str, object]

_STOPS: Final = MappingProxyType({"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"})
_PADDING: Final = "abcdefghijklmnopqrstuvwxyz"
_encode = msgspec.json.Encoder().encode


class ConverseForm(AnswerForm):
    """See `AnswerForm`. `paths`: which of the model's own fields are to be told, of which a Claude has one."""

    def __init__(self, request: GenerationRequest, paths: Sequence[str]) -> None:
        self._request = request
        self._tells_stop = "/stop_sequence" in paths

    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """One object; there is only ever one choice."""
        (output,) = outputs
        content = [_block(block) for block in output.blocks if block.text or block.kind != "words"]
        message: Form = {"role": "assistant", "content": content}
        return _encode({"output": {"message": message}, **self._stop(output), **self._metadata(spent)})

    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """`messageStart`."""
        return _event("messageStart", {"role": "assistant"})

    def token(self, index: int, output: Output, at: int) -> bytes:
        """A delta; only calls say how they begin."""
        piece = output.pieces[at]
        block, place = output.block_of(piece), {"contentBlockIndex": piece.block}
        told = b""
        if piece.opens and block.kind == "call":
            start: Form = {"toolUse": {"toolUseId": f"tooluse_{block.id}", "name": block.name}}
            told = _event("contentBlockStart", {"start": start, **place})
        if piece.text:
            told += _event("contentBlockDelta", {"delta": _delta(block, piece.text), **place})
        if output.closes(at):
            if block.kind == "thoughts":
                signature: Form = {"reasoningContent": {"signature": seal(output.blocks[piece.block].text)}}
                told += _event("contentBlockDelta", {"delta": signature, **place})
            told += _event("contentBlockStop", dict[str, object](place))
        return told

    def closing(self, index: int, output: Output) -> bytes:
        """Nothing: the message says it."""
        return b""

    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """Nothing before the end."""
        return b""

    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """`messageStop` and, behind it, `metadata`."""
        return _event("messageStop", self._stop(outputs[0])) + _event("metadata", self._metadata(spent))

    def _stop(self, output: Output) -> Form:
        if not output.stop_text:
            return {"stopReason": _STOPS[output.finish]}
        own: Form = {"additionalModelResponseFields": {"stop_sequence": output.stop_text}} if self._tells_stop else {}
        return {"stopReason": "stop_sequence", **own}

    def _metadata(self, spent: Spent) -> Form:
        """`inputTokens` are those that no cache knew or learned."""
        usage: Form = {
            "inputTokens": spent.fresh,
            "outputTokens": spent.completion,
            "totalTokens": spent.prompt + spent.completion,
            "cacheReadInputTokens": spent.cached,
            "cacheWriteInputTokens": spent.written + spent.written_1h,
        }
        kept = {"5m": spent.written, "1h": spent.written_1h}
        if any(kept.values()):
            usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in kept.items() if tokens]
        told: Form = {"usage": usage, "metrics": {"latencyMs": 1}}
        return told | {"serviceTier": {"type": self._request.tier}} if self._request.tier else told


def _block(block: Block) -> Form:
    match block.kind:
        case "thoughts":
            return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": seal(block.text)}}}
        case "words":
            return {"text": block.text}
        case "call":
            arguments = _arguments(block.text)
            return {"toolUse": {"toolUseId": f"tooluse_{block.id}", "name": block.name, "input": arguments}}


def _delta(block: Block, text: str) -> Form:
    match block.kind:
        case "thoughts":
            return {"reasoningContent": {"text": text}}
        case "words":
            return {"text": text}
        case "call":
            return {"toolUse": {"input": text}}


def _arguments(text: str) -> msgspec.Raw | Form:
    """Arguments that a limit cut are told as none."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return msgspec.Raw(text.encode())


def _event(kind: str, data: Form) -> bytes:
    """Events are padded so that their length tells nothing."""
    payload = _encode(data)
    return event(kind, _encode({**data, "p": _PADDING[: 1 + len(payload) % 26]}))
