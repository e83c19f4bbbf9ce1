"""From Gemini's `Schema`, a subset of OpenAPI 3.0, to JSON Schema, which all others speak.

The other way no conversion is needed: Gemini takes JSON Schema as it is in `parametersJsonSchema` and
`responseJsonSchema`, on Vertex too. What differs: types in capitals, `nullable` beside the type, counts as strings
(ProtoJSON writes int64 so), `defs` and `ref` without `$`, one `example`, `format: enum`, and `propertyOrdering`, which
is the order of `properties` here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NoReturn

import msgspec

from intertie.core.call import Fields
from intertie.core.faults import InvalidRequest
from intertie.dialects.gemini.spelling import ABSENT, given, one_spelling
from intertie.dialects.json_body import write_fields


class _Schema(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    type: str | None = None
    title: str | None = None
    description: str | None = None
    format: str | None = None
    nullable: bool | None = None
    enum: list[str | None] | None = None
    items: msgspec.Raw = ABSENT
    prefix_items: list[msgspec.Raw] | None = None
    any_of: list[msgspec.Raw] | None = None
    properties: dict[str, msgspec.Raw] | None = None
    property_ordering: list[str] | None = None
    required: list[str] | None = None
    additional_properties: msgspec.Raw = ABSENT
    defs: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="$defs")
    ref: str | None = msgspec.field(default=None, name="$ref")
    default: msgspec.Raw = ABSENT
    example: msgspec.Raw = ABSENT
    pattern: str | None = None
    minimum: msgspec.Raw = ABSENT
    maximum: msgspec.Raw = ABSENT
    min_items: int | None = None
    max_items: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None


_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_DOLLARS: Final[Mapping[str, str]] = MappingProxyType({"defs": "$defs", "ref": "$ref"})
_KEPT: Final = (
    "title", "description", "default", "pattern", "minimum", "maximum", "required", "min_items", "max_items",
    "min_length", "max_length", "min_properties", "max_properties",
)  # fmt: skip
_NAMES: Final = {field.name: field.encode_name for field in msgspec.structs.fields(_Schema)}

_fields = msgspec.json.Decoder(Fields).decode
_schema = msgspec.json.Decoder(_Schema, strict=False).decode
_encode = msgspec.json.Encoder().encode


def json_schema(schema: msgspec.Raw, where: str) -> msgspec.Raw:
    """A schema of `where` as JSON Schema. Raises InvalidRequest, naming the field, for what `Schema` has not."""
    try:
        spelled = one_spelling(_fields(schema), None, f"{where}.")
        seen = _schema(write_fields({_DOLLARS.get(name, name): raw for name, raw in spelled.items()}))
    except msgspec.DecodeError as error:
        _wrong(where, str(error))
    kept = {_NAMES[name]: value for name in _KEPT if (value := getattr(seen, name)) not in (None, ABSENT)}
    return msgspec.Raw(_encode(_typed(seen, where) | kept | _nested(seen, where)))


def _typed(seen: _Schema, where: str) -> dict[str, object]:
    """Type, values and reference; null is one more of them where it is allowed."""
    written: dict[str, object] = {}
    kind = (seen.type or "type_unspecified").lower()
    if kind in _TYPES:
        written["type"] = [kind, "null"] if seen.nullable else kind
    elif kind != "type_unspecified":
        _wrong(f"{where}.type", "expected STRING, NUMBER, INTEGER, BOOLEAN, ARRAY, OBJECT or NULL")
    if seen.enum is not None:
        written["enum"] = [*seen.enum, None] if seen.nullable else seen.enum
    if seen.format not in (None, "enum"):
        written["format"] = seen.format
    if seen.ref is not None:
        written["$ref"] = seen.ref.replace("#/defs/", "#/$defs/")
    if given(seen.example):
        written["examples"] = [seen.example]
    return written


def _nested(seen: _Schema, where: str) -> dict[str, object]:
    """The fields that hold schemas."""
    written: dict[str, object] = {}
    if seen.properties is not None:
        first = {name: seen.properties[name] for name in seen.property_ordering or () if name in seen.properties}
        written["properties"] = _each(first | seen.properties, f"{where}.properties")
    if given(seen.items):
        written["items"] = json_schema(seen.items, f"{where}.items")
    if seen.prefix_items is not None:
        written["prefixItems"] = _all(seen.prefix_items, f"{where}.prefixItems")
    if seen.any_of is not None:
        nothing = [msgspec.Raw(b'{"type":"null"}')] if seen.nullable and seen.type is None else []
        written["anyOf"] = _all(seen.any_of, f"{where}.anyOf") + nothing
    if given(seen.additional_properties):
        other = seen.additional_properties
        closed = bytes(other) in (b"true", b"false")
        written["additionalProperties"] = other if closed else json_schema(other, f"{where}.additionalProperties")
    if seen.defs is not None:
        written["$defs"] = _each(seen.defs, f"{where}.defs")
    return written


def _each(schemas: Mapping[str, msgspec.Raw], where: str) -> dict[str, msgspec.Raw]:
    return {name: json_schema(one, f"{where}.{name}") for name, one in schemas.items()}


def _all(schemas: list[msgspec.Raw], where: str) -> list[msgspec.Raw]:
    return [json_schema(one, f"{where}[{place}]") for place, one in enumerate(schemas)]


def _wrong(where: str, why: str) -> NoReturn:
    raise InvalidRequest(f"Invalid schema for '{where}': {why}.", code="invalid_type", param=where) from None
