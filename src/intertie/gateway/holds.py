"""Leases and holds: what a worker has of an account, and what of it is set aside for one call."""

import asyncio
from collections import deque

import msgspec

from intertie.core.lending import Refusal
from intertie.core.principal import Meter, MeterKind
from intertie.core.record import Charge
from intertie.policy.limits import Purse, purse_for


def _lines(kind: bytes) -> bytes:
    return b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n" % (
        (kind,) * 3
    )


_SHOWN: dict[MeterKind, bytes] = {"requests": _lines(b"requests"), "tokens": _lines(b"tokens")}


class Lease:
    """What this worker has of one account. `low` is the room under which more is asked for before it is needed;
    `shown` the answer's header lines that tell where it stands.
    """

    __slots__ = (
        "account",
        "low",
        "meter",
        "money",
        "purse",
        "queue",
        "refusal",
        "rest_until",
        "scarce",
        "shown",
        "until",
    )

    def __init__(self, account: str, meter: Meter) -> None:
        self.account, self.meter = account, meter
        self.money = meter.kind == "usd"
        self.shown = _SHOWN.get(meter.kind, b"")
        self.until = float("inf")
        self.purse: Purse = purse_for(meter.kind)
        self.queue: deque[Waiter] = deque()
        self.low = 0
        self.scarce = False
        self.refusal: Refusal | None = None
        self.rest_until = 0.0


class Holds:
    """What was taken for one call: open, then settled or released, once."""

    __slots__ = ("open", "taken")

    def __init__(self, taken: list[tuple[Lease, int]]) -> None:
        self.taken = taken
        self.open = True

    def charges(self, cost_nano: int | None = None) -> tuple[Charge, ...]:
        """What a call of this cost pays, per account; without one, the money that it may cost at most."""
        if cost_nano is None:
            return tuple([Charge(lease.account, amount) for lease, amount in self.taken if lease.money])
        return tuple([Charge(lease.account, cost_nano) for lease, _ in self.taken if lease.money])

    def others(self, *models: str) -> "Holds | None":
        """Take out, as holds of their own, what meters of other models than these hold; None if there are none."""
        spared = [hold for hold in self.taken if hold[0].meter.model not in (None, *models)]
        if not spared:
            return None
        self.taken = [hold for hold in self.taken if hold not in spared]
        return Holds(spared)

    def close(self) -> None:
        """Mark as closed; a second time is a programming error."""
        assert self.open, "a hold is closed exactly once"
        self.open = False


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a limit stands as this worker sees it, for the `x-ratelimit-*` headers: units, and seconds until reset."""

    kind: MeterKind
    limit: int
    remaining: int
    reset_s: float


class Waiter:
    """A call that waits: what it needs, since when (monotonic), and whether a question of its own is open."""

    __slots__ = ("asked", "future", "needs", "since")

    def __init__(self, needs: list[tuple[Lease, int]], since: float) -> None:
        self.needs, self.since = needs, since
        self.future: asyncio.Future[Holds] = asyncio.get_running_loop().create_future()
        self.asked = False

    @property
    def leases(self) -> list[Lease]:
        """The leases it needs something of."""
        return [lease for lease, _ in self.needs]

    def is_first(self) -> bool:
        """Whether it is first in every queue it stands in."""
        return all(lease.queue[0] is self for lease, _ in self.needs)

    def give_up(self) -> None:
        """Wait no longer; what was answered already stays answered."""
        self.leave()
        self.future.cancel()

    def leave(self) -> None:
        """Leave all queues."""
        for lease, _ in self.needs:
            if self in lease.queue:
                lease.queue.remove(self)
