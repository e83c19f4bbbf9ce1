"""What passing through costs: the gateway beside nginx and each rival that is installed, same upstream, same run.

Each figure is the median of interleaved rounds (`rounds`); the system under test is pinned to one core, generator and
upstream to another (`system.Stand`); how a cell is measured is in `cell`, what the fields mean in `lines`.

Run: intertie bench overhead, or python -m bench.overhead [--help]
"""

import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from cyclopts import App
from rich.console import Console

from bench.cell import CASES, Case
from bench.command import AsJson, Flag, Several, run
from bench.lines import Line, compare_to_nginx, line
from bench.picture import draw
from bench.rounds import measure_all
from bench.system import System
from bench.systems.line_up import SYSTEMS
from bench.table import tell

DOCS = Path(__file__).parents[1] / "docs"
WRONG_USE = 2
BUSY = 1.0
app = App(name="overhead", help=__doc__, version_flags=[])


@app.default
def overhead(
    *,
    systems: Several = (),
    cases: Several = (),
    seconds: float = 4.0,
    rounds: int = 3,
    as_json: AsJson = False,
    save: Flag = False,
) -> int:
    """Measure, then print a table with verdicts, or JSON lines; the flags are those of `intertie bench overhead`."""
    say = Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print
    unknown = {*systems, *cases} - {each.name for each in (*SYSTEMS, *CASES)}
    if unknown:
        say(f"not known: {', '.join(sorted(unknown))}")
        return WRONG_USE
    if (busy := os.getloadavg()[0]) > BUSY:
        say(f"this machine is busy (load {busy:.1f}): latencies and rates will be noisy, CPU less so")
    asked = [case for case in CASES if not cases or case.name in cases]
    lines = _measured(_installed(systems, say), asked, seconds, rounds, say)
    tell(lines, as_json)
    if save:
        _save(lines)
    return 0


def _installed(names: Sequence[str], say: Callable[[str], None]) -> list[System]:
    chosen = [system for system in SYSTEMS if not names or system.name in names]
    absent = [system.name for system in chosen if system.version() is None]
    if absent:
        say(f"not installed, left out: {', '.join(absent)} (python -m bench.install_rivals)")
    return [system for system in chosen if system.name not in absent]


def _measured(
    systems: Sequence[System], cases: Sequence[Case], seconds: float, rounds: int, say: Callable[[str], None]
) -> list[Line]:
    cells = measure_all(systems, cases, seconds, rounds, say)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        line(system.name, system.version() or "", date, case, cells[system.name, case.name])
        for case in cases
        for system in systems
        if (system.name, case.name) in cells
    ]
    compare_to_nginx(lines)
    return lines


def _save(lines: Sequence[Line]) -> None:
    DOCS.mkdir(exist_ok=True)
    (DOCS / "overhead.jsonl").write_text("".join(msgspec.json.encode(each).decode() + "\n" for each in lines))
    (DOCS / "overhead.svg").write_text(draw(lines))


if __name__ == "__main__":
    run(app)
