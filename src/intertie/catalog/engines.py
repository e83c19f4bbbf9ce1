"""Inference engines: what to believe of one before it was measured, and the metrics it publishes."""

from functools import cache

import msgspec

from intertie.catalog.facts import Table, read


class Engine(msgspec.Struct, frozen=True):
    """An engine: requests it runs at once by default, fixed milliseconds before a first token, names of its metrics."""

    id: str
    slots: int
    overhead_ms: float
    source: str
    running: str = ""
    waiting: str = ""
    cache: str = ""


class _Engines(Table, frozen=True, kw_only=True):
    rows: tuple[Engine, ...]


@cache
def engines() -> dict[str, Engine]:
    """All known engines by id."""
    return {row.id: row for row in read("engines.yaml", _Engines).rows}
