"""Loaded by `make test-clients`: the world that all clients share, and the table of what was tried.

No conftest, so that `make test` passes by."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from clients_table import TABLE, Table
from clients_world import ClientsWorld, clients_world


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", help="write the table of what was tried to this page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = Table()


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[TABLE]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clients(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClientsWorld]:
    async with clients_world(tmp_path_factory.mktemp("world")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[TABLE]
    for line in table.lines():
        terminalreporter.write_line(line)
    page = config.getoption("--table")
    if page and table.cells and not terminalreporter.stats.get("failed"):
        Path(page).write_text(table.page())
