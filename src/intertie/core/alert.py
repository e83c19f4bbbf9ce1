"""Alerts: what the control process tells people when a budget crosses a threshold."""

import msgspec


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
