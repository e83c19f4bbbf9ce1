"""Purses: what one worker may spend of one account without asking anybody.

A purse is the worker's side of a lease. `granted` and `returned` are the cumulative figures that both sides know, so a
message that is lost or repeated does no harm. All amounts are whole numbers in the meter's unit, and at any moment

    room = granted - returned - spent - held

How a spent unit behaves is the one difference between kinds of meter:

    usd         gone for good
    tokens      back after 60 seconds, counted from the moment the call is settled
    requests    back after 60 seconds, counted from the moment the call is admitted (whether it succeeds or not)
    concurrent  back when the call ends

Moments are monotonic seconds. Room may fall below zero where a call costs more than its hold: that is an overshoot of
one call, it is never forgotten, and nothing more is taken until it is made good.
"""

from collections.abc import Callable

from intertie.core.principal import MeterKind

_TICKS_PER_S = 4
_TICKS_OF_WINDOW = 60 * _TICKS_PER_S + 1
"""A tick is a quarter of a second. A unit spent anywhere in tick t is back at the start of tick t + 241: at least 60
seconds later, so no window of 60 seconds holds more than was granted, and at most 60.25 s, so little is wasted."""

_NEVER = float("inf")


class Purse:
    """Money: what is spent is gone."""

    __slots__ = ("granted", "returned", "room", "spent")

    def __init__(self) -> None:
        self.granted: int = 0
        self.returned: int = 0
        self.spent: int = 0
        self.room: int = 0

    @property
    def held(self) -> int:
        """Set aside for calls under way."""
        return self.granted - self.returned - self.spent - self.room

    def adopt(self, granted: int, returned: int = 0) -> int:
        """Take over the lender's cumulative figures, each where it is larger than ours; returns the change of room."""
        before = self.room
        if granted > self.granted:
            self.room += granted - self.granted
            self.granted = granted
        if returned > self.returned:
            self.room -= returned - self.returned
            self.returned = returned
        return self.room - before

    def take(self, amount: int, now: float) -> bool:
        """Set `amount` aside for a call, or say that there is not enough."""
        if self.room < amount:
            return False
        self.room -= amount
        return True

    def settle(self, held: int, actual: int, now: float) -> None:
        """End a hold: `actual` was spent, which may be less or more than was held."""
        self.spent += actual
        self.room += held - actual

    def release(self, held: int) -> None:
        """End a hold of which nothing was spent."""
        self.room += held

    def untake(self, amount: int) -> None:
        """Undo a `take` of this very moment."""
        self.room += amount

    def free(self, now: float) -> int:
        """What may be taken now."""
        return self.room

    def give_back(self, now: float, keep: int = 0) -> int:
        """Return all that is free, less `keep`, to the account; the amount, which `returned` now includes."""
        amount = self.free(now) - keep
        if amount <= 0:
            return 0
        self.room -= amount
        self.returned += amount
        return amount

    def remaining(self, now: float) -> int:
        """What may still be taken, never below zero."""
        return max(0, self.free(now))

    def reset_s(self, now: float) -> float:
        """Seconds until all that was spent is back; 0 where nothing is or where it never comes back."""
        return 0.0

    def wait_s(self, amount: int, now: float) -> float | None:
        """Seconds until `amount` is free by itself; None if no waiting helps."""
        return 0.0 if self.free(now) >= amount else None


class SlotPurse(Purse):
    """Calls at once: a unit is back when its call ends."""

    __slots__ = ()

    def settle(self, held: int, actual: int, now: float) -> None:
        """End a hold; the call is over, so its unit is free."""
        self.room += held


class TokenPurse(Purse):
    """Units in any 60 seconds, counted when the call is settled."""

    __slots__ = ("_amounts", "_due", "_ticks")

    def __init__(self) -> None:
        super().__init__()
        self._ticks: list[int] = []
        self._amounts: list[int] = []
        self._due = _NEVER

    def take(self, amount: int, now: float) -> bool:
        """Set `amount` aside, or say that there is not enough yet."""
        if now >= self._due:
            self._recover(now)
        if self.room < amount:
            return False
        self.room -= amount
        return True

    def settle(self, held: int, actual: int, now: float) -> None:
        """End a hold; `actual` comes back in 60 seconds."""
        self.room += held - actual
        self._spend(actual, now)

    def free(self, now: float) -> int:
        """What may be taken now."""
        if now >= self._due:
            self._recover(now)
        return self.room

    def reset_s(self, now: float) -> float:
        """Seconds until all that was spent is back."""
        return max(0.0, _back_at(self._ticks[-1]) - now) if self._ticks else 0.0

    def wait_s(self, amount: int, now: float) -> float | None:
        """Seconds until `amount` is free by itself; None if what was spent here does not suffice."""
        room = self.free(now)
        if room >= amount:
            return 0.0
        for tick, spent in zip(self._ticks, self._amounts, strict=True):
            room += spent
            if room >= amount:
                return _back_at(tick) - now
        return None

    def _spend(self, amount: int, now: float) -> None:
        if not amount:
            return
        tick = int(now * _TICKS_PER_S)
        self.spent += amount
        if self._ticks and self._ticks[-1] >= tick:
            self._amounts[-1] += amount
            return
        if not self._ticks:
            self._due = _back_at(tick)
        self._ticks.append(tick)
        self._amounts.append(amount)

    def _recover(self, now: float) -> None:
        past = int(now * _TICKS_PER_S) - _TICKS_OF_WINDOW
        ticks = self._ticks
        count = 0
        while count < len(ticks) and ticks[count] <= past:
            count += 1
        back = sum(self._amounts[:count])
        self.spent -= back
        self.room += back
        del ticks[:count], self._amounts[:count]
        self._due = _back_at(ticks[0]) if ticks else _NEVER


class RequestPurse(TokenPurse):
    """Units in any 60 seconds, counted when the call is admitted: nothing is held, and nothing is refunded."""

    __slots__ = ()

    def take(self, amount: int, now: float) -> bool:
        """Spend `amount` now, or say that there is not enough yet."""
        if now >= self._due:
            self._recover(now)
        if self.room < amount:
            return False
        self.room -= amount
        self._spend(amount, now)
        return True

    def settle(self, held: int, actual: int, now: float) -> None:
        """Nothing: it was spent when the call was admitted."""

    def release(self, held: int) -> None:
        """Nothing: an admitted call counts."""

    def untake(self, amount: int) -> None:
        """Undo a `take` of this very moment."""
        self.room += amount
        self.spent -= amount
        self._amounts[-1] -= amount


_PURSES: dict[MeterKind, Callable[[], Purse]] = {
    "usd": Purse,
    "tokens": TokenPurse,
    "requests": RequestPurse,
    "concurrent": SlotPurse,
}


def purse_for(kind: MeterKind) -> Purse:
    """An empty purse of the kind."""
    return _PURSES[kind]()


def _back_at(tick: int) -> float:
    return (tick + _TICKS_OF_WINDOW) / _TICKS_PER_S
