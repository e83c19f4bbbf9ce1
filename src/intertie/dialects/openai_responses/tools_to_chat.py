"""Reads the tools of a call, and which of them the model may or must call. Groups of tools are taken apart."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from intertie.core.call import Fields
from intertie.core.chat import Hosted, Tool, ToolChoice
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_responses.decode import decode
from intertie.dialects.openai_responses.items import Id
from intertie.dialects.openai_responses.namespaces import joined

Tools = tuple[Tool | Hosted, ...]


class _Kind(msgspec.Struct):
    type: str


class _Function(msgspec.Struct, rename={"asynchronous": "async"}):
    name: Id
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    defer_loading: bool = False
    asynchronous: bool = False
    allowed_callers: list[str] | None = None


class _Grammar(msgspec.Struct, tag="grammar"):
    syntax: Literal["lark", "regex"]
    definition: str


class _FreeText(msgspec.Struct, tag="text"):
    pass


class _Custom(msgspec.Struct, rename={"asynchronous": "async"}):
    name: Id
    description: str | None = None
    format: _Grammar | _FreeText | None = None
    defer_loading: bool = False
    asynchronous: bool = False
    allowed_callers: list[str] | None = None


class _Namespace(msgspec.Struct):
    name: Id
    tools: list[msgspec.Raw]
    description: str = ""


class _Choice(msgspec.Struct):
    """A choice of one tool, or of some."""

    type: str
    name: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[msgspec.Raw] | None = None


class _Named(msgspec.Struct):
    type: str
    name: str = ""
    server_label: str = ""


_tools = msgspec.json.Decoder(list[msgspec.Raw])
_kind = msgspec.json.Decoder(_Kind)
_function = msgspec.json.Decoder(_Function)
_custom = msgspec.json.Decoder(_Custom)
_namespace = msgspec.json.Decoder(_Namespace)
_mode = msgspec.json.Decoder(Literal["none", "auto", "required"])
_choice = msgspec.json.Decoder(_Choice)
_named = msgspec.json.Decoder(_Named)
_encode = msgspec.json.Encoder().encode


def read_tools(raw: msgspec.Raw) -> tuple[Tools, Fields]:
    """The tools, and by their place what no other dialect can say of them. Raises InvalidRequest, naming the tool."""
    tools: list[Tool | Hosted] = []
    own: Fields = {}
    for index, item in enumerate(decode(_tools, raw, "tools")):
        where = f"tools[{index}]"
        kind = decode(_kind, item, where).type
        if kind in ("function", "custom"):
            tools.append(_tool(item, kind, where, own))
        elif kind == "namespace":
            tools += _members(decode(_namespace, item, where), where, own)
        else:
            tools.append(Hosted("openai_responses", kind, item))
    return tuple(tools), own


def _tool(item: msgspec.Raw, kind: str, where: str, own: Fields) -> Tool:
    if kind == "function":
        told = decode(_function, item, where)
        schema = schema_of(told.parameters, f"{where}.parameters")
        tool = Tool(name=told.name, description=told.description or "", schema=schema, strict=told.strict)
    else:
        told = decode(_custom, item, where)
        grammar = msgspec.Raw(_encode(told.format)) if isinstance(told.format, _Grammar) else None
        tool = Tool(name=told.name, description=told.description or "", free=True, grammar=grammar)
    own |= _unusual(told, where)
    return tool


def _members(group: _Namespace, where: str, own: Fields) -> Iterator[Tool]:
    """The tools of a group, each with what is said of the group."""
    for index, item in enumerate(group.tools):
        place = f"{where}.tools[{index}]"
        kind = decode(_kind, item, place).type
        if kind not in ("function", "custom"):
            message = f"Invalid value for '{place}.type': a namespace holds functions and custom tools."
            raise InvalidRequest(message, code="invalid_value", param=f"{place}.type")
        tool = _tool(item, kind, place, own)
        about = "\n\n".join(text for text in (group.description, tool.description) if text)
        yield msgspec.structs.replace(tool, name=joined(group.name, tool.name), description=about)


def schema_of(raw: msgspec.Raw, where: str) -> msgspec.Raw | None:
    """A schema as it came, None if there is none. Raises InvalidRequest if it is no object."""
    text = bytes(raw)
    if text in (b"", b"null"):
        return None
    if not text.startswith(b"{"):
        message = f"Invalid type for '{where}': expected an object."
        raise InvalidRequest(message, code="invalid_type", param=where)
    return raw


def _unusual(told: _Function | _Custom, where: str) -> Fields:
    own: Fields = {}
    if told.defer_loading:
        own[f"{where}.defer_loading"] = msgspec.Raw(b"true")
    if told.asynchronous:
        own[f"{where}.async"] = msgspec.Raw(b"true")
    if told.allowed_callers is not None and "direct" not in told.allowed_callers:
        own[f"{where}.allowed_callers"] = msgspec.Raw(_encode(told.allowed_callers))
    return own


def read_choice(raw: msgspec.Raw, tools: Tools) -> tuple[ToolChoice | None, Tools]:
    """The choice, and the tools that are left to it; None where it names a tool that the endpoint runs itself.

    `allowed_tools` only spares a cache: fewer tools say the same in every dialect. Raises InvalidRequest for a name
    that no tool has.
    """
    if bytes(raw).startswith(b'"'):
        return ToolChoice(decode(_mode, raw, "tool_choice")), tools
    choice = decode(_choice, raw, "tool_choice")
    if choice.type in ("function", "custom"):
        named = [tool for tool in tools if isinstance(tool, Tool) and tool.name == choice.name]
        if not named:
            raise _no_such_tool("tool_choice", choice.name or "")
        return ToolChoice("named", (named[0].name,)), tools
    if choice.type != "allowed_tools":
        return None, tools
    left: list[Tool | Hosted] = []
    for index, item in enumerate(choice.tools or []):
        where = f"tool_choice.tools[{index}]"
        wanted = decode(_named, item, where)
        found = [tool for tool in tools if _is(tool, wanted)]
        if not found:
            raise _no_such_tool(where, wanted.name or wanted.type)
        left.extend(tool for tool in found if tool not in left)
    return ToolChoice(choice.mode or "auto"), tuple(left)


def _is(tool: Tool | Hosted, wanted: _Named) -> bool:
    if isinstance(tool, Tool) and wanted.type == "namespace":
        return tool.name.startswith(joined(wanted.name, ""))
    if isinstance(tool, Tool):
        return tool.name == wanted.name and tool.free == (wanted.type == "custom")
    if tool.kind != wanted.type:
        return False
    return not wanted.server_label or _named.decode(tool.raw).server_label == wanted.server_label


def _no_such_tool(where: str, name: str) -> InvalidRequest:
    message = f"Invalid value for '{where}': no tool is named '{name[:256]}'."
    return InvalidRequest(message, code="invalid_value", param=where)
