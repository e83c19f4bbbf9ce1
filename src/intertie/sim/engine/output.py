"""What the model will say, decided before the first token: one delta per token, and why it ends.

Streams send the deltas one by one; whole answers join them. So both say the same, also where a limit cuts a tool call.
"""

import random
from typing import Literal, TypeAlias

import msgspec

from intertie.sim.engine.requests import GenerationRequest, Tool
from intertie.sim.engine.schema import Schema, json_for
from intertie.sim.engine.text import lots_for, natural_length, prose, tokens_of

Finish: TypeAlias = Literal["stop", "length", "tool_calls"]


class FunctionDelta(msgspec.Struct, omit_defaults=True):
    """The name comes once, the arguments in pieces."""

    name: str = ""
    arguments: str | None = None


class CallDelta(msgspec.Struct, omit_defaults=True):
    """A piece of one tool call: `id`, `type` and the name only in the first."""

    index: int
    function: FunctionDelta
    id: str = ""
    type: str = ""


class Delta(msgspec.Struct, omit_defaults=True):
    """What one token adds to the answer: text, or a piece of a tool call."""

    content: str | None = None
    tool_calls: list[CallDelta] | None = None

    @property
    def text(self) -> str:
        """The token itself, wherever it belongs."""
        if self.tool_calls is None:
            return self.content or ""
        function = self.tool_calls[0].function
        return function.name or function.arguments or ""


class Output(msgspec.Struct, frozen=True):
    """One answer: a delta per token."""

    deltas: list[Delta]
    finish: Finish

    @property
    def text(self) -> str | None:
        """The whole text; None if tools are called."""
        return None if self.deltas[0].tool_calls else "".join(delta.text for delta in self.deltas)

    @property
    def tool_calls(self) -> list[CallDelta]:
        """The whole tool calls."""
        calls: list[CallDelta] = []
        for delta in self.deltas:
            for piece in delta.tool_calls or ():
                if piece.id:
                    function = FunctionDelta(piece.function.name, "")
                    calls.append(CallDelta(piece.index, function, piece.id, piece.type))
                else:
                    function = calls[piece.index].function
                    function.arguments = (function.arguments or "") + (piece.function.arguments or "")
        return calls


def plan_output(request: GenerationRequest, prompt: bytes, choice: int, room: int) -> Output:
    """What the answer number `choice` to a prompt is; `room` is how many tokens the context leaves.

    The same model, prompt, seed and choice give the same answer.
    """
    seed = b"" if request.seed is None else b"%d" % request.seed
    lots = lots_for(request.model.encode(), prompt, seed, b"%d" % choice)
    limit = room if request.max_tokens is None else min(room, request.max_tokens)
    if request.tools:
        return _cut([delta for at, tool in enumerate(request.tools) for delta in _call(tool, at, lots)], limit, True)
    if request.schema is not None:
        text = json_for(request.schema, lots)
    else:
        length = request.exact_tokens or natural_length(lots)
        text = prose(lots, min(length, limit + 1))  # one more than the limit shows that the limit cut it
    return _cut([Delta(token) for token in tokens_of(_stopped(text, request.stop))], limit, False)


def _cut(deltas: list[Delta], limit: int, calls: bool) -> Output:
    if len(deltas) > limit:
        return Output(deltas[:limit], "length")
    return Output(deltas, "tool_calls" if calls else "stop")


def _stopped(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first stop sequence, which is not part of it."""
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(ends, default=len(text))]


def _call(tool: Tool, index: int, lots: random.Random) -> list[Delta]:
    """One tool call: its head is one token, its arguments follow in pieces."""
    arguments = json_for(tool.parameters or Schema(type="object", properties={}), lots)
    head = CallDelta(index, FunctionDelta(tool.name, ""), f"call_{lots.getrandbits(96):024x}", "function")
    pieces = [CallDelta(index, FunctionDelta(arguments=piece)) for piece in tokens_of(arguments)]
    return [Delta(tool_calls=[piece]) for piece in (head, *pieces)]
