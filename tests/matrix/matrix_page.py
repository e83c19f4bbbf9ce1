"""docs/reference/dialects.md: written from what came of every cell, and read again to hold the next run against it."""

from pathlib import Path

from matrix_cases import CASES
from matrix_wishes import WISHES

_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dialects.md"

Outcomes = dict[tuple[str, str, str], str]
"""What came of it, by the caller's dialect, the endpoint's, and the case or wish."""

_MADE = "<!-- Made by `INTERTIE_WRITE_DOCS=1 python -m pytest tests/matrix`; change the code, not this page. -->\n"
_ABOUT = """\
Callers speak one dialect, endpoints another. The same on both sides passes through byte by byte, all else is
translated. Every cell below was run: a real client, a running gateway, and an endpoint that speaks its dialect as the
vendor's documentation has it, apart from the gateway's own understanding (`intertie engine sim`). A cell is whole and
streamed where both exist, and its tokens are those that the endpoint counted.
"""
_CASES = """\
- *tools*, *parallel tools*: called, run, their results answered. *images*: two, by value. *structured output*: JSON of
  a strict schema. *reasoning*: thoughts are counted, shown where both sides do, and go back signed in a tool's loop.
- *errors*: 429 with its time, 500, 401, HTML, an error under 200, a reset, cuts and garbage in the midst of a stream;
  each in the caller's dialect, none blamed on the caller. *cancel*: the endpoint stops at once, what was said is paid.
"""
_WISHES = """\
What callers wish for beside the words. `yes`: granted, and seen to be. `refused`: 400, naming that field; a route with
`on_unsupported: drop` leaves it out and says so in `x-intertie-dropped`. What a dialect has no word for has no row.
"""
_NONE = "—"


class Page:
    """The page in the repository; `writes`: it is to say what comes of this run, instead of this run what it says."""

    def __init__(self, *, writes: bool) -> None:
        self._writes, self._seen = writes, Outcomes()
        self._said = Outcomes() if writes else parse(_PAGE.read_text())

    @property
    def text(self) -> str:
        """The page."""
        return render(self._seen) if self._writes else _PAGE.read_text()

    def came_of_it(self, dialect: str, upstream: str, case: str, outcome: str) -> None:
        """Takes what came of a cell."""
        self._seen[dialect, upstream, case] = outcome
        assert self._writes or self._said.get((dialect, upstream, case)) == outcome, "run with INTERTIE_WRITE_DOCS=1"

    def close(self) -> None:
        """Write the page, if that is wanted."""
        if self._writes:
            _PAGE.write_text(self.text)


def render(seen: Outcomes) -> str:
    """The page."""
    parts = ["# Dialects\n", _MADE, _ABOUT, _CASES]
    dialects, upstreams = (list(dict.fromkeys(key[at] for key in seen)) for at in (0, 1))
    for dialect in dialects:
        parts.append(f"## Callers of `{dialect}`\n")
        parts.append(_table(("endpoint", *CASES), _rows(seen, dialect, upstreams, list(CASES))))
    parts.append("# Wishes\n\n" + _WISHES)
    for dialect in dialects:
        parts.append(f"## Wishes of callers of `{dialect}`\n")
        flipped = {(one, name, upstream): cell for (one, upstream, name), cell in seen.items()}
        parts.append(_table(("wish", *upstreams), _rows(flipped, dialect, list(WISHES), upstreams)))
    return "\n".join(parts)


def _rows(cells: Outcomes, dialect: str, firsts: list[str], heads: list[str]) -> list[tuple[str, ...]]:
    """A row for each of the first words that has any cell."""
    rows = [(first, *(cells.get((dialect, first, head), _NONE) for head in heads)) for first in firsts]
    return [row for row in rows if set(row[1:]) != {_NONE}]


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def parse(page: str) -> Outcomes:
    """What a page says of every cell and wish."""
    said: Outcomes = {}
    for section in page.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        dialect = title.split("`")[1]
        table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]
        for first, *cells in table[2:]:
            for head, cell in zip(table[0][1:], cells, strict=True):
                upstream, case = (head, first) if title.startswith("Wishes") else (first, head)
                said[dialect, upstream, case] = cell
    return {key: cell for key, cell in said.items() if cell != _NONE}
