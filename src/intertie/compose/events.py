"""What the processes themselves have to tell (not requests: those have their own log): one line per event on stderr.

JSON for machines; on a terminal, words for people.
"""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime

import msgspec


def tell(event: str, **facts: str | int | float | bool | None) -> None:
    """Write one event with its facts. Never raises: a log that nobody reads must stop nothing."""
    at = datetime.now(UTC)
    if sys.stderr.isatty():
        told = "  ".join(
            f"{name}={value if str(value).isprintable() else repr(value)}" for name, value in facts.items()
        )
        line = f"{at.astimezone():%H:%M:%S}  {event.replace('_', ' ')}  {told}".rstrip()
    else:
        line = msgspec.json.encode({"at": at.isoformat(timespec="milliseconds"), "event": event, **facts}).decode()
    with suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class _ToEvents(logging.Handler):
    """What parts below log becomes an event like any other."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(record.levelname.lower(), part=record.name.rpartition(".")[2], message=record.getMessage())


def hear_logging() -> None:
    """Tell what `intertie`'s own loggers say, from INFO on."""
    logger = logging.getLogger("intertie")
    logger.setLevel(logging.INFO)
    logger.addHandler(_ToEvents())
    logger.propagate = False
