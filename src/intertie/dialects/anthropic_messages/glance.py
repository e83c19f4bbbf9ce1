"""What a whole answer tells: usage, or an error."""

import msgspec

from intertie.core.usage import NOTHING
from intertie.dialects.anthropic_messages.faults import NOT_JSON, status_of
from intertie.dialects.anthropic_messages.usage import Figures, to_usage
from intertie.dialects.dialect import Reading


class _Glance(msgspec.Struct):
    """What is looked for in an answer; the rest is only checked to be JSON."""

    type: str = ""
    usage: Figures | None = None
    error: object = None
    input_tokens: int | None = None


_glance = msgspec.json.Decoder(_Glance).decode


def glance(answer: bytes) -> Reading:
    """What a whole answer tells; a count of tokens costs nothing. Raises ValueError if it is not this dialect."""
    try:
        found = _glance(answer)
    except NOT_JSON as error:
        raise ValueError(str(error)) from None
    if found.type == "error" or found.error:
        return Reading(error=answer, status=status_of(answer))
    if found.usage is None and found.input_tokens is not None:
        return Reading(NOTHING)
    return Reading(None if found.usage is None else to_usage(found.usage))
