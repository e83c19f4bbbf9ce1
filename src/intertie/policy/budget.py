"""Budgets: which period a moment lies in, and which account that is."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

import msgspec

from intertie.core.principal import Meter


class Period(msgspec.Struct, frozen=True, gc=False):
    """A span of wall time, [start, end) in epoch seconds, and the account that pays in it. No end: None."""

    start: float
    end: float | None
    account: str


def period_of(meter: Meter, wall: float) -> Period:
    """The period of `meter` that `wall` (epoch seconds) lies in.

    Days, weeks (from Monday) and months are those of the meter's time zone, whatever daylight saving time does to
    their length; each instant lies in exactly one. Limits that are no budget have a single period and the meter's own
    id as account. Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    if meter.kind != "usd":
        return Period(0.0, None, meter.id)
    if meter.period == "total":
        return Period(0.0, None, f"{meter.id}@total")
    zone = ZoneInfo(meter.zone)
    # Whole seconds: `fromtimestamp` rounds, which would open a period half a microsecond early.
    first = _first_day(meter, datetime.fromtimestamp(floor(wall), zone).date())
    following = _following(meter, first)
    # Where clocks are set back over midnight a date comes twice; the second time already belongs to the next period.
    if wall >= _midnight(following, zone):
        first, following = following, _following(meter, following)
    return Period(_midnight(first, zone), _midnight(following, zone), f"{meter.id}@{first.isoformat()}")


def meter_id_of(account: str, meters: Mapping[str, Meter]) -> str:
    """The meter that an account belongs to, as `period_of` formed it."""
    return account if account in meters else account.rpartition("@")[0]


def _first_day(meter: Meter, day: date) -> date:
    if meter.period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if meter.period == "month" else day


def _following(meter: Meter, first: date) -> date:
    if meter.period == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if meter.period == "week" else 1)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
