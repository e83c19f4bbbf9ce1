"""Reading JSON bodies that strangers send: bounded depth, no key twice, and one canonical form of what was understood.

What is forwarded is the re-encoded top level, never the bytes as they came: a parser behind us that prefers the first
of two equal keys, or unescapes `"mod\\u0065l"` later than we do, then sees exactly what was authorised here.
"""

import json
import re
from typing import NoReturn

import msgspec

from intertie.core.call import Fields
from intertie.core.faults import InvalidRequest

MAX_DEPTH = 64
_SHORT = 8_192  # bytes

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_BRACES = bytes.maketrans(b"[]", b"{}")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_at_field = re.compile(r"^(.*?)(?: - at `\$\.?([^`]*)`)?$")


def read_fields(body: bytes) -> tuple[Fields, bytes]:
    """The top level of a JSON object and its canonical bytes.

    Raises InvalidRequest if the body is no JSON object, is nested deeper than 64, or has a key twice at the top level.
    """
    if _may_be_deep(body):
        _refuse_depth(body)
    if not body.isascii():
        _refuse_broken_text(body)
    try:
        fields = _decode_fields(body)
    except msgspec.DecodeError as error:
        refuse(error)
    except RecursionError:
        raise _too_deep() from None
    canonical = _encode(fields)
    if len(canonical) != len(body) and _spaced(fields) != body and len(_compact(canonical)) != len(_compact(body)):
        _refuse_duplicates(body)
    return fields, canonical


def _spaced(fields: Fields) -> bytes:
    """The same top level as Python's `json` writes it: a body that equals this has no key twice."""
    return b"{%b}" % b", ".join([b'"%b": %b' % (name.encode(), bytes(value)) for name, value in fields.items()])


def _compact(body: bytes) -> bytes:
    """The same JSON without white space between its parts; keys given twice stay twice."""
    return msgspec.json.format(body, indent=-1)


def refuse_variants(fields: Fields, deciding: frozenset[str]) -> None:
    """Refuse a key that only its case tells from one that decides: some engines would read it as that one."""
    for name in fields.keys() - deciding:
        if not (name.isascii() and name.islower()) and name.casefold() in deciding:
            message = f"The parameter '{name[:64]}' differs from '{name.casefold()}' only in its letters' case."
            raise InvalidRequest(message, code="duplicate_parameter", param=name.casefold())


def write_fields(fields: Fields) -> bytes:
    """The bytes of a JSON object from its top level."""
    return _encode(fields)


def refuse(error: msgspec.DecodeError, where: str = "") -> NoReturn:
    """Turn the decoder's complaint into the caller's: which field, what was expected.

    `where` is the place (`tools[0]`) of a value that was decoded by itself.
    """
    match = _at_field.match(str(error))
    message, field = (match.group(1), match.group(2)) if match else (str(error), None)
    field = ".".join(name for name in (where, field) if name)
    if not isinstance(error, msgspec.ValidationError):
        raise InvalidRequest(f"The request body is not valid JSON: {error}", code="invalid_json") from None
    missing = re.search(r"missing required field `([^`]+)`", message)
    if missing:
        name = f"{field}.{missing.group(1)}" if field else missing.group(1)
        message = f"Missing required parameter: '{name}'."
        raise InvalidRequest(message, code="missing_required_parameter", param=name) from None
    at = f" for '{field}'" if field else ""
    raise InvalidRequest(f"Invalid type{at}: {message}.", code="invalid_type", param=field or None) from None


def depth(body: bytes) -> int:
    """How deep arrays and objects are nested, brackets inside strings not counted; stops counting past `MAX_DEPTH`."""
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = b"".join(body.split(b'"')[::2]).translate(_BRACES, _NOT_BRACKETS)
    levels = 0
    while brackets and levels <= MAX_DEPTH:
        shorter = brackets.replace(b"{}", b"")
        if shorter == brackets:
            break  # unbalanced: the decoder says so better
        brackets, levels = shorter, levels + 1
    return levels


def _may_be_deep(body: bytes) -> bool:
    """Whether brackets are opened so often that depth must be looked at. In a large body searching for the first few
    leaps where counting walks.
    """
    if len(body) < _SHORT:
        return body.count(b"{") + body.count(b"[") > MAX_DEPTH
    for opener in (b"{", b"["):
        at = -1
        for _ in range(MAX_DEPTH // 2):
            at = body.find(opener, at + 1)
            if at < 0:
                break
        else:
            return True
    return False


def _refuse_broken_text(body: bytes) -> None:
    """The decoder looks only into strings that decide; an engine would stumble over the others."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        message = f"The request body is not valid UTF-8 at byte {error.start}."
        raise InvalidRequest(message, code="invalid_json") from None


def _refuse_depth(body: bytes) -> None:
    if depth(body) > MAX_DEPTH:
        raise _too_deep()


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The request body is nested deeper than {MAX_DEPTH} levels.", code="json_too_deep")


def _refuse_duplicates(body: bytes) -> None:
    """Escapes in keys make lengths differ too, so look closely; only the top level decides anything."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen: dict[str, object] = {}
        repeated.clear()  # objects close from the inside out: the last one to close is the top level
        for name, value in pairs:
            if name in seen:
                repeated.append(name)
            seen[name] = value
        return seen

    json.loads(body, object_pairs_hook=note)
    if repeated:
        raise InvalidRequest(
            f"The parameter '{repeated[0]}' is given twice.", code="duplicate_parameter", param=repeated[0]
        )
