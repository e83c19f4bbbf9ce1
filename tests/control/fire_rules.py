"""What is at stake under fire: a new budget of twenty worst-case calls every while, one for all, and a few slots."""

from intertie.core.principal import Meter

CALLERS = 16
"""Per worker; four workers make 64."""
WORKERS = 4
HOLD = 1_000_000
CAP = 20 * HOLD
LASTS_S = 0.7
"""How long callers draw on one budget before they turn to the next."""

WIDE = Meter("wide", "usd", 1_000_000 * HOLD, "everybody")
SLOTS = Meter("slots", "concurrent", 4, "everybody")
BUDGETS = [Meter(f"budget-{number}", "usd", CAP, f"group {number}") for number in range(40)]
METERS = {meter.id: meter for meter in (*BUDGETS, WIDE, SLOTS)}


def budget_at(elapsed: float) -> Meter:
    """The budget in use so many seconds after the beginning."""
    return BUDGETS[int(elapsed / LASTS_S)]
