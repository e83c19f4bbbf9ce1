"""Field names in both spellings that Google's JSON has: `maxOutputTokens` and `max_output_tokens`.

Only the names of the API's own messages are respelled; what is the caller's (arguments, results, schemas) stays.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from intertie.core.call import Fields
from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import refuse, write_fields

Shape: TypeAlias = Mapping[str, "Shape"]
"""Which fields of a message hold messages, or lists of them; a message without any is an empty shape."""

_MESSAGE: Final[Shape] = {}
_BLOBS: Final[Shape] = {"inlineData": _MESSAGE, "fileData": _MESSAGE}
_CONTENT: Final[Shape] = {
    "parts": {**_BLOBS, "functionCall": _MESSAGE, "functionResponse": {"parts": _BLOBS}},
}
REQUEST: Final[Shape] = {
    "contents": _CONTENT,
    "systemInstruction": _CONTENT,
    "tools": {"functionDeclarations": _MESSAGE},
    "toolConfig": {"functionCallingConfig": _MESSAGE},
    "generationConfig": {"thinkingConfig": _MESSAGE},
}
"""The shape of a request's top level."""

ABSENT: Final = msgspec.Raw()
"""A field that was not given."""

_snake = re.compile(rb'"_?[a-z0-9]+(?:_[a-z0-9]+)+"')
_later_words = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")
_fields = msgspec.json.Decoder(Fields).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def given(raw: msgspec.Raw) -> bool:
    """Whether a field has a value: null is as good as absent in ProtoJSON."""
    return bytes(raw) not in (b"", b"null")


def camel(name: str) -> str:
    """A field's name as the answers spell it."""
    return _later_words.sub(lambda found: found[1].upper(), name)


def one_spelling(fields: Fields, names: frozenset[str] | None = None, where: str = "") -> Fields:
    """Those fields of a message that have these names (None: all), in one spelling.

    Raises InvalidRequest for a field that is given in both: which of them counts is nothing to be guessed.
    """
    found: Fields = {}
    for name, raw in fields.items():
        spelled = camel(name)
        if names is not None and spelled not in names:
            continue
        if spelled in found:
            message = f"'{where}{spelled}' is given in both of its spellings."
            raise InvalidRequest(message, code="duplicate_parameter", param=f"{where}{spelled}")
        found[spelled] = raw
    return found


def respelled(fields: Fields, shape: Shape = REQUEST, where: str = "") -> Fields:
    """A message's fields, in one spelling as deep as the API goes. Raises InvalidRequest for a field in both."""
    found = one_spelling(fields, None, where)
    for name in shape.keys() & found.keys():
        found[name] = _inner(found[name], shape[name], f"{where}{name}")
    return found


def _inner(raw: msgspec.Raw, shape: Shape, where: str) -> msgspec.Raw:
    body = bytes(raw)
    if _snake.search(body) is None:
        return raw  # nearly always
    try:
        if body[:1] == b"[":
            inner = [_inner(one, shape, f"{where}[{place}]") for place, one in enumerate(_items(body))]
            return msgspec.Raw(_encode(inner))
        if body[:1] == b"{":
            return msgspec.Raw(write_fields(respelled(_fields(body), shape, f"{where}.")))
    except msgspec.DecodeError as error:
        refuse(error)
    return raw  # the wrong type: whoever decodes it says so better
