"""Prompts of a wanted length, the same for the same seed, with shared beginnings where a trace has them."""

from intertie.sim.engine.text import BYTES_PER_TOKEN, lots_for, prose
from intertie.sim.traces import BLOCK_TOKENS, Arrival


def prompt(arrival: Arrival, index: int, seed: int) -> str:
    """The text of the arrival that is number `index` of its trace: exactly its tokens, as the simulated engine counts.

    Each block of a trace is a text of its own; what its blocks do not fill belongs to this request alone.
    """
    size = max(1, arrival.prompt_tokens) * BYTES_PER_TOKEN
    text = "".join(_piece(seed, f"block {block}", BLOCK_TOKENS) for block in arrival.blocks)
    if len(text) < size:
        text += _piece(seed, f"request {index}", arrival.prompt_tokens)
    return text[:size]


def _piece(seed: int, name: str, tokens: int) -> str:
    """A text that begins with its name, so that no two have a beginning in common by chance."""
    named = f"[{seed}: {name}] {prose(lots_for(b'%d' % seed, name.encode()), tokens)}"
    return named[: tokens * BYTES_PER_TOKEN]
