"""Accelerators: memory and power of the chips that serve models."""

from functools import cache

import msgspec

from intertie.catalog.facts import Table, read


class Accelerator(msgspec.Struct, frozen=True):
    """A chip: memory in GB and the most power it may draw, in watts (a busy chip draws somewhat less)."""

    id: str
    memory_gb: float
    watts: float
    source: str


class _Accelerators(Table, frozen=True, kw_only=True):
    rows: tuple[Accelerator, ...]


@cache
def accelerators() -> dict[str, Accelerator]:
    """All known accelerators by id."""
    return {row.id: row for row in read("accelerators.yaml", _Accelerators).rows}
