"""What vendors demand of a JSON schema before they promise to keep to it.

OpenAI (platform.openai.com/docs/guides/structured-outputs): objects are closed, and all their fields required.
Anthropic (platform.claude.com/docs, Structured outputs), and Bedrock after it: objects are closed.
What cannot be read is left as it is: the endpoint says what is wrong with it.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from intertie.core.call import Fields
from intertie.core.chat import Chat, Hosted, Tool
from intertie.core.endpoint import Dialect

_OPENAIS: Final[frozenset[Dialect]] = frozenset({"openai_chat", "openai_responses", "azure_openai"})
_NAMED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "oneOf", "prefixItems")
_CLOSED: Final = msgspec.Raw(b"false")
_OPEN: Final = (b"", b"true")

_fields = msgspec.json.Decoder(Fields).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_names = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


def closed(schema: msgspec.Raw) -> msgspec.Raw:
    """The schema with every object closed that may have fields beside those it names; whatever fits it fitted before.

    Anthropic's own SDK does the same. Objects that say what their other fields are stay as they are.
    """
    try:
        return _close(schema)
    except msgspec.DecodeError:
        return schema


def strict_where_it_fits(chat: Chat) -> Chat:
    """The chat as OpenAI takes it: schemas that other callers want kept to are strict only if OpenAI takes them so.

    The others are still given, and mostly kept to. OpenAI's own callers read OpenAI's own complaint.
    """
    if chat.origin in _OPENAIS:
        return chat
    form, tools = chat.form, chat.tools
    if form is not None and form.strict and form.schema is not None and not is_strict(form.schema):
        form = msgspec.structs.replace(form, strict=False)
    if any(_is_too_strict(tool) for tool in tools):
        tools = tuple(msgspec.structs.replace(one, strict=False) if _is_too_strict(one) else one for one in tools)
    return msgspec.structs.replace(chat, form=form, tools=tools)


def _is_too_strict(tool: Tool | Hosted) -> bool:
    return isinstance(tool, Tool) and bool(tool.strict) and tool.schema is not None and not is_strict(tool.schema)


def is_strict(schema: msgspec.Raw) -> bool:
    """Whether OpenAI takes it for a strict one."""
    try:
        return all(_is_strict(one) for one in _objects(schema))
    except msgspec.DecodeError:
        return False


def _close(schema: msgspec.Raw) -> msgspec.Raw:
    if bytes(schema)[:1] != b"{":
        return schema
    top = _fields(schema)
    for name in _NAMED:
        if name in top:
            top[name] = msgspec.Raw(_encode({key: _close(inner) for key, inner in _fields(top[name]).items()}))
    for name in _LISTED:
        if name in top:
            top[name] = msgspec.Raw(_encode([_close(inner) for inner in _list(top[name])]))
    if "items" in top:
        top["items"] = _close(top["items"])
    if _is_object(top) and bytes(top.get("additionalProperties", b"")) in _OPEN:
        top["additionalProperties"] = _CLOSED
    return msgspec.Raw(_encode(top))


def _objects(schema: msgspec.Raw) -> Iterator[Fields]:
    """All objects within a schema."""
    if bytes(schema)[:1] != b"{":
        return
    top = _fields(schema)
    if _is_object(top):
        yield top
    inner = [one for name in _NAMED if name in top for one in _fields(top[name]).values()]
    inner += [one for name in (*_LISTED, "allOf") if name in top for one in _list(top[name])]
    for one in (*inner, top.get("items", msgspec.Raw())):
        yield from _objects(one)


def _is_object(top: Fields) -> bool:
    return b'"object"' in bytes(top.get("type", b"")) or ("properties" in top and "type" not in top)


def _is_strict(top: Fields) -> bool:
    named = _fields(top["properties"]).keys() if "properties" in top else ()
    required = _names(top["required"]) if "required" in top else []
    return bytes(top.get("additionalProperties", b"")) == b"false" and set(named) <= set(required)
