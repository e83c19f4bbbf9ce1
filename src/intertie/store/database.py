"""The database: one address for SQLite (WAL, one file) and PostgreSQL, transactions, and the border for its errors.

On SQLite a writing transaction begins with BEGIN IMMEDIATE, and writers of this process take turns in order of arrival:
left to itself SQLite makes writers that collide sleep for milliseconds. On PostgreSQL rows are locked where they are
read for update. Every error of a driver comes out as StoreFault.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from intertie.core.faults import StoreFault

PATIENCE_S = 5.0
"""How long a transaction may take as a whole before it is given up."""
_LOCKED_MS = 800
"""How long to wait for a row or a file that another process has locked."""

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_BEGIN = "intertie_begin"  # the execution option that says how a transaction on SQLite begins


class Database:
    """One engine. `url` is `sqlite:///path/of/file.db` or `postgresql://user:password@host/name`.

    `shared` is true where other hosts may work on the same books. Raises StoreFault if the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        with _faults():
            self.url = _with_driver(url)
            self.shared = self.url.get_backend_name() == "postgresql"
            self._engine = _postgres(self.url) if self.shared else _sqlite(self.url)
        self._turn: AbstractAsyncContextManager[None] = nullcontext() if self.shared else asyncio.Lock()

    @asynccontextmanager
    async def write(self, patience_s: float = PATIENCE_S) -> AsyncGenerator[AsyncConnection]:
        """A transaction that writes: committed at the end, rolled back on any error. Raises StoreFault."""
        with _faults():
            async with asyncio.timeout(patience_s), self._turn, self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self, patience_s: float = PATIENCE_S) -> AsyncGenerator[AsyncConnection]:
        """A transaction that only reads, and sees the books as of one moment. Raises StoreFault."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if self.shared else {_BEGIN: "BEGIN"}
        with _faults():
            async with asyncio.timeout(patience_s), self._engine.connect() as connection:
                yield await connection.execution_options(**options)

    async def make_durable(self) -> None:
        """After this, what was committed survives a power failure: SQLite syncs its WAL only at checkpoints."""
        if self.shared:
            return
        with _faults():
            async with self._turn, self._engine.connect() as connection:
                plain = await connection.execution_options(**{_BEGIN: ""})
                await plain.execute(text("PRAGMA wal_checkpoint(PASSIVE)"))

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


@contextmanager
def _faults() -> Generator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OverflowError, OSError) as error:  # a timeout is an OSError, too
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise StoreFault(f"the database does not answer: {reason}") from error


def _with_driver(address: str) -> URL:
    url = make_url(address)
    if url.get_backend_name() not in _DRIVERS:
        raise StoreFault(f"{url.drivername!r} is no database for the books; sqlite and postgresql are")
    return url.set(drivername=_DRIVERS[url.get_backend_name()])


def _postgres(url: URL) -> AsyncEngine:
    server = {"jit": "off", "application_name": "intertie", "lock_timeout": str(_LOCKED_MS)}
    settings = {"timeout": 3.0, "server_settings": server}
    try:
        return create_async_engine(url, pool_size=4, max_overflow=4, connect_args=settings)
    except ImportError as error:
        raise StoreFault("PostgreSQL needs its driver: pip install 'intertie[postgres]'") from error


def _sqlite(url: URL) -> AsyncEngine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, pool_size=4, max_overflow=4)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver shall not begin transactions by itself
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"busy_timeout = {_LOCKED_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)
