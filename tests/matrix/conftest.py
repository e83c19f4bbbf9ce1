"""One gateway and one engine for all cells."""

from collections.abc import Iterator

import pytest
from matrix_world import MatrixWorld, matrix_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixWorld]:
    with matrix_world(tmp_path_factory.mktemp("matrix")) as running:
        yield running
