"""Moments and amounts on the command line: how people write and read them."""

import re
from datetime import UTC, datetime, tzinfo

from intertie.config.forms import MOMENT
from intertie.core.faults import InvalidRequest

_SPAN = re.compile(r"(\d{1,5})([mhdw])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def ahead(text: str, now: float, flag: str) -> float:
    """A span from now (`30d`, `12h`) or a date, as epoch seconds. Raises InvalidRequest, naming the flag."""
    return _moment(text, now, 1, flag)


def ago(text: str, now: float, flag: str) -> float:
    """A span before now or a date, as epoch seconds. Raises InvalidRequest, naming the flag."""
    return _moment(text, now, -1, flag)


def shown(wall: float | None, zone: tzinfo = UTC) -> str:
    """Epoch seconds for people, to the minute; `-` for none."""
    return "-" if wall is None else datetime.fromtimestamp(wall, zone).strftime("%Y-%m-%d %H:%M")


def iso(wall: float | None, zone: tzinfo = UTC) -> str | None:
    """Epoch seconds for programs: ISO 8601 with the offset, to the second."""
    return None if wall is None else datetime.fromtimestamp(wall, zone).isoformat(timespec="seconds")


def _moment(text: str, now: float, sign: int, flag: str) -> float:
    if span := _SPAN.fullmatch(text):
        return now + sign * int(span[1]) * _SECONDS[span[2]]
    try:
        moment = MOMENT.parse(text)
    except ValueError:
        raise InvalidRequest(
            f"{flag}: expected a span such as 30d, 12h or 2w, or {MOMENT.expected}, found {text!r}", param=flag
        ) from None
    assert isinstance(moment, float)
    return moment
