"""Refusals in words: whose limit or budget it is, how much of it is used, and when another try can help."""

from datetime import datetime
from zoneinfo import ZoneInfo

from intertie.core.faults import BudgetExhausted, RateLimited
from intertie.core.lending import Refusal
from intertie.core.money import show_usd
from intertie.core.principal import Meter

_WINDOW_S = 60.0
_PER = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}


def is_spent(refusal: Refusal, need: int) -> bool:
    """Whether the money is gone, not merely set aside: then no return of leases could pay for `need`."""
    return refusal.cap - refusal.settled < need


def budget_fault(meter: Meter, refusal: Refusal, need: int, until: float | None) -> BudgetExhausted:
    """Why a budget cannot pay `need` nano-dollars; `until` is the end of its period in epoch seconds."""
    budget = f"The budget of {meter.owner} ({show_usd(refusal.cap)} USD {_PER[meter.period]})"
    if need > refusal.cap:
        return BudgetExhausted(f"{budget} is too small: this call may cost {show_usd(need)} USD.", should_retry=False)
    if not is_spent(refusal, need):
        return BudgetExhausted(
            f"{budget} is reserved by calls under way: {show_usd(refusal.settled)} USD are spent, "
            f"{show_usd(refusal.lent)} USD reserved, this call may cost {show_usd(need)} USD.",
            code="budget_reserved",
            retry_after=1.0,
            should_retry=True,
        )
    left = show_usd(max(0, refusal.cap - refusal.settled))
    anew = f" It starts anew on {_moment(until, meter.zone)}." if until is not None else ""
    return BudgetExhausted(
        f"{budget} is spent: {show_usd(refusal.settled)} USD are used, {left} USD are left, "
        f"this call may cost {show_usd(need)} USD.{anew}",
        should_retry=False,
    )


def limit_fault(meter: Meter, need: int, wait_s: float | None) -> RateLimited:
    """Why a limit has no room for `need` units; `wait_s` says when it has, if this worker's own use decides that."""
    if need > meter.cap:
        return RateLimited(f"This call needs {_units(meter, need)}; {_allowed(meter)}.", should_retry=False)
    if wait_s is None:
        # Other workers hold the rest. On average `need` units come back in this share of the window.
        wait_s = _WINDOW_S * need / meter.cap if meter.kind != "concurrent" else 1.0
    wait_s = max(1.0, wait_s)
    return RateLimited(f"{_allowed(meter)}; try again in {wait_s:.0f} s.", retry_after=wait_s)


def _allowed(meter: Meter) -> str:
    per = "at once" if meter.kind == "concurrent" else "in any 60 seconds"
    return f"{meter.owner} may use {_units(meter, meter.cap)} {per}"


def _units(meter: Meter, count: int) -> str:
    noun = {"requests": "request", "tokens": "token", "concurrent": "call", "usd": "nano-dollar"}[meter.kind]
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _moment(wall: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(wall, ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"
