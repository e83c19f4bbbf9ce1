"""Alerts: what the control process tells people when a budget crosses a threshold."""

import msgspec

THRESHOLDS = (50, 80, 90, 100)
"""Percent of a cap at which people are told, once per account."""


class BudgetAlert(msgspec.Struct, frozen=True, omit_defaults=True):
    """A budget has used `percent` of its cap. Amounts are decimal dollars as text; sent as JSON by webhook and log."""

    kind: str
    at: str
    account: str
    owner: str
    percent: int
    spent_usd: str
    cap_usd: str
    period_ends: str | None = None


def reached(settled: int, cap: int) -> tuple[int, ...]:
    """The thresholds that `settled` has reached, of an account with this cap; a cap of 0 has none."""
    return tuple(percent for percent in THRESHOLDS if settled * 100 >= cap * percent > 0)
