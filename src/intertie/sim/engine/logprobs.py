"""Plausible log probabilities: the chosen token first, alternatives below it, always the same for the same text."""

import random

import msgspec

from intertie.sim.engine.output import Output
from intertie.sim.engine.text import lots_for, prose, tokens_of

_STEP = 0.7  # mean distance between one alternative and the next


class TopLogprob(msgspec.Struct):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    """The token that stands here, with its alternatives (itself among them, if any were asked for)."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct):
    """As chat completions tell it."""

    content: list[TokenLogprob]
    refusal: None = None


class CompletionLogprobs(msgspec.Struct):
    """As completions tell it: columns."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


def token_logprobs(output: Output, alternatives: int) -> list[TokenLogprob]:
    """One entry per token of what is said; thoughts and tool calls have none."""
    lots = lots_for((output.words or "").encode())
    others = tokens_of(prose(lots, 64))
    said = [piece.text for piece in output.pieces if output.block_of(piece).kind == "words"]
    return [_entry(token, alternatives, others, lots) for token in said]


def completion_logprobs(entries: list[TokenLogprob], offset: int) -> CompletionLogprobs:
    """The same as columns; `offset` is where the first token begins, in characters."""
    offsets: list[int] = []
    for entry in entries:
        offsets.append(offset)
        offset += len(entry.token)
    tops = [{top.token: top.logprob for top in entry.top_logprobs} for entry in entries]
    return CompletionLogprobs(
        tokens=[entry.token for entry in entries],
        token_logprobs=[entry.logprob for entry in entries],
        top_logprobs=tops if any(tops) else None,
        text_offset=offsets,
    )


def _entry(token: str, alternatives: int, others: list[str], lots: random.Random) -> TokenLogprob:
    logprob = round(-lots.expovariate(1 / 0.4), 4)
    tops: list[TopLogprob] = []
    last = logprob
    for other in [token, *lots.sample(others, alternatives)][:alternatives]:
        tops.append(TopLogprob(other, last, list(other.encode())))
        last = round(last - lots.expovariate(1 / _STEP), 4)
    return TokenLogprob(token, logprob, list(token.encode()), tops)
