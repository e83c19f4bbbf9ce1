"""A JSON value that is valid for a JSON schema: what a simulated model answers when its output is constrained.

Knows the subset that structured outputs allow (https://platform.openai.com/docs/guides/structured-outputs): types,
`enum`, `const`, `anyOf`/`oneOf`/`allOf`, `$ref` into the schema's definitions, bounds of numbers, strings and arrays,
and the common string formats. `pattern` and `not` are not obeyed.
"""

import math
import random
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from intertie.sim.engine.text import prose

Json: TypeAlias = msgspec.Raw | str | float | bool | list["Json"] | dict[str, "Json"] | None

_DEEP = 3  # from here on, whatever may be left out is left out, so that recursive schemas end
_DEEPEST, _MOST = 32, 5_000  # levels and values; a schema that goes on here has no finite value, or none of use
_REFERENCES = 8  # in a row
_ABSENT = msgspec.Raw()
_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}


class Schema(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a JSON schema that decides what is drawn; unknown keywords are ignored."""

    type: str | list[str] | None = None
    properties: dict[str, "Schema | bool"] | None = None
    required: list[str] = []
    additional_properties: "Schema | bool | None" = None
    items: "Schema | bool | None" = None
    prefix_items: list["Schema | bool"] = []
    min_items: int = 0
    max_items: int | None = None
    min_length: int = 0
    max_length: int | None = None
    format: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    multiple_of: float | None = None
    enum: list[msgspec.Raw] | None = None
    const: msgspec.Raw = _ABSENT
    any_of: list["Schema"] = []
    one_of: list["Schema"] = []
    all_of: list["Schema"] = []
    reference: str | None = msgspec.field(default=None, name="$ref")
    defs: dict[str, "Schema"] = msgspec.field(default_factory=dict[str, "Schema"], name="$defs")
    definitions: dict[str, "Schema"] = {}

    @property
    def kind(self) -> str:
        """The type to draw: the first that is not null, or what the other keywords suggest."""
        named = [self.type] if isinstance(self.type, str) else self.type or []
        if named:
            return next((each for each in named if each != "null"), "null")
        bounded = (self.minimum, self.maximum, self.exclusive_minimum, self.exclusive_maximum) != (None,) * 4
        if self.properties is not None:
            return "object"
        return "array" if self.items is not None else "number" if bounded else "string"


def json_for(schema: Schema, lots: random.Random) -> str:
    """A JSON text that is valid for the schema."""
    return msgspec.json.encode(_Generator(schema, lots).value(schema, 0)).decode()


class _Generator:
    """Draws one value; references lead into the definitions of `root`."""

    def __init__(self, root: Schema, lots: random.Random) -> None:
        self._root, self._lots, self._left = root, lots, _MOST
        self._kinds: dict[str, Callable[[Schema, int], Json]] = {
            "object": self._object,
            "array": self._array,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda schema, depth: lots.random() < 0.5,
            "null": lambda schema, depth: None,
        }

    def value(self, schema: Schema | bool | None, depth: int) -> Json:
        """A value for any schema; one that says nothing gets a string."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        schema = self._resolve(schema if isinstance(schema, Schema) else Schema(), depth)
        if bytes(schema.const):
            return schema.const
        if schema.enum:
            return self._lots.choice(schema.enum)
        return self._kinds.get(schema.kind, self._string)(schema, depth)

    def _resolve(self, schema: Schema, depth: int) -> Schema:
        """Follow references and choose among alternatives until the schema speaks for itself."""
        for _ in range(_REFERENCES):
            if schema.reference is not None:
                schema = _joined(msgspec.structs.replace(schema, reference=None), self._target(schema.reference))
            elif alternatives := schema.any_of or schema.one_of:
                rest = msgspec.structs.replace(schema, any_of=[], one_of=[])
                schema = _joined(rest, _pick(alternatives, depth))
            elif parts := schema.all_of:
                schema = msgspec.structs.replace(schema, all_of=[])
                for part in parts:
                    schema = _joined(schema, self._resolve(part, depth))
            else:
                break
        return schema

    def _target(self, reference: str) -> Schema:
        name = reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        known = {**self._root.definitions, **self._root.defs}
        return self._root if reference == "#" else known.get(name, Schema())

    def _object(self, schema: Schema, depth: int) -> Json:
        if schema.properties is None:
            return {} if depth else {"simulated": prose(self._lots, 8)}
        wanted = [name for name in schema.properties if depth < _DEEP or name in schema.required]
        return {name: self.value(schema.properties[name], depth + 1) for name in wanted}

    def _array(self, schema: Schema, depth: int) -> Json:
        drawn = 0 if depth >= _DEEP else self._lots.randint(1, 2)
        count = max(schema.min_items, drawn if schema.max_items is None else min(drawn, schema.max_items))
        fixed = schema.prefix_items[:count]
        items = [*fixed, *[schema.items] * (count - len(fixed))]
        return [self.value(item, depth + 1) for item in items]

    def _string(self, schema: Schema, depth: int) -> Json:
        if schema.format in _FORMATS:
            return _FORMATS[schema.format]
        return prose(self._lots, max(6, math.ceil(schema.min_length / 4)))[: schema.max_length]

    def _integer(self, schema: Schema, depth: int) -> Json:
        low, high = _bounds(schema, nudge=1)
        step = int(schema.multiple_of or 1) or 1
        first, last = math.ceil(low / step), math.floor(high / step)
        return self._lots.randint(first, max(first, last)) * step

    def _number(self, schema: Schema, depth: int) -> Json:
        low, high = _bounds(schema, nudge=1e-3)
        if schema.multiple_of:
            return math.ceil(low / schema.multiple_of) * schema.multiple_of
        return low + (high - low) * round(self._lots.uniform(0.25, 0.75), 3)


def _pick(alternatives: list[Schema], depth: int) -> Schema:
    """The first that is not null; deep inside, null where it is allowed, so that recursion ends."""
    nulls = [each for each in alternatives if each.kind == "null"]
    others = [each for each in alternatives if each.kind != "null"]
    return nulls[0] if nulls and (depth >= _DEEP or not others) else others[0]


def _joined(first: Schema, second: Schema) -> Schema:
    """Both schemas at once, as far as it takes: properties and required are joined, else what the second says wins."""
    said = {
        name: getattr(second, name)
        for name in Schema.__struct_fields__
        if getattr(second, name) != getattr(_SILENT, name)
    }
    if first.properties and second.properties:
        said["properties"] = {**first.properties, **second.properties}
    said["required"] = [*first.required, *second.required]
    return msgspec.structs.replace(first, **said)


def _bounds(schema: Schema, nudge: float) -> tuple[float, float]:
    """The closed interval of a number, 100 wide where a side is open; `nudge` steps inside an excluded end."""
    lows = [schema.minimum, None if schema.exclusive_minimum is None else schema.exclusive_minimum + nudge]
    highs = [schema.maximum, None if schema.exclusive_maximum is None else schema.exclusive_maximum - nudge]
    low = max((each for each in lows if each is not None), default=None)
    high = min((each for each in highs if each is not None), default=None)
    if low is None:
        low = 0.0 if high is None or high > 0 else high - 100
    return low, max(low, low + 100 if high is None else high)


_SILENT = Schema()
