"""Tools in groups: no other dialect has them, so a tool is named for its group and itself, `crm__find`.

Callers get its calls back by both names; agents (Codex) bring their own tools in groups.
"""

from typing import Final, NamedTuple

import msgspec

from intertie.core.call import Fields

_JOINT: Final = "__"


class _Member(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    type: str = ""
    name: str = ""
    tools: list[_Member] = []


_groups = msgspec.json.Decoder(list[_Group]).decode


class Grouped(NamedTuple):
    """A tool's own name, and its group's: "" for none."""

    name: str
    namespace: str = ""


def joined(namespace: str | None, name: str) -> str:
    """The name of a tool of a group where there are no groups: letters, `_` and `-` are what every dialect takes."""
    return f"{namespace}{'' if namespace.endswith(_JOINT) else _JOINT}{name}" if namespace else name


def grouped(fields: Fields) -> dict[str, Grouped]:
    """The tools of a call's groups by their joined names; the call was read before."""
    if b'"namespace"' not in bytes(raw := fields.get("tools", msgspec.Raw())):
        return {}
    groups = [group for group in _groups(raw) if group.type == "namespace"]
    return {joined(group.name, tool.name): Grouped(tool.name, group.name) for group in groups for tool in group.tools}
