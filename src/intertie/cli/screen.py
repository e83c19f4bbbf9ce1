"""How verbs show things: rich tables for people, one JSON document for programs, complaints on standard error."""

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table


def out() -> Console:
    """Where results go."""
    return Console(highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Say what is wrong on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]intertie:[/] {_plain(message)}")


def emit(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; columns whose name ends in a unit or figure are aligned by their content."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*[_plain(str(cell)) for cell in row])
    out().print(table)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
