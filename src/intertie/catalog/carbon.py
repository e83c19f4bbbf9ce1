"""Carbon intensity of electricity: yearly averages by grid zone."""

from functools import cache

from intertie.catalog.facts import Table, read


class _Intensities(Table, frozen=True, kw_only=True):
    year: int
    rows: dict[str, float]


@cache
def _intensities() -> dict[str, float]:
    return read("carbon.yaml", _Intensities).rows


def gco2_per_kwh(zone: str) -> float | None:
    """Grams of CO2 equivalent per kWh in a grid zone; of its country where the zone is not known; else None."""
    rows = _intensities()
    return rows.get(zone, rows.get(zone.partition("-")[0]))


def zones() -> tuple[str, ...]:
    """All zones with a figure."""
    return tuple(_intensities())
