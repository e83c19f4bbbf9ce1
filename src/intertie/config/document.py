"""`intertie.yaml` from disk to `Document`: includes, sections, settings, and all that is wrong with them at once."""

from collections.abc import Mapping as Environment
from pathlib import Path
from typing import Any

from intertie.config.fields import fields_of, nearest, unfold
from intertie.config.reader import INVALID, NO_SECRETS, Reader
from intertie.config.settings import SETTINGS, Setting, Settings, load
from intertie.config.tree import MAX_BYTES, Mapping, Node, Place, Scalar, Sequence, parse
from intertie.config.wishes import Document, Sections
from intertie.core.faults import ConfigFault, ConfigFaults

_MAX_FILES = 64


def load_document(path: Path, environ: Environment[str, str], kept: Environment[str, str] = NO_SECRETS) -> Document:
    """Read a configuration and everything it includes. Raises ConfigFaults with every problem, in reading order.

    `kept` are the secrets that are kept elsewhere, by their references; one that is missing there stands for itself.
    """
    faults: list[ConfigFault] = []
    reader = Reader(environ, faults, kept)
    files = _Files(reader, faults)
    whole = files.read(path, Place())
    document = _Parts(reader, faults, environ).document(whole or Mapping(Place(), {}, {}, 0), files.names)
    if faults:
        order = {name: index for index, name in enumerate(files.names)}
        raise ConfigFaults(tuple(sorted(faults, key=lambda fault: (order.get(fault.file, 0), fault.line))))
    return document


def configured(
    flags: Environment[str, object], environ: Environment[str, str], kept: Environment[str, str] = NO_SECRETS
) -> tuple[Settings, Document]:
    """Settings and document, the file being the one that flags and environment name. Raises ConfigFaults."""
    document = load_document(Path(load(flags, environ).config), environ, kept)
    return load(flags, environ, document), document


class _Files:
    """Reads a file and its includes into one tree: lists are joined, mappings united, nothing is overridden."""

    def __init__(self, reader: Reader, faults: list[ConfigFault]) -> None:
        self.names: list[str] = []
        self._reader, self._faults = reader, faults
        self._open: list[Path] = []

    def read(self, path: Path, asked: Place) -> Mapping | None:
        root = self._load(path, asked)
        if root is None:
            return None
        if not isinstance(root, Mapping):
            self._faults.append(root.place.fault(f"expected sections such as sites: and endpoints:, found {root.kind}"))
            return None
        self._open.append(path.resolve())
        whole = Mapping(root.place, dict(root.entries), dict(root.marks), root.size)
        listed = whole.entries.pop("include", None)
        for name in self._includes(listed):
            included = self._include(path, name)
            if included is not None:
                self._unite(whole, included, "")
        self._open.pop()
        return whole

    def _include(self, path: Path, name: Scalar) -> Mapping | None:
        text = self._reader.text(name, "include")
        if text is None:
            return None
        target = path.parent / text
        if target.resolve() in self._open:
            self._faults.append(name.place.fault(f"{text} includes itself", "remove one of the includes of the circle"))
            return None
        if len(self.names) >= _MAX_FILES:
            self._faults.append(name.place.fault(f"more than {_MAX_FILES} files"))
            return None
        return self.read(target, name.place)

    def _includes(self, node: Node | None) -> list[Scalar]:
        if node is None:
            return []
        items = node.items if isinstance(node, Sequence) else (node,)
        for item in items:
            if not isinstance(item, Scalar):
                self._faults.append(item.place.fault(f"include: expected the name of a file, found {item.kind}"))
        return [item for item in items if isinstance(item, Scalar)]

    def _load(self, path: Path, asked: Place) -> Node | None:
        self.names.append(str(path))
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            hint = "" if asked.file else "name another file (serve: --config), or run `intertie demo`"
            fault = f"{path} cannot be read: {error.strerror}"
            self._faults.append(asked.fault(fault, hint))
            return None
        if len(data) > MAX_BYTES:
            self._faults.append(ConfigFault(f"larger than {MAX_BYTES >> 20} MiB", file=str(path)))
            return None
        return parse(data, str(path), self._faults)

    def _unite(self, whole: Mapping, other: Mapping, path: str) -> None:
        for key, node in other.entries.items():
            mine = whole.entries.get(key)
            if mine is None:
                whole.entries[key], whole.marks[key] = node, other.marks[key]
            elif isinstance(mine, Sequence) and isinstance(node, Sequence):
                whole.entries[key] = Sequence(mine.place, mine.items + node.items, mine.size + node.size)
            elif isinstance(mine, Mapping) and isinstance(node, Mapping):
                united = Mapping(mine.place, dict(mine.entries), dict(mine.marks), mine.size + node.size)
                self._unite(united, node, f"{path}{key}.")
                whole.entries[key] = united
            else:
                first = whole.marks[key]
                said = f"first in {first.file}:{first.line}"
                self._faults.append(other.marks[key].fault(f"{path}{key} is given twice", said))


class _Parts:
    """Reads the sections of the united tree."""

    def __init__(self, reader: Reader, faults: list[ConfigFault], environ: Environment[str, str]) -> None:
        self._reader, self._faults, self._environ = reader, faults, environ
        self._sections = {name: unfold(field.type)[0] for name, field in fields_of(Sections).items()}
        self._marks: dict[str, Place] = {}
        self._settings: dict[str, dict[str, Setting]] = {}
        for setting in SETTINGS:
            if setting.section:
                self._settings.setdefault(setting.section, {})[setting.name.rpartition(".")[2]] = setting

    def document(self, whole: Mapping, files: list[str]) -> Document:
        lists: dict[str, Any] = {}
        settings: dict[str, object] = {}
        known = [*self._sections, *self._settings, "include"]
        for key, node in whole.entries.items():
            if key.startswith("x-") or (isinstance(node, Scalar) and node.empty):
                continue  # x- sections are the author's own: a place for anchors
            if key in self._sections:
                lists[key] = self._reader.entries(self._sections[key].__args__[0], node, key)
            elif key in self._settings:
                settings.update(self._values(key, node))
            else:
                self._faults.append(whole.marks[key].fault(f"unknown section {key!r}", nearest(key, known)))
        read = (*files, *self._reader.secret_files)
        return Document(
            **lists,
            settings=settings,
            marks=self._marks,
            files=read,
            environ=self._environ,
            references=self._reader.references,
        )

    def _values(self, section: str, node: Node) -> dict[str, object]:
        if not isinstance(node, Mapping):
            self._faults.append(node.place.fault(f"{section}: expected a mapping of settings, found {node.kind}"))
            return {}
        known = self._settings[section]
        values: dict[str, object] = {}
        for key, item in node.entries.items():
            if key not in known:
                hint = nearest(key, list(known))
                self._faults.append(node.marks[key].fault(f"unknown key {key!r} in {section}", hint))
            elif not (isinstance(item, Scalar) and item.empty):
                value = self._reader.field(known[key].field, item, f"{section}.{key}")
                if value in self._reader.references:
                    hint = "use env:NAME or file:PATH"
                    self._faults.append(
                        item.place.fault(f"{section}.{key}: settings are read before other hosts", hint)
                    )
                elif value is not INVALID:
                    values[known[key].name] = value
                    self._marks[known[key].name] = node.marks[key]
        return values
