"""Reads Gemini's own `Schema`, a subset of OpenAPI 3.0: types in capitals, `nullable` beside them."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw

from intertie.sim.engine.reading import Path, read
from intertie.sim.engine.schema import Schema

_Count = Annotated[int, Meta(ge=0)]


class _OpenApi(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    type: Literal["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"] | None = None
    format: str | None = None
    title: str | None = None
    description: str | None = None
    nullable: bool = False
    enum: list[str] | None = None
    items: "_OpenApi | None" = None
    min_items: _Count = 0
    max_items: _Count | None = None
    properties: dict[str, "_OpenApi"] | None = None
    property_ordering: list[str] = []
    required: list[str] = []
    min_length: _Count = 0
    max_length: _Count | None = None
    min_properties: _Count | None = None
    max_properties: _Count | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    any_of: list["_OpenApi"] = []
    example: Raw = Raw(b"null")
    default: Raw = Raw(b"null")


_decoder: Final = msgspec.json.Decoder(_OpenApi, strict=False)
_encode = msgspec.json.Encoder().encode


def to_schema(raw: Raw, where: Path) -> Schema:
    """The schema, as the engine draws from it. Raises Complaint."""
    return _converted(read(_decoder, raw, where))


def _converted(told: _OpenApi) -> Schema:
    kind = None if told.type in (None, "TYPE_UNSPECIFIED") else told.type.lower()
    return Schema(
        type=kind,
        properties=None
        if told.properties is None
        else {name: _converted(one) for name, one in told.properties.items()},
        required=told.required,
        items=None if told.items is None else _converted(told.items),
        min_items=told.min_items,
        max_items=told.max_items,
        min_length=told.min_length,
        max_length=told.max_length,
        format=told.format,
        minimum=told.minimum,
        maximum=told.maximum,
        enum=None if told.enum is None else [Raw(_encode(value)) for value in told.enum],
        any_of=[_converted(one) for one in told.any_of],
    )
