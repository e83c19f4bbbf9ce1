"""A configuration of ours that is being put together, and the file it becomes."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import yaml

from intertie.adapters.migration.foreign import Left
from intertie.config.forms import NAME

Entry = dict[str, Any]

ELSEWHERE = "elsewhere"
"""The site of endpoints of which nobody said where they stand."""

_FIRST = ("id", "model", "upstream_model", "provider", "site", "url")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@+/:-]+")
_COMMENT_WIDTH = 110


class Draft:
    """Sections as they will be written. `settings` are by section and key."""

    def __init__(self) -> None:
        self.settings: dict[str, Entry] = {}
        self.endpoints: list[Entry] = []
        self.routes: list[Entry] = []
        self.limits: list[Entry] = []
        self.keys: list[Entry] = []
        self._ids: set[str] = set()

    def set(self, section: str, key: str, value: object) -> None:
        """A setting."""
        self.settings.setdefault(section, {})[key] = value

    def add(self, endpoint: Entry) -> None:
        """An endpoint; its `id` is made unique, and its empty values are left out."""
        ordered = {**{key: endpoint[key] for key in _FIRST if key in endpoint}, **endpoint}
        ordered["id"] = self._unique(str(endpoint["id"]))
        self.endpoints.append({key: value for key, value in ordered.items() if value not in (None, "", [], {})})

    def text(self, origin: str, left: Iterable[Left]) -> str:
        """The file. `origin` names what it was made from; what is left stands at its head."""
        parts = ["\n".join(_head(origin, left)), *(_mapping(name, each) for name, each in self.settings.items())]
        sites: list[Entry] = [{"id": ELSEWHERE}] if any(end.get("site") for end in self.endpoints) else []
        sections = {
            "sites": sites,
            "endpoints": self.endpoints,
            "routes": self.routes,
            "limits": self.limits,
            "keys": self.keys,
        }
        parts += [_list(name, entries) for name, entries in sections.items() if entries]
        return "\n\n".join(parts) + "\n"

    def _unique(self, wanted: str) -> str:
        name = _NOT_IN_NAMES.sub("-", wanted).lstrip("._@+/:-")[:120] or "endpoint"
        found, number = name, 1
        while found in self._ids:
            number += 1
            found = f"{name}-{number}"
        self._ids.add(found)
        return found


class Imported(msgspec.Struct, frozen=True):
    """A draft, and what was left out of it."""

    draft: Draft
    left: tuple[Left, ...]


def is_name(text: str) -> bool:
    """Whether a text may be the name of a model or a route."""
    try:
        return bool(NAME.parse(text))
    except ValueError:
        return False


def _head(origin: str, left: Iterable[Left]) -> Iterable[str]:
    yield f"# Made from {origin}. All keys: docs/reference/configuration.md; check with `intertie check`."
    told = list(left)
    if told:
        yield "#\n# Not carried over, or not quite as it was:"
    for each in told:
        words = f"{each.where} (line {each.line}): {each.why}" if each.line else f"{each.where}: {each.why}"
        yield from _comment(words)


def _comment(words: str) -> Iterable[str]:
    line = "# -"
    for word in "".join(char if char.isprintable() else " " for char in words).split():
        if len(line) + len(word) > _COMMENT_WIDTH and line.strip("# -"):
            yield line
            line = "#  "
        line += f" {word}"
    yield line


def _mapping(name: str, values: Entry) -> str:
    return f"{name}: {_flow(values)}"


def _list(name: str, entries: list[Entry]) -> str:
    return "\n".join([f"{name}:", *(f"  - {_flow(entry)}" for entry in entries)])


def _flow(value: Entry) -> str:
    text: str = yaml.safe_dump(
        msgspec.to_builtins(value), default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000
    )
    return text.rstrip("\n")
