"""Gemini's answers. Source: ai.google.dev/api/generate-content (GenerateContentResponse, UsageMetadata).

A stream is a row of such answers, each with the usage so far; the last ones say why they end, and nothing comes behind.
Arguments of functions come whole.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import msgspec

from intertie.sim.engine.dialect import AnswerForm, Spent
from intertie.sim.engine.logprobs import TokenLogprob, TopLogprob, token_logprobs
from intertie.sim.engine.output import Block, Output
from intertie.sim.engine.requests import GenerationRequest
from intertie.sim.engine.seals import seal

Form: TypeAlias = dict[str, object]

_STOPS: Final = MappingProxyType({"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"})
_TRAFFIC: Final = MappingProxyType({"flex": "ON_DEMAND_FLEX", "priority": "ON_DEMAND_PRIORITY"})
_encode = msgspec.json.Encoder().encode


class GeminiWishes(NamedTuple):
    """Whether thoughts are told, whether calls are signed (Gemini 3), and whether it is Vertex AI that answers."""

    thoughts: bool
    signs: bool
    vertex: bool


class GeminiForm(AnswerForm):
    """See `AnswerForm`."""

    def __init__(self, request: GenerationRequest, answer: str, wishes: GeminiWishes) -> None:
        self._request, self._wishes = request, wishes
        self._frame: Form = {"modelVersion": request.model, "responseId": answer}
        self._spent = Spent(0, 0)

    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """One object."""
        candidates: list[Form] = []
        for index, output in enumerate(outputs):
            parts = [part for place, block in enumerate(output.blocks) for part in self._part(output, block, place)]
            content: Form = {"role": "model", "parts": parts}
            told: Form = {"content": content, "finishReason": _STOPS[output.finish], "index": index}
            candidates.append(told | self._chances(output))
        return _encode({"candidates": candidates, "usageMetadata": self._usage(spent), **self._frame})

    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """Nothing; but the prompt is known from now on."""
        self._spent = msgspec.structs.replace(spent, completion=self._spent.completion, thoughts=self._spent.thoughts)
        return b""

    def token(self, index: int, output: Output, at: int) -> bytes:
        """Words and thoughts token by token, calls when they are whole."""
        piece = output.pieces[at]
        block = output.block_of(piece)
        self._count(block)
        if block.kind == "call":
            if not output.closes(at):
                return b""
            parts = self._part(output, output.blocks[piece.block], piece.block)
        else:
            parts = self._part(output, block._replace(text=piece.text), piece.block)
        return self._event([{"content": {"role": "model", "parts": parts}, "index": index}]) if parts else b""

    def _count(self, block: Block) -> None:
        made = self._spent
        thoughts = made.thoughts + (block.kind == "thoughts")
        self._spent = msgspec.structs.replace(made, completion=made.completion + 1, thoughts=thoughts)

    def closing(self, index: int, output: Output) -> bytes:
        """Nothing: the end says it."""
        return b""

    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """Nothing before the end."""
        self._spent = spent
        return b""

    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """Why each candidate ends; words are signed in an empty part."""
        candidates: list[Form] = []
        for index, output in enumerate(outputs):
            content: Form = {"role": "model", "parts": [{"text": ""}]}
            told: Form = {"content": content, "finishReason": _STOPS[output.finish], "index": index}
            candidates.append(told | self._chances(output))
        return self._event(candidates)

    def _part(self, output: Output, block: Block, place: int) -> list[Form]:
        match block.kind:
            case "thoughts":
                return [{"text": block.text, "thought": True}] if self._wishes.thoughts else []
            case "words":
                return [{"text": block.text}]
            case "call":
                call: Form = {"name": block.name, "args": _arguments(block.text)}
                if not self._wishes.vertex:
                    call["id"] = block.id[:8]
                first = not any(one.kind == "call" for one in output.blocks[:place])
                signed = {"thoughtSignature": seal(block.id)} if first and self._wishes.signs else {}
                return [{"functionCall": call, **signed}]

    def _chances(self, output: Output) -> Form:
        if self._request.logprobs is None or output.words is None:
            return {}
        entries = token_logprobs(output, self._request.logprobs)
        tops = [{"candidates": [_chance(top) for top in entry.top_logprobs]} for entry in entries]
        result: Form = {"chosenCandidates": [_chance(entry) for entry in entries], "topCandidates": tops}
        return {"logprobsResult": result, "avgLogprobs": sum(one.logprob for one in entries) / len(entries)}

    def _event(self, candidates: list[Form]) -> bytes:
        data: Form = {"candidates": candidates, "usageMetadata": self._usage(self._spent), **self._frame}
        return b"data: %b\r\n\r\n" % _encode(data)

    def _usage(self, spent: Spent) -> Form:
        """Candidates without thoughts; the prompt with what was cached."""
        said = spent.completion - spent.thoughts
        told: Form = {
            "promptTokenCount": spent.prompt,
            "candidatesTokenCount": said,
            "totalTokenCount": spent.prompt + spent.completion,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": spent.prompt}],
        }
        if spent.thoughts:
            told["thoughtsTokenCount"] = spent.thoughts
        if spent.cached:
            told["cachedContentTokenCount"] = spent.cached
        tier = self._request.tier
        if self._wishes.vertex:
            return told | {"trafficType": _TRAFFIC.get(tier, "ON_DEMAND")}
        return told | {"serviceTier": tier or "standard"}


def _chance(entry: TokenLogprob | TopLogprob) -> Form:
    return {"token": entry.token, "logProbability": entry.logprob}


def _arguments(text: str) -> msgspec.Raw | Form:
    """Arguments that a limit cut are told as none."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return msgspec.Raw(text.encode())
