"""How verbs show things: rich tables for people, one JSON document for programs, complaints on standard error."""

import re
import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

Json = Annotated[bool, Parameter(negative=())]
"""The flag that asks for one JSON document in place of words and tables."""

_WIDEST = 10_000
_FIGURE = re.compile(r"[-+$<]*\d[\d.,]*( ?[a-zA-Z%]{1,2})?")


def out(width: int | None = None) -> Console:
    """Where results go; `width` in characters, else the terminal's."""
    return Console(highlight=False, soft_wrap=True, width=width)


def complain(message: str) -> None:
    """Say what is wrong on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]intertie:[/] {_plain(message)}")


def emit(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table, as wide as it must be so that nothing is cut; columns of figures are aligned to the right."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    cells = [[str(cell) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        known = [row[index] for row in cells if row[index] not in ("", "-")]
        figures = known and all(map(_FIGURE.fullmatch, known))
        table.add_column(column, justify="right" if figures else "left", no_wrap=True)
    for row in cells:
        table.add_row(*map(_plain, row))
    console = out(_WIDEST)
    out(Measurement.get(console, console.options, table).maximum).print(table)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
