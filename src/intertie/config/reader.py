"""From tree to structs, led by their fields: every problem is a fault with file and line, and none hides the next."""

import re
from collections.abc import Mapping as Environment
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from intertie.config.fields import Field, fields_of, nearest, unfold
from intertie.config.forms import Form
from intertie.config.references import expand, kept_elsewhere, secret
from intertie.config.tree import Mapping, Node, Place, Scalar, Sequence
from intertie.core.faults import ConfigFault

S = TypeVar("S", bound=msgspec.Struct)

INVALID: Any = object()
NO_SECRETS: Environment[str, str] = MappingProxyType({})
_SHOWN = 60
_USER = re.compile(r"//[^/\s]*@")
"""Name and password in a URL, which are nobody's to see."""


class Reader:
    """Reads nodes as values. What cannot be read is `INVALID`, and `faults` says why.

    `kept` are the secrets that are kept elsewhere, as far as they are known, by their references; one that is not
    stands for itself. `references` are all that were found, with the place of the first.
    """

    def __init__(
        self, environ: Environment[str, str], faults: list[ConfigFault], kept: Environment[str, str] = NO_SECRETS
    ) -> None:
        self.secret_files: list[str] = []
        self.references: dict[str, Place] = {}
        self._environ, self._faults, self._kept = environ, faults, kept

    def struct(self, kind: type[S], node: Node, path: str) -> S | None:
        """A mapping as a struct, or None if it is not one."""
        fields = fields_of(kind)
        if not isinstance(node, Mapping):
            self._wrong(_masked(kind, node), path, "a mapping of keys to values")
            return None
        self._unknown(node, list(fields), path)
        values: dict[str, Any] = {}
        for key, field in fields.items():
            found = node.entries.get(key)
            if found is None or (isinstance(found, Scalar) and found.empty):
                if field.required:
                    self._faults.append(node.place.fault(f"{path} has no {key!r}", field.help))
                    values[field.name] = INVALID
            else:
                values[field.name] = self.field(field, found, f"{path}.{key}" if path else key)
        if any(value is INVALID for value in values.values()):
            return None
        return self._build(kind, node, values, path)

    def field(self, field: Field, node: Node, path: str) -> Any:
        """The value of one field."""
        return self._value(field.type, field.form, node, path)

    def entries(self, kind: type[S], node: Node, path: str) -> tuple[S, ...]:
        """A list of mappings; those that cannot be read are left out (and in `faults`)."""
        if not isinstance(node, Sequence):
            self._wrong(_masked(kind, node), path, "a list, each entry beginning with '- '")
            return ()
        found = [self.struct(kind, item, f"{path}[{index}]") for index, item in enumerate(node.items)]
        return tuple(entry for entry in found if entry is not None)

    def text(self, node: Scalar, path: str) -> str | None:
        """A single value with its `${…}` replaced; None if that is not possible."""
        try:
            return expand(node.text, self._environ)
        except ValueError as error:
            self._faults.append(node.place.fault(f"{path}: {error}"))
            return None

    def _build(self, kind: type[S], node: Mapping, values: dict[str, Any], path: str) -> S | None:
        if "marks" in kind.__struct_fields__:
            values["place"], values["marks"] = node.place, node.marks
        try:
            return kind(**values)
        except ValueError as error:
            self._faults.append(node.place.fault(f"{path}: {error}"))
            return None

    def _unknown(self, node: Mapping, known: list[str], path: str) -> None:
        for key in node.entries.keys() - set(known):
            where = f" in {path}" if path else ""
            self._faults.append(node.marks[key].fault(f"unknown key {key!r}{where}", nearest(key, known)))

    def _value(self, kind: Any, form: Form | None, node: Node, path: str) -> Any:
        if form is not None:
            return self._single(form, node, path)
        if get_origin(kind) is tuple:
            return self._tuple(get_args(kind), node, path)
        if get_origin(kind) is dict:
            return self._dict(get_args(kind), node, path)
        entry = self.struct(kind, node, path)
        return INVALID if entry is None else entry

    def _single(self, form: Form, node: Node, path: str) -> Any:
        if not isinstance(node, Scalar):
            self._wrong(node, path, form.expected)
            return INVALID
        text = self.text(node, path)
        if text is None:
            return INVALID
        try:
            return self._secret(text, node.place) if form.secret else form.parse(text)
        except ValueError as error:
            self._refused(form, node, path, str(error))
            return INVALID

    def _secret(self, reference: str, place: Place) -> str:
        folder = Path(place.file).parent
        if reference.startswith("file:"):
            self.secret_files.append(str(folder / reference.removeprefix("file:")))
        if kept_elsewhere(reference):
            self.references.setdefault(reference, place)
            return self._kept.get(reference, reference)
        return secret(reference, self._environ, folder)

    def _tuple(self, kinds: tuple[Any, ...], node: Node, path: str) -> Any:
        many = len(kinds) == 2 and kinds[1] is Ellipsis
        if many and not isinstance(node, Sequence):
            node = Sequence(node.place, (node,), node.size)  # one is written without brackets
        if not isinstance(node, Sequence) or not (many or len(node.items) == len(kinds)):
            self._wrong(node, path, "a list" if many else f"a list of {len(kinds)} values")
            return INVALID
        wanted = kinds[:1] * len(node.items) if many else kinds
        values: list[Any] = []
        for index, (kind, item) in enumerate(zip(wanted, node.items, strict=True)):
            bare, form, _ = unfold(kind)
            values.append(self._value(bare, form, item, f"{path}[{index}]"))
        return INVALID if any(value is INVALID for value in values) else tuple(values)

    def _dict(self, kinds: tuple[Any, ...], node: Node, path: str) -> Any:
        if not isinstance(node, Mapping):
            self._wrong(node, path, "a mapping of keys to values")
            return INVALID
        known = list(get_args(kinds[0]))
        self._unknown(node, known, path)
        bare, form, _ = unfold(kinds[1])
        values = {key: self._value(bare, form, item, f"{path}.{key}") for key, item in node.entries.items()}
        return INVALID if not values.keys() <= set(known) or INVALID in values.values() else values

    def _refused(self, form: Form, node: Scalar, path: str, why: str) -> None:
        if form.secret:
            self._faults.append(node.place.fault(f"{path}: {why}"))
            return
        own = why if why and "invalid literal" not in why and "could not convert" not in why else ""
        self._faults.append(node.place.fault(f"{path}: expected {form.expected}, found {_show(node.text)}", own))

    def _wrong(self, node: Node, path: str, expected: str) -> None:
        found = _show(node.text) if isinstance(node, Scalar) else node.kind
        if isinstance(node, Sequence):
            found = f"a list of {len(node.items)}"
        where = f"{path}: " if path else ""
        self._faults.append(node.place.fault(f"{where}expected {expected}, found {found}"))


def _masked(kind: type[msgspec.Struct], node: Node) -> Node:
    """What stands where such a struct should: a single value may be the secret that belongs into it."""
    secret = any(field.form is not None and field.form.secret for field in fields_of(kind).values())
    return Scalar(node.place, "…") if secret and isinstance(node, Scalar) else node


def _show(text: str) -> str:
    text = _USER.sub("//…@", text)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
