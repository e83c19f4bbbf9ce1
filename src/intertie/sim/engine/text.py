"""Deterministic text: what a simulated model says, and how text is counted in tokens.

A token is four bytes of a prompt or four characters of an answer: the field's rule of thumb for English, made exact.
The same model, prompt and seed give the same words, in every process.
"""

import random
from hashlib import blake2b

BYTES_PER_TOKEN = 4
OPENING = "Simulated answer."

MEAN_TOKENS = 150
_SHORTEST, _LONGEST = 16, 1024

_WHO = (
    "A small engine", "The night shift", "Every cable", "The river", "One lamp", "A quiet town", "The tall crane",
    "Our neighbour", "The last train", "A warm wind", "The harbour", "Each island", "A patient clerk", "The old mill",
)  # fmt: skip
_DOES = (
    "hums", "waits", "carries light", "counts to ten", "turns slowly", "sends word", "keeps time", "finds its way",
    "rests", "draws a line", "answers", "opens a gate", "measures twice", "shares the load",
)  # fmt: skip
_WHERE = (
    "by the sea", "under the bridge", "before sunrise", "across the valley", "in plain sight", "after the rain",
    "on the far side", "between two hills", "at noon", "near the station", "without hurry", "for a while",
)  # fmt: skip


def token_count(text: bytes) -> int:
    """Tokens of a prompt; at least one."""
    return max(1, -(-len(text) // BYTES_PER_TOKEN))


def tokens_of(text: str) -> list[str]:
    """A text cut into its tokens; the empty text is one empty token."""
    return [text[at : at + BYTES_PER_TOKEN] for at in range(0, len(text), BYTES_PER_TOKEN)] or [""]


def lots_for(*parts: bytes) -> random.Random:
    """The lots that are drawn for one answer: the same parts, the same lots."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return random.Random(digest.digest())


def natural_length(lots: random.Random) -> int:
    """How many tokens an answer has when nobody limits it: exponential above a shortest one, mean about 150."""
    return min(_LONGEST, _SHORTEST + int(lots.expovariate(1 / (MEAN_TOKENS - _SHORTEST))))


def prose(lots: random.Random, tokens: int, opening: str = OPENING) -> str:
    """A text of exactly that many tokens."""
    size = tokens * BYTES_PER_TOKEN
    sentences, length = [opening], len(opening)
    while length < size:
        sentence = f"{lots.choice(_WHO)} {lots.choice(_DOES)} {lots.choice(_WHERE)}."
        sentences.append(sentence)
        length += len(sentence) + 1
    return " ".join(sentences)[: size - 1] + "."
