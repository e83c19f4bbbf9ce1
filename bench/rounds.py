"""Interleaved rounds: every system once, then every system again, so that a busy moment of the machine touches all."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from bench.cell import Case, Cell, NotServed, measure
from bench.load import PATH
from bench.system import NotReady, Running, Stand, System, running, stand

Cells = dict[tuple[str, str], list[Cell]]


def measure_all(
    systems: Sequence[System], cases: Sequence[Case], seconds: float, rounds: int, say: Callable[[str], None]
) -> Cells:
    """Measure every system under every case `rounds` times; `say` hears of each cell, and of what could not be."""
    cells: Cells = {}
    with stand() as place:
        for turn in range(1, rounds + 1):
            for system in systems:
                try:
                    found = _one(place, system, cases, seconds)
                except (NotReady, OSError) as fault:
                    say(f"round {turn}/{rounds}  {system.name:<14} {fault}")
                    continue
                for case, cell in found.items():
                    say(f"round {turn}/{rounds}  {system.name:<14} {case.name:<15} {_told(case, cell)}")
                    if isinstance(cell, Cell):
                        cells.setdefault((system.name, case.name), []).append(cell)
    return cells


def _one(place: Stand, system: System, cases: Sequence[Case], seconds: float) -> Mapping[Case, Cell | NotServed]:
    """Start a system, measure it under every case, stop it."""
    with (
        tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder,
        running(system, place.place(Path(folder))) as one,
    ):
        return {case: _measured(place, one, case, seconds) for case in cases if system.translates or case.path == PATH}


def _measured(place: Stand, system: Running, case: Case, seconds: float) -> Cell | NotServed:
    try:
        return uvloop.run(measure(place, system, case, seconds))
    except NotServed as fault:
        return fault


def _told(case: Case, cell: Cell | NotServed) -> str:
    if isinstance(cell, NotServed):
        return str(cell)
    figures = f"{cell.cpu_us:9.1f} µs/{case.unit:<7}{cell.requests_per_s:9.0f} requests/s"
    return (
        f"{figures}  +{cell.added_p50_us:.0f} µs at one connection  {cell.errors} errors, {cell.unfinished} unfinished"
    )
