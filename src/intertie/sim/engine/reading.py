"""Reads JSON strictly and says what is wrong without words: every dialect complains in those of its vendor.

Written apart from `intertie.dialects`, as all of the engine is: what both understand, each understood by itself.
"""

import re
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

Path: TypeAlias = tuple[str | int, ...]
"""From the top of a body to a place in it: names of fields, and numbers of list items."""

Kind: TypeAlias = Literal["json", "missing", "unknown", "wrong"]

ABSENT: Final = msgspec.Raw()

_T = TypeVar("_T")

_told = re.compile(r"(?s)(.*?)(?: - at `\$\.?([^`]*)`)?")
_step = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_fields: dict[Kind, re.Pattern[str]] = {
    "missing": re.compile(r"Object missing required field `([^`]+)`"),
    "unknown": re.compile(r"Object contains unknown field `([^`]+)`"),
}


class Complaint(Exception):
    """A body cannot be read: it is no JSON, a field is missing or not known, or a value is not what it should be."""

    def __init__(self, kind: Kind, path: Path, text: str) -> None:
        super().__init__(text)
        self.kind: Kind = kind
        self.path, self.text = path, text

    @property
    def dotted(self) -> str:
        """The place as `messages.0.content`."""
        return ".".join(map(str, self.path))

    @property
    def bracketed(self) -> str:
        """The place as `messages[0].content`."""
        return bracketed(self.path)


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a value that was left as it is was given."""
    return bytes(raw) not in (b"", b"null")


def bracketed(path: Path) -> str:
    """A place as `messages[0].content`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def read(decoder: msgspec.json.Decoder[_T], body: bytes | msgspec.Raw, at: Path = ()) -> _T:
    """A body, or the part of one that stands `at` a place. Raises Complaint."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _complaint(str(error), at) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Complaint("json", at, str(error)) from None


def _complaint(told: str, at: Path) -> Complaint:
    found = _told.fullmatch(told)
    text, where = (found[1], found[2] or "") if found else (told, "")
    steps = tuple(int(number) if number else name for number, name in _step.findall(where))
    for kind, pattern in _fields.items():
        if named := pattern.fullmatch(text):
            return Complaint(kind, (*at, *steps, named[1]), text)
    return Complaint("wrong", (*at, *steps), text)
