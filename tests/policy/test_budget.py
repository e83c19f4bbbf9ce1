"""Periods and thresholds of budgets."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intertie.core.principal import Meter, PeriodName
from intertie.policy.budget import meter_id_of, period_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Toronto", "America/Sao_Paulo", "Asia/Beirut",
         "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")  # fmt: skip


def budget(period: PeriodName, zone: str = "UTC") -> Meter:
    return Meter("group:interns", "usd", 15_000_000_000, "group interns", period=period, zone=zone)


def wall(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [("day", "2026-03-29", "2026-03-30"), ("week", "2026-03-23", "2026-03-30"), ("month", "2026-03-01", "2026-04-01")],
)
def test_periods_are_those_of_the_calendar_where_the_budget_lives(period: PeriodName, start: str, end: str) -> None:
    zone = "Europe/Berlin"
    found = period_of(budget(period, zone), wall("2026-03-29T12:00", zone))
    assert (found.start, found.end) == (wall(start, zone), wall(end, zone))
    assert found.account == f"group:interns@{start}"


def test_a_day_on_which_clocks_change_has_23_or_25_hours() -> None:
    zone = "Europe/Berlin"
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        found = period_of(budget("day", zone), wall(f"{day}T12:00", zone))
        assert found.end is not None and found.end - found.start == hours * 3600


def test_a_total_never_ends_and_limits_have_one_account() -> None:
    assert period_of(budget("total"), 5.0).end is None
    limit = Meter("user:a@b.example:rpm", "requests", 5, "user a")
    found = period_of(limit, 5.0)
    assert found.account == limit.id
    assert meter_id_of(found.account, {limit.id: limit}) == limit.id


@example(at=1_262_303_999.999_999_5, zone="UTC", period="day")
@given(
    st.floats(wall("2000-01-01"), wall("2050-01-01")), st.sampled_from(ZONES), st.sampled_from(("day", "week", "month"))
)
def test_every_instant_lies_in_exactly_one_period(at: float, zone: str, period: PeriodName) -> None:
    meter = budget(period, zone)
    found = period_of(meter, at)
    assert found.end is not None and found.start <= at < found.end
    assert period_of(meter, found.start) == found
    assert period_of(meter, found.end).start == found.end
    assert meter_id_of(found.account, {meter.id: meter}) == meter.id
