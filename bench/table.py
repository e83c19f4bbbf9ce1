"""The result as people and programs read it: a table with a verdict on each target, or JSON lines."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from bench.lines import Line
from bench.targets import Verdict, judge

_NAMES = ("case", "system")
_FIGURES = ("CPU µs", "× nginx", "requests/s", "p50 µs", "p99 µs", "+p50", "+p99", "MB", "errors", "unfinished")
_WIDTH = 140  # where the output is no terminal


def tell(lines: Sequence[Line], as_json: bool) -> None:
    """Print the lines: as JSON, or as a table with the verdicts below it."""
    if as_json:
        for each in lines:
            print(msgspec.json.encode(each).decode())
        return
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(highlight=False, width=_WIDTH)
    table = Table(title="What passing through costs", title_justify="left", box=None, header_style="bold")
    for name in (*_NAMES, *_FIGURES):
        table.add_column(name, justify="left" if name in _NAMES else "right", no_wrap=True)
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
