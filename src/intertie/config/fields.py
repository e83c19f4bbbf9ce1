"""What the annotations of a struct say about its fields: read by the readers of file, flags and environment."""

import difflib
import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from intertie.config.forms import COUNT, NOT_NEGATIVE, SWITCH, TEXT, Form

_HIDDEN = ("place", "marks")


class Field(msgspec.Struct, frozen=True):
    """One key: its name in Python and in the file, its type without annotations, its form if it is a single value."""

    name: str
    key: str
    type: Any
    form: Form | None
    help: str
    required: bool
    default: Any


@cache
def fields_of(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields a person may write, by their key in the file."""
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Field] = {}
    for info in msgspec.structs.fields(kind):
        if info.name not in _HIDDEN:
            bare, form, text = unfold(hints[info.name])
            default = info.default_factory() if callable(info.default_factory) else info.default
            fields[info.encode_name] = Field(
                info.name, info.encode_name, bare, form, text, info.required, None if info.required else default
            )
    return fields


def unfold(annotation: Any) -> tuple[Any, Form | None, str]:
    """An annotation as type (neither `Annotated` nor optional), form (of a single value, else None) and help."""
    form, text = None, ""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
            for extra in extras:
                form = extra if isinstance(extra, Form) else form
                text = extra if isinstance(extra, str) else text
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation, form or _plain_form(annotation), text


def nearest(word: str, known: list[str]) -> str:
    """A hint at the known word nearest to a wrong one, or at all of them if none is near and they are few."""
    close = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(known)}" if 0 < len(known) <= 24 else ""


def _plain_form(kind: Any) -> Form | None:
    if get_origin(kind) is Literal:
        return _choice(get_args(kind))
    return {str: TEXT, int: COUNT, float: NOT_NEGATIVE, bool: SWITCH}.get(kind)


def _choice(words: tuple[str, ...]) -> Form:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(nearest(text, list(words)) if len(words) > 3 else "")
        return text

    return Form(f"one of {', '.join(words)}", parse)
