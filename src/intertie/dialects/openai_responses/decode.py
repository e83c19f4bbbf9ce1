"""Decodes a value that lies somewhere within a call, and names the place if it is not what it must be."""

import re
from typing import TypeVar

import msgspec

from intertie.core.faults import InvalidRequest

T = TypeVar("T")

_complaint = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<at>[^`]*)`)?", re.DOTALL)
_missing = re.compile(r"Object missing required field `([^`]+)`")


def decode(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw, where: str) -> T:
    """The value at `where` (`input[3]`). Raises InvalidRequest, naming the field from the top of the body."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        told = _complaint.fullmatch(str(error))
    what, at = (told["what"], told["at"] or "") if told else ("", "")
    missing = _missing.match(what)
    if missing:
        field = f"{where}{at}.{missing[1]}"
        raise InvalidRequest(f"Missing required parameter: '{field}'.", code="missing_required_parameter", param=field)
    field = f"{where}{at}"
    raise InvalidRequest(f"Invalid type for '{field}': {what}.", code="invalid_type", param=field)
