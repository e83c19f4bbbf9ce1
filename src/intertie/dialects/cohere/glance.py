"""What Cohere's answers tell: what is billed, and errors."""

import msgspec

from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS, Reading


class _Billed(msgspec.Struct):
    """Units that are on the bill; Cohere writes them as decimals. Image tokens come beside the others."""

    search_units: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    image_tokens: float | None = None
    images: float | None = None


class Meta(msgspec.Struct):
    """What stands beside every answer."""

    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    meta: Meta | None = None
    results: msgspec.Raw = msgspec.Raw()
    embeddings: msgspec.Raw = msgspec.Raw()
    message: str | None = None


_answer = msgspec.json.Decoder(_Answer).decode


def glance(answer: bytes) -> Reading:
    """What a whole answer tells. Raises ValueError if it is not this dialect."""
    try:
        told = _answer(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not bytes(told.results) and not bytes(told.embeddings):
        if told.message:
            return Reading(error=answer)
        raise ValueError("neither results nor embeddings")
    return Reading(usage_of(told.meta))


def usage_of(meta: Meta | None) -> Usage | None:
    """What is billed; None where nothing is told. Raises ValueError for figures beyond any engine's."""
    if meta is None or meta.billed_units is None:
        return None
    billed = meta.billed_units
    image_in = count(billed.image_tokens)
    return Usage(
        prompt=count(billed.input_tokens) + image_in,
        completion=count(billed.output_tokens),
        image_in=image_in,
        images=count(billed.images),
        searches=count(billed.search_units),
    )


def count(figure: float | None) -> int:
    """A figure that may be believed, rounded up. Raises ValueError for one that is beyond any engine."""
    if figure is None or figure < 0:
        return 0
    if not figure <= MOST_TOKENS:
        raise ValueError(f"a usage of more than {MOST_TOKENS}")
    return -int(-figure // 1)
