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
from rich.table import Table

from bench.cell import CASES, Case
from bench.command import AsJson, Flag, Several, run
from bench.lines import Line, compare_to_nginx, line
from bench.picture import draw
from bench.rounds import measure_all
from bench.system import System
from bench.systems.line_up import SYSTEMS
from bench.targets import Verdict, judge

DOCS = Path(__file__).parents[1] / "docs"
WRONG_USE = 2
BUSY = 1.0
_COLUMNS = (
    "case",
    "system",
    "CPU µs",
    "× nginx",
    "requests/s",
    "p50 µs",
    "p99 µs",
    "+p50",
    "+p99",
    "MB",
    "errors",
    "unfinished",
)

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
    """Measure, then print a table and a verdict on each target, or JSON lines.

    Parameters
    ----------
    systems
        Which systems; all that are installed if none is named.
    cases
        Which cases: nonstream_1k, nonstream_100k, stream_200; all if none is named.
    seconds
        Seconds of load per cell.
    rounds
        How often each cell is measured; the median counts.
    as_json
        One JSON line per system and case instead of the table.
    save
        Write docs/overhead.jsonl and the picture docs/overhead.svg.
    """
    say = Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print
    unknown = {*systems, *cases} - {each.name for each in (*SYSTEMS, *CASES)}
    if unknown:
        say(f"not known: {', '.join(sorted(unknown))}")
        return WRONG_USE
    chosen = [system for system in SYSTEMS if not systems or system.name in systems]
    absent = [system.name for system in chosen if system.version() is None]
    if absent:
        say(f"not installed, left out: {', '.join(absent)} (python -m bench.install_rivals)")
    busy = os.getloadavg()[0]
    if busy > BUSY:
        say(f"this machine is busy (load {busy:.1f}): latencies and rates will be noisy, CPU less so")
    lines = _measured(
        [system for system in chosen if system.name not in absent],
        [case for case in CASES if not cases or case.name in cases],
        seconds,
        rounds,
        say,
    )
    tell(lines, as_json)
    if save:
        _save(lines)
    return 0


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


def tell(lines: Sequence[Line], as_json: bool) -> None:
    """Print the lines: as JSON, or as a table with the verdicts below it."""
    if as_json:
        for each in lines:
            print(msgspec.json.encode(each).decode())
        return
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(highlight=False, width=140)
    table = Table(title="What passing through costs", title_justify="left", box=None, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("case", "system") else "right", no_wrap=True)
    for each in lines:
        table.add_row(
            each.case, each.system, *(_shown(value) for value in _figures(each)), str(each.errors), str(each.unfinished)
        )
    console.print(table)
    for verdict in judge(lines):
        console.print(_sentence(verdict))


def _figures(each: Line) -> tuple[float | None, ...]:
    latencies = (each.p50_us, each.p99_us, each.added_p50_us, each.added_p99_us)
    return (each.cpu_us, each.ratio_to_nginx, each.requests_per_s, *latencies, each.rss_mb)


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _sentence(verdict: Verdict) -> str:
    figure = "" if verdict.figure is None else f": {_shown(verdict.figure)} {verdict.unit}"
    limit = "" if verdict.limit is None else f" (target ≤ {_shown(verdict.limit)})"
    return f"{verdict.word:<13} {verdict.what}{figure}{limit}"


def _save(lines: Sequence[Line]) -> None:
    DOCS.mkdir(exist_ok=True)
    (DOCS / "overhead.jsonl").write_text("".join(msgspec.json.encode(each).decode() + "\n" for each in lines))
    (DOCS / "overhead.svg").write_text(draw(lines))


if __name__ == "__main__":
    run(app)
