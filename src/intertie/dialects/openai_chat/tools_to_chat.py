"""Reads tools, and which of them is to be called.

A choice among some allowed tools only spares a cache: fewer tools say the same in every dialect.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias, TypeVar

import msgspec

from intertie.core.chat import Hosted, Tool, ToolChoice
from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import refuse
from intertie.dialects.openai_chat.messages import Markable, Name

Tools: TypeAlias = tuple[Tool | Hosted, ...]


ABSENT = msgspec.Raw()
"""Where a raw field was not given."""


class FunctionDefinition(Markable):
    """A function that the caller runs."""

    name: Name
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None

    @property
    def tool(self) -> Tool:
        """The tool that it is."""
        return Tool(
            name=self.name,
            description=self.description or "",
            schema=given(self.parameters),
            strict=self.strict,
            mark=self.mark,
        )


class NamedFunction(msgspec.Struct):
    """A function by its name."""

    name: Name


class _FunctionTool(Markable):
    function: FunctionDefinition


class _Grammar(msgspec.Struct):
    definition: str
    syntax: Literal["lark", "regex"]


class _GrammarFormat(msgspec.Struct, tag="grammar"):
    grammar: _Grammar


class _TextFormat(msgspec.Struct, tag="text"):
    pass


class _CustomDefinition(msgspec.Struct):
    name: Name
    description: str | None = None
    format: _GrammarFormat | _TextFormat | None = None


class _CustomTool(Markable):
    custom: _CustomDefinition


class _Kind(msgspec.Struct):
    type: str


class _FunctionChoice(msgspec.Struct, tag="function"):
    function: NamedFunction


class _CustomChoice(msgspec.Struct, tag="custom"):
    custom: NamedFunction


class _AllowedTools(msgspec.Struct):
    mode: Literal["auto", "required"]
    tools: list[msgspec.Raw]


class _AllowedChoice(msgspec.Struct, tag="allowed_tools"):
    allowed_tools: _AllowedTools


Chosen: TypeAlias = Literal["none", "auto", "required"] | _FunctionChoice | _CustomChoice | _AllowedChoice | None

_kind = msgspec.json.Decoder(_Kind)
_function_tool = msgspec.json.Decoder(_FunctionTool)
_custom_tool = msgspec.json.Decoder(_CustomTool)
_one_choice = msgspec.json.Decoder(_FunctionChoice | _CustomChoice)
_encode = msgspec.json.Encoder().encode
_T = TypeVar("_T")


def given(raw: msgspec.Raw) -> msgspec.Raw | None:
    """What was given for a field; null is nothing."""
    return None if bytes(raw) in (b"", b"null") else raw


def read_tools(told: Iterable[msgspec.Raw]) -> Tools:
    """The tools of a call; what the endpoint runs itself stays as it came. Raises InvalidRequest, naming the field."""
    return tuple(_tool(raw, f"tools[{index}]") for index, raw in enumerate(told))


def _tool(raw: msgspec.Raw, where: str) -> Tool | Hosted:
    kind = _decode(_kind, raw, where).type
    if kind == "function":
        told = _decode(_function_tool, raw, where)
        tool = told.function.tool
        return msgspec.structs.replace(tool, mark=told.mark) if told.mark else tool
    if kind != "custom":
        return Hosted("openai_chat", kind, raw)
    told = _decode(_custom_tool, raw, where)
    own, grammar = told.custom, None
    if isinstance(own.format, _GrammarFormat):
        grammar = msgspec.Raw(_encode({"type": "grammar"} | msgspec.structs.asdict(own.format.grammar)))
    return Tool(name=own.name, description=own.description or "", free=True, grammar=grammar, mark=told.mark)


def read_choice(chosen: Chosen, tools: Tools) -> tuple[Tools, ToolChoice | None]:
    """The tools that are left to choose from, and the choice. Raises InvalidRequest for a name that no tool has."""
    match chosen:
        case None:
            return tools, None
        case _FunctionChoice() | _CustomChoice():
            return tools, ToolChoice("named", (_name(chosen, _names(tools), "tool_choice"),))
        case _AllowedChoice(allowed):
            return _allowed(allowed, tools), ToolChoice(allowed.mode)
        case mode:
            return tools, ToolChoice(mode)


def _allowed(allowed: _AllowedTools, tools: Tools) -> Tools:
    known, left = _names(tools), set[str]()
    for index, raw in enumerate(allowed.tools):
        where = f"tool_choice.allowed_tools.tools[{index}]"
        left.add(_name(_decode(_one_choice, raw, where), known, where))
    return tuple(tool for tool in tools if isinstance(tool, Tool) and tool.name in left)


def _names(tools: Tools) -> set[tuple[str, bool]]:
    return {(tool.name, tool.free) for tool in tools if isinstance(tool, Tool)}


def _name(chosen: _FunctionChoice | _CustomChoice, known: set[tuple[str, bool]], where: str) -> str:
    free = isinstance(chosen, _CustomChoice)
    name = chosen.custom.name if isinstance(chosen, _CustomChoice) else chosen.function.name
    if (name, free) in known:
        return name
    raise no_such_tool(f"{where}.{'custom' if free else 'function'}.name")


def no_such_tool(field: str) -> InvalidRequest:
    """The fault of a choice that no tool has the name of."""
    return InvalidRequest(f"Invalid value for '{field}': there is no such tool.", code="invalid_value", param=field)


def _decode(decoder: msgspec.json.Decoder[_T], raw: msgspec.Raw, where: str) -> _T:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        refuse(error, where)
