"""What the model will say, decided before the first token: one piece per token, and why it ends.

Streams send the pieces one by one; whole answers join them. So both say the same, also where a limit cuts a tool call.
"""

import random
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from intertie.sim.engine.requests import GenerationRequest, Tool
from intertie.sim.engine.schema import Schema, json_for
from intertie.sim.engine.text import OPENING, lots_for, natural_length, prose, tokens_of

Finish: TypeAlias = Literal["stop", "length", "tool_calls"]

_THOUGHTS = "Let me think about it in simulation."


class Piece(NamedTuple):
    """One token: of which block, whether it opens it, and its text; a call is opened by a token without text."""

    block: int
    opens: bool
    text: str


class Block(NamedTuple):
    """A part of an answer: thoughts, words, or the call of a tool with its name and arguments (`text`).

    `id` is what the ids of calls and thoughts end with; dialects put something before it.
    """

    kind: Literal["thoughts", "words", "call"]
    text: str
    id: str = ""
    name: str = ""


class Output:
    """One answer: a piece per token, and the blocks they make up. `stop_text` is the stop sequence that came."""

    def __init__(self, blocks: list[Block], limit: int, finish: Finish, stop_text: str = "") -> None:
        whole = [piece for index, block in enumerate(blocks) for piece in _pieces(index, block)]
        self.pieces = whole[:limit]
        self.finish: Finish = finish if len(whole) <= limit else "length"
        self.stop_text = stop_text if self.finish == "stop" else ""
        self._blocks = blocks

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks as far as the limit lets them be."""
        if not self.pieces:
            return []
        last = self.pieces[-1].block
        text = "".join(piece.text for piece in self.pieces if piece.block == last)
        return [*self._blocks[:last], self._blocks[last]._replace(text=text)]

    @cached_property
    def thoughts(self) -> int:
        """How many of the tokens are thoughts; they come first."""
        return sum(self._blocks[piece.block].kind == "thoughts" for piece in self.pieces)

    @property
    def words(self) -> str | None:
        """All that is said; None if nothing is."""
        said = [block.text for block in self.blocks if block.kind == "words"]
        return "".join(said) if said else None

    @property
    def calls(self) -> list[Block]:
        """The tools that are called."""
        return [block for block in self.blocks if block.kind == "call"]

    def block_of(self, piece: Piece) -> Block:
        """The block that a piece belongs to, as it was meant to be."""
        return self._blocks[piece.block]

    def closes(self, at: int) -> bool:
        """Whether the piece at this place is the last of its block."""
        return at + 1 == len(self.pieces) or self.pieces[at + 1].opens


def _pieces(index: int, block: Block) -> list[Piece]:
    tokens = tokens_of(block.text)
    if block.kind == "call":
        return [Piece(index, True, ""), *(Piece(index, False, token) for token in tokens)]
    return [Piece(index, place == 0, token) for place, token in enumerate(tokens)]


def plan_output(request: GenerationRequest, prompt: bytes, choice: int, room: int) -> Output:
    """What the answer number `choice` to a prompt is; `room` is how many tokens the context leaves.

    The same model, prompt, seed and choice give the same answer.
    """
    seed = b"" if request.seed is None else b"%d" % request.seed
    lots = lots_for(request.model.encode(), prompt, seed, b"%d" % choice)
    limit = room if request.max_tokens is None else min(room, request.max_tokens)
    blocks = [_thoughts(request.thoughts, lots)] if request.thoughts else []
    if request.tools:
        return Output(blocks + [_call(tool, lots) for tool in request.tools], limit, "tool_calls")
    if request.schema is not None:
        text = json_for(request.schema, lots)
    else:
        length = request.exact_tokens or natural_length(lots)
        text = prose(lots, min(length, limit + 1), _opening(request.images))  # one more shows that the limit cut it
    text, stop = _stopped(text, request.stop)
    return Output([*blocks, Block("words", text)], limit, "stop", stop)


def _opening(images: int) -> str:
    return f"Simulated answer to {images} image{'s' * (images > 1)}." if images else OPENING


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str]:
    """The text up to the first stop sequence, which is not part of it, and that sequence."""
    ends = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    at, stop = min(ends, default=(len(text), ""))
    return text[:at], stop


def _thoughts(tokens: int, lots: random.Random) -> Block:
    return Block("thoughts", prose(lots, tokens, _THOUGHTS), f"{lots.getrandbits(96):024x}")


def _call(tool: Tool, lots: random.Random) -> Block:
    arguments = json_for(tool.parameters or Schema(type="object", properties={}), lots)
    return Block("call", arguments, f"{lots.getrandbits(96):024x}", tool.name)
