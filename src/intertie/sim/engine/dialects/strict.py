"""What vendors demand of a schema before they promise to keep to it.

OpenAI (platform.openai.com/docs/guides/structured-outputs): objects are closed and all their fields required.
Anthropic (platform.claude.com/docs, Structured outputs) and Bedrock after it: objects are closed.
"""

from collections.abc import Callable, Iterator

from intertie.sim.engine.schema import Schema

Say = Callable[[str], object]


def check_strict(schema: Schema, name: str, say: Say) -> None:
    """Say what is wrong by OpenAI's rules."""
    for one in _objects(schema):
        if one.additional_properties is not False:
            say(f"Invalid schema for {name}: 'additionalProperties' is required to be supplied and to be false.")
        if missing := [field for field in one.properties or {} if field not in one.required]:
            say(f"Invalid schema for {name}: 'required' is required to be supplied and to be an array including every "
                f"key in properties. Missing '{missing[0]}'.")  # fmt: skip


def check_closed(schema: Schema, say: Say) -> None:
    """Say what is wrong by Anthropic's rules."""
    for one in _objects(schema):
        if one.additional_properties is not False:
            say("For 'object' type, 'additionalProperties' must be explicitly set to false")


def _objects(schema: Schema) -> Iterator[Schema]:
    """All objects in a schema."""
    if schema.kind == "object":
        yield schema
    inner = [
        *(schema.properties or {}).values(),
        *schema.prefix_items,
        *schema.any_of,
        *schema.one_of,
        *schema.all_of,
        *schema.defs.values(),
        *schema.definitions.values(),
    ]
    for one in [*inner, schema.items]:
        if isinstance(one, Schema):
            yield from _objects(one)
