"""What is found while a configuration is compiled: faults that forbid its use, warnings that do not."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from intertie.config.fields import nearest
from intertie.config.tree import Place
from intertie.config.wish import Wish
from intertie.core.faults import ConfigFault, ConfigFaults

W = TypeVar("W", bound=Wish)


class Findings:
    """Collects everything, so that a person sees all problems of a file at once."""

    def __init__(self) -> None:
        self.faults: list[ConfigFault] = []
        self.warnings: list[ConfigFault] = []

    def fault(self, place: Place, message: str, hint: str = "") -> None:
        """Note what forbids the use of this configuration."""
        self.faults.append(place.fault(message, hint))

    def warn(self, place: Place, message: str, hint: str = "") -> None:
        """Note what a person should know."""
        self.warnings.append(place.fault(message, hint))

    def known(self, place: Place, what: str, name: str, among: Collection[str]) -> bool:
        """Whether a name exists; if not, note it with the nearest that do."""
        if name in among:
            return True
        self.fault(place, f"{what} {name!r} does not exist", nearest(name, sorted(among)))
        return False

    def unique(self, entries: Sequence[W], key: str, what: str) -> dict[str, W]:
        """Entries by name; one that takes a name again is noted and left out."""
        found: dict[str, W] = {}
        for entry in entries:
            name: str = getattr(entry, key)
            first = found.setdefault(name, entry)
            if first is not entry:
                said = f"first in {first.place.file}:{first.place.line}"
                self.fault(entry.at_key(key), f"{what} {name!r} is given twice", said)
        return found

    def raise_faults(self) -> None:
        """Raise ConfigFaults if anything forbids the use of this configuration."""
        if self.faults:
            raise ConfigFaults(tuple(self.faults))
