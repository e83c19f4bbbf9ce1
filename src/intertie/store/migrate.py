"""Bringing a database to the present schema, from nothing or from any earlier state."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from intertie.store.database import Database

_SCRIPTS = Path(__file__).parent / "migrations"
_PATIENCE_S = 600.0


async def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction. Raises StoreFault if the database does not answer."""
    async with database.write(_PATIENCE_S) as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
