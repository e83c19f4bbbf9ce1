"""YAML text as a tree in which every key and value knows its file and line.

Built from libyaml's events, not from its composer (which overflows the C stack on deep nesting). A scalar stays text:
what it means is the business of the field that reads it, so `NO` is Norway where a country is expected and false
where a switch is. Depth, number of nodes after aliases, and the size of a file are bounded.
"""

import msgspec
from yaml import CSafeLoader, YAMLError
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from intertie.core.faults import ConfigFault

MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 32
_MAX_NODES = 500_000


class Place(msgspec.Struct, frozen=True):
    """Where something was written: a file and a line, counted from 1."""

    file: str = ""
    line: int = 0

    def fault(self, message: str, hint: str = "") -> ConfigFault:
        """A fault that points here."""
        return ConfigFault(message, file=self.file, line=self.line, hint=hint)


class Scalar(msgspec.Struct, frozen=True):
    """A single value as it was written; `plain` if without quotes."""

    place: Place
    text: str
    plain: bool = True
    kind = "a single value"
    size = 1

    @property
    def empty(self) -> bool:
        """Whether it says that nothing is set: `key:`, `null` or `~`."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence(msgspec.Struct, frozen=True):
    """A list; `size` counts the nodes below, aliases expanded."""

    place: Place
    items: "tuple[Node, ...]"
    size: int
    kind = "a list"


class Mapping(msgspec.Struct, frozen=True):
    """Keys and values; `marks` says where each key stands."""

    place: Place
    entries: "dict[str, Node]"
    marks: dict[str, Place]
    size: int
    kind = "a mapping"


Node = Scalar | Sequence | Mapping


def parse(data: bytes, file: str, faults: list[ConfigFault]) -> Node | None:
    """The tree of one YAML document, or None if there is nothing in it.

    Duplicate keys are added to `faults`; what makes the rest unreadable (bad syntax, bad encoding, too deep, too much)
    is added too, and ends the reading.
    """
    builder = _Builder(file, faults)
    try:
        text = data.decode("utf-8-sig")
        loader = CSafeLoader(text)
        try:
            while (event := loader.get_event()) is not None:
                builder.take(event)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        faults.append(ConfigFault("this is not UTF-8 text", file=file, line=line))
        return None
    except YAMLError as error:
        faults.append(_syntax(error, file))
        return None
    except ConfigFault as fault:
        faults.append(fault)
        return None
    return builder.root


def _syntax(error: YAMLError, file: str) -> ConfigFault:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return ConfigFault(f"not valid YAML: {what}", file=file, line=mark.line + 1 if mark else 0)
    return ConfigFault(f"not valid YAML: {' '.join(str(error).split())}", file=file)


class _Open:
    """A collection whose end has not come yet."""

    def __init__(self, place: Place, anchor: str | None, mapping: bool) -> None:
        self.place, self.anchor, self.mapping = place, anchor, mapping
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.marks: dict[str, Place] = {}
        self.merged: list[Mapping] = []
        self.key: Scalar | None = None
        self.size = 1


class _Builder:
    """Events in, one tree out. Raises ConfigFault where reading on makes no sense."""

    def __init__(self, file: str, faults: list[ConfigFault]) -> None:
        self.root: Node | None = None
        self._file, self._faults = file, faults
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: Event) -> None:
        place = Place(self._file, event.start_mark.line + 1)
        if isinstance(event, NodeEvent):
            self._node(event, place)
        elif isinstance(event, CollectionEndEvent):
            self._close()
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise place.fault("a second YAML document begins here", "one file holds one document: use include:")

    def _node(self, event: NodeEvent, place: Place) -> None:
        if isinstance(event, ScalarEvent):
            self._finish(Scalar(place, str(event.value), plain=event.implicit[0]), event.anchor)
        elif isinstance(event, AliasEvent):
            self._finish(self._alias(str(event.anchor), place), None)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            if len(self._stack) >= _MAX_DEPTH:
                raise place.fault(f"nested more than {_MAX_DEPTH} levels deep")
            self._stack.append(_Open(place, event.anchor, isinstance(event, MappingStartEvent)))

    def _alias(self, name: str, place: Place) -> Node:
        node = self._anchors.get(name)
        if node is None:
            raise place.fault(f"*{name} is not defined before this line")
        return node

    def _close(self) -> None:
        done = self._stack.pop()
        if not done.mapping:
            self._finish(Sequence(done.place, tuple(done.items), done.size), done.anchor)
            return
        for other in done.merged:
            for key, node in other.entries.items():
                if done.entries.setdefault(key, node) is node:
                    done.marks.setdefault(key, other.marks[key])
        self._finish(Mapping(done.place, done.entries, done.marks, done.size), done.anchor)

    def _finish(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = None if isinstance(node, Scalar) and node.empty else node
            return
        parent = self._stack[-1]
        parent.size += node.size
        if parent.size > _MAX_NODES:
            raise parent.place.fault(f"more than {_MAX_NODES} values once its aliases are expanded")
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            self._key(parent, node)
        else:
            self._value(parent, parent.key, node)
            parent.key = None

    def _key(self, parent: _Open, node: Node) -> None:
        if not isinstance(node, Scalar):
            raise node.place.fault(f"a key must be a single value, this is {node.kind}")
        parent.key = node

    def _value(self, parent: _Open, key: Scalar, node: Node) -> None:
        if key.plain and key.text == "<<":
            self._merge(parent, node)
        elif key.text in parent.entries:
            first = parent.marks[key.text].line
            self._faults.append(key.place.fault(f"{key.text!r} is given twice", f"first on line {first}"))
        else:
            parent.entries[key.text] = node
            parent.marks[key.text] = key.place

    def _merge(self, parent: _Open, node: Node) -> None:
        for other in node.items if isinstance(node, Sequence) else (node,):
            if not isinstance(other, Mapping):
                raise other.place.fault(f"<< merges mappings, this is {other.kind}")
            parent.merged.append(other)
