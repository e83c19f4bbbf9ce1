"""One gateway and one engine for all cells, and the page that says what came of them."""

from collections.abc import Iterator

import pytest
from matrix_page import Page
from matrix_world import MatrixWorld, matrix_world

from intertie.config.settings import environment


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixWorld]:
    with matrix_world(tmp_path_factory.mktemp("matrix")) as running:
        yield running


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    page = Page(writes=environment().get("INTERTIE_WRITE_DOCS") == "1")
    yield page
    page.close()
