"""One gateway and one engine for all cells, and what came of them."""

from collections.abc import Callable, Iterator

import pytest
from matrix_page import PAGE, Outcomes, parse, render
from matrix_wishes import WISHES
from matrix_world import MatrixWorld, matrix_world

from intertie.config.settings import environment


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixWorld]:
    with matrix_world(tmp_path_factory.mktemp("matrix")) as running:
        yield running


@pytest.fixture(scope="session")
def came_of_it() -> Iterator[Callable[[str, str, str, str], None]]:
    """Takes what came of a cell: it is what the page says, or else, where pages are to be written, will say."""
    seen: Outcomes = {}
    writes = environment().get("INTERTIE_WRITE_DOCS") == "1"
    said = {} if writes else parse(PAGE.read_text())

    def note(dialect: str, upstream: str, case: str, outcome: str) -> None:
        seen[dialect, upstream, case] = outcome
        assert writes or said.get((dialect, upstream, case)) == outcome, "run with INTERTIE_WRITE_DOCS=1"

    yield note
    if writes:
        wishes = {key: outcome for key, outcome in seen.items() if key[2] in WISHES}
        cells = {key: outcome for key, outcome in seen.items() if key[2] not in WISHES}
        PAGE.write_text(render(cells, wishes))
