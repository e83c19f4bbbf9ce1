"""What all entries of the configuration share."""

import msgspec

from intertie.config.tree import Place


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What all entries share: `place` is where the entry begins, `marks` where each of its keys stands."""

    place: Place = Place()
    marks: dict[str, Place] = {}

    def __repr__(self) -> str:
        """Only what it is and where it stands: what is printed by accident must not hold secrets."""
        return f"{type(self).__name__}({self.place.file}:{self.place.line})"

    def at_key(self, key: str) -> Place:
        """Where a key of this entry stands, or where the entry begins if the key was not written."""
        return self.marks.get(key, self.place)
