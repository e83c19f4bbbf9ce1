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


def hear_logging(name: str = "intertie", level: int = logging.INFO) -> None:
    """Tell what the loggers of a package say, from this level on; a second time changes nothing."""
    logger = logging.getLogger(name)
    logger.setLevel(level)
    logger.propagate = False
    if not any(isinstance(known, _ToEvents) for known in logger.handlers):
        logger.addHandler(_ToEvents())
