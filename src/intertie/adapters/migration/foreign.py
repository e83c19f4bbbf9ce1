"""Reading somebody else's file: every key is either taken or told of."""

import re
from collections.abc import Mapping as Reasons
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from intertie.config.tree import Mapping, Node, Place, Scalar, Sequence, parse
from intertie.core.faults import ConfigFault, ConfigFaults

NO_COUNTERPART = "there is no counterpart"
_ELSEWHERE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_SHOWN = 60


class Left(msgspec.Struct, frozen=True):
    """What was not carried over, or not as it was: `where` in the foreign file, its line, and why."""

    where: str
    line: int
    why: str


class Notes:
    """Collects what is left, in the order of its lines."""

    def __init__(self) -> None:
        self._left: dict[Left, None] = {}

    @property
    def left(self) -> tuple[Left, ...]:
        """All that was told, once each."""
        return tuple(sorted(self._left, key=lambda left: left.line))

    def say(self, where: str, line: int, why: str) -> None:
        """Note something."""
        self._left[Left(where, line, why)] = None


class Section:
    """A mapping of the foreign file. `rest` tells of every key that was not taken."""

    def __init__(self, node: Node | None, where: str, notes: Notes) -> None:
        self.where, self.notes = where, notes
        self.line = node.place.line if node is not None else 0
        self._entries: dict[str, Node] = {}
        self._marks: dict[str, Place] = {}
        if isinstance(node, Mapping):
            self._entries, self._marks = dict(node.entries), node.marks
        elif node is not None and not (isinstance(node, Scalar) and node.empty):
            notes.say(where, node.place.line, f"expected keys and values, found {node.kind}")

    def __bool__(self) -> bool:
        return bool(self._entries)

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.where}.{key}" if self.where else key

    def take(self, key: str) -> Node | None:
        """The value of a key, None if it is not there or empty; from now on it is taken."""
        node = self._entries.pop(key, None)
        return None if isinstance(node, Scalar) and node.empty else node

    def text(self, key: str) -> str:
        """A single value, "" if there is none."""
        node = self.take(key)
        if node is None or isinstance(node, Scalar):
            return node.text if node else ""
        self.say(key, f"expected a single value, found {node.kind}")
        return ""

    def text_of(self, key: str) -> str:
        """A single value that stays there for others to take."""
        node = self._entries.get(key)
        return node.text if isinstance(node, Scalar) and not node.empty else ""

    def number(self, key: str) -> Decimal | None:
        """A number from 0 up, None if there is none."""
        text = self.text(key)
        try:
            number = Decimal(text) if text else None
        except InvalidOperation:
            number = Decimal(-1)
        if number is not None and not (number.is_finite() and 0 <= number < 10**15):
            self.say(key, f"{text[:_SHOWN]!r} is no number that could be used")
            return None
        return number

    def count(self, key: str) -> int | None:
        """A whole number from 1 up, None if there is none."""
        number = self.number(key)
        if number is not None and (number < 1 or number != int(number)):
            self.say(key, f"{number} is no whole number of at least 1")
            return None
        return None if number is None else int(number)

    def truth(self, key: str) -> bool:
        """Whether a switch is on."""
        return self.text(key).lower() in ("true", "yes", "on", "1")

    def section(self, key: str) -> "Section":
        """A mapping under a key; empty if there is none."""
        return Section(self.take(key), self.at(key), self.notes)

    def items(self, key: str) -> list[tuple[str, Node]]:
        """The entries of a list under a key with their paths; one value alone is a list of itself."""
        node = self.take(key)
        if node is None:
            return []
        items = node.items if isinstance(node, Sequence) else (node,)
        return [(f"{self.at(key)}[{index}]", item) for index, item in enumerate(items)]

    def entries(self) -> list[str]:
        """The keys that were not taken yet."""
        return list(self._entries)

    def say(self, key: str, why: str) -> None:
        """Tell of a key."""
        place = self._marks.get(key)
        self.notes.say(self.at(key), place.line if place else self.line, why)

    def leave(self, key: str, why: str) -> None:
        """Take a key that has no counterpart, and tell of it if it is there."""
        if self.take(key) is not None:
            self.say(key, why)

    def rest(self, reasons: Reasons[str, str] | None = None) -> None:
        """Tell of all that was not taken, each with its reason if there is one."""
        for key in self.entries():
            self.leave(key, (reasons or {}).get(key, NO_COUNTERPART))


def names_in(where: str, node: Node | None, notes: Notes) -> list[str]:
    """A list of names, or one alone; what is no name is told of."""
    items = node.items if isinstance(node, Sequence) else () if node is None else (node,)
    for item in items:
        if not isinstance(item, Scalar):
            notes.say(where, item.place.line, f"expected a name, found {item.kind}")
    return [item.text for item in items if isinstance(item, Scalar) and not item.empty]


def read(data: bytes, file: Path, notes: Notes) -> Section:
    """The top of a foreign file, YAML or JSON. Raises ConfigFaults if it cannot be read as either."""
    faults: list[ConfigFault] = []
    root = parse(_without_pairs(data), str(file), faults)
    if faults:
        raise ConfigFaults(tuple(faults))
    if not isinstance(root, Mapping):
        raise ConfigFault("there are no sections", file=str(file))
    return Section(root, "", notes)


def _without_pairs(data: bytes) -> bytes:
    """JSON may write one character as two escapes (`\\ud83d\\ude00`), which YAML does not know."""
    if b"\\ud" not in data.lower():
        return data
    try:
        return msgspec.json.format(msgspec.json.encode(msgspec.json.decode(data)), indent=2)
    except msgspec.DecodeError:
        return data


def literal(text: str) -> str:
    """A text as it must stand in our file to mean itself."""
    return text.replace("${", "$${")


SECRETS_SHOWN = "secrets stand in the written file: better move them into the environment and write env:NAME"


class Variables:
    """Values that a file takes from the environment (`os.environ/NAME`), and those that it sets itself.

    `used` are the names that were asked for; `shown` tells that a secret was written out.
    """

    def __init__(self, own: Reasons[str, str]) -> None:
        self._own = own
        self.used: set[str] = set()
        self.shown = False

    def plain(self, text: str) -> str:
        """A value as our file says it: `${NAME}`, or the text itself."""
        match = _ELSEWHERE.fullmatch(text)
        if match is None:
            return literal(text)
        own = self._value(match[1])
        return "${" + match[1] + "}" if own is None else literal(own)

    def secret(self, text: str) -> str:
        """A secret as our file says it: `env:NAME`, or the secret itself."""
        match = _ELSEWHERE.fullmatch(text)
        own = text if match is None else self._value(match[1])
        if match is not None and own is None:
            return f"env:{match[1]}"
        self.shown = True
        return literal(own or "")

    def _value(self, name: str) -> str | None:
        self.used.add(name)
        return self._own.get(name)
