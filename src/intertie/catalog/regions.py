"""Cloud regions: where they are, under which law, and on which electricity grid."""

from functools import cache

import msgspec

from intertie.catalog.facts import Table, read


class Region(msgspec.Struct, frozen=True):
    """A region: latitude and longitude of its city in degrees, jurisdictions, and grid zone."""

    id: str
    city: str
    at: tuple[float, float]
    jurisdiction: tuple[str, ...]
    zone: str


class _Regions(Table, frozen=True, kw_only=True):
    rows: tuple[Region, ...]


@cache
def regions() -> dict[str, Region]:
    """All known regions by id (`aws:eu-central-1`)."""
    return {row.id: row for row in read("regions.yaml", _Regions).rows}
