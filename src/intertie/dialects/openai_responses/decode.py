"""Decodes a value that lies somewhere within a call, and names the place if it is not what it must be."""

from typing import TypeVar

import msgspec

from intertie.dialects.json_body import refuse

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw, where: str) -> T:
    """The value at `where` (`input[3]`). Raises InvalidRequest, naming the field from the top of the body."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        refuse(error, where)
