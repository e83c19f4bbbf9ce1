"""Where the verbs about keys, money and requests find what they tell of: the settings, the configuration, the database.

They open the database themselves, so they work whether a gateway runs or not.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.config.document import configured
from intertie.config.fields import nearest
from intertie.config.settings import Settings, environment, load
from intertie.config.snapshot import Snapshot
from intertie.config.wishes import Document
from intertie.control.compile import compile_snapshot
from intertie.core.faults import InvalidRequest, StoreFault
from intertie.policy.keys import PEPPER_BYTES
from intertie.store.database import Database
from intertie.store.reports import has_books

PATIENCE_S = 60.0
"""How long a report may take: people wait longer than requests do."""

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Which gateway a verb is about, named as for `intertie serve`."""

    config: Annotated[str | None, Parameter(show_default=False)] = None
    """The configuration file (default: intertie.yaml)."""
    state: Annotated[str | None, Parameter(show_default=False)] = None
    """The folder that holds the database and the pepper (default: state)."""
    database: Annotated[str | None, Parameter(show_default=False)] = None
    """Database URL, sqlite:/// or postgresql:// (default: intertie.db in the state folder)."""

    def configured(self) -> tuple[Settings, Document]:
        """Its settings and its configuration. Raises ConfigFaults."""
        return configured(asdict(self), environment())

    def settings(self) -> Settings:
        """Its settings, for who wants the database only. Raises ConfigFaults.

        The file is left unread where flag or environment name the database, so the books can be opened while the
        configuration is broken; and if nobody named a file and there is none.
        """
        settings = load(asdict(self), environment())
        unnamed = settings.config == Settings().config and not Path(settings.config).exists()
        return settings if settings.database or unnamed else self.configured()[0]


On = Annotated[Gateway | None, Parameter(name="*")]


def compiled(document: Document, settings: Settings, wall: float) -> Snapshot:
    """What a configuration amounts to apart from stored keys; `wall` is epoch seconds. Raises ConfigFaults."""
    return compile_snapshot(document, settings, (), bytes(PEPPER_BYTES), int(wall * 1_000))


@asynccontextmanager
async def opened(
    settings: Settings, prepare: Callable[[Database], Awaitable[None]] | None = None
) -> AsyncGenerator[Database]:
    """The database of these settings. One without books is given to `prepare`, or else refused.

    Raises StoreFault if it cannot be opened.
    """
    url = settings.database_url
    if prepare is None and _is_missing(url):
        raise _no_books(url)
    database = Database(url)
    try:
        async with database.read() as connection:
            ready = await has_books(connection)
        if not ready:
            if prepare is None:
                raise _no_books(database.url.render_as_string())
            await prepare(database)
        yield database
    finally:
        await database.close()


def unknown(flag: str, name: str, known: Collection[str]) -> InvalidRequest:
    """The complaint about a flag that names what the configuration does not have, with the nearest that it has."""
    hint = nearest(name, sorted(known)) or ("none is near it" if known else "the configuration has none")
    return InvalidRequest(f"{flag}: there is no {flag[2:]} {name!r} ({hint})", param=flag)


def _is_missing(url: str) -> bool:
    """Whether it is a SQLite file that is not there: opening it would make one, and the folder for it."""
    return url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists()


def _no_books(address: str) -> StoreFault:
    hint = "`intertie serve` makes them; --config, --state or --database name others"
    return StoreFault(f"there are no books at {address} ({hint})")
