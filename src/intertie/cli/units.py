"""What requests use beyond plain tokens, in the words of verbs."""

from collections.abc import Sequence
from typing import NamedTuple

from intertie.store.reports import RequestRow, UsageRow


class Unit(NamedTuple):
    """A count in the books: its field there, its name in JSON, its words in tables, and how many of it make one."""

    field: str
    told: str
    words: str
    per: int = 1

    def amount(self, row: UsageRow | RequestRow) -> int | float:
        """How much of it was used; a whole number unless it is measured."""
        number: int = getattr(row, self.field)
        return number if self.per == 1 else number / self.per


UNITS = (
    Unit("reasoning", "reasoning_tokens", "reasoning"),
    Unit("written", "written_tokens", "written"),
    Unit("written_1h", "written_1h_tokens", "written 1h"),
    Unit("audio_in", "audio_in_tokens", "audio in"),
    Unit("audio_out", "audio_out_tokens", "audio out"),
    Unit("image_in", "image_in_tokens", "image in"),
    Unit("image_out", "image_out_tokens", "image out"),
    Unit("images", "images", "images"),
    Unit("audio_ms", "audio_s", "audio s", 1_000),
    Unit("characters", "characters", "characters"),
    Unit("pages", "pages", "pages"),
    Unit("searches", "searches", "searches"),
)


def units_told(row: UsageRow | RequestRow) -> dict[str, int | float]:
    """All units by their names in JSON, used or not."""
    return {unit.told: unit.amount(row) for unit in UNITS}


def units_used(row: UsageRow | RequestRow) -> Sequence[Unit]:
    """Those of which there is something."""
    return [unit for unit in UNITS if unit.amount(row)]
