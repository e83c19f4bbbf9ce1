"""Simulated distance: what an engine receives and sends takes as long as if it stood far away."""

import asyncio
import heapq
import random
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakSet

from intertie.core.clock import Clock

_EARLY_S = 0.000_5  # the loop's timers count milliseconds; what is due within half of one is due

_Parcel: TypeAlias = tuple[float, int, Callable[[], None]]


class Path:
    """The way between callers and one engine: half a round trip in each direction, plus jitter (exponential, its mean
    `jitter_s` per round trip).

    What is carried leaves in the order of its times; what has the same delay keeps its order.
    """

    def __init__(self, rtt_s: float, jitter_s: float, lots: random.Random, clock: Clock) -> None:
        self.rtt_s, self._jitter_s, self._lots, self._clock = rtt_s, jitter_s, lots, clock
        self._known: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._parcels: list[_Parcel] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_long(self) -> bool:
        """Whether there is any distance at all."""
        return self.rtt_s > 0 or self._jitter_s > 0

    def inbound(self, connection: asyncio.BaseTransport) -> float:
        """Seconds until a request has arrived; the first one of a connection also waited for its handshake."""
        fresh = connection not in self._known
        self._known.add(connection)
        return self.one_way() + (self.rtt_s if fresh else 0.0)

    def one_way(self) -> float:
        """Seconds of one direction, jitter drawn anew."""
        jitter = self._lots.expovariate(2 / self._jitter_s) if self._jitter_s > 0 else 0.0
        return self.rtt_s / 2 + jitter

    def carry(self, delay_s: float, deliver: Callable[[], None]) -> None:
        """Call `deliver` after the delay; at once if there is none."""
        if delay_s <= 0:
            deliver()
            return
        self._count += 1
        heapq.heappush(self._parcels, (self._clock.monotonic() + delay_s, self._count, deliver))
        if self._parcels[0][1] == self._count:
            self._arm()

    def close(self) -> None:
        """Drop what is still on its way."""
        self._parcels.clear()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._parcels:
            delay = max(0.0, self._parcels[0][0] - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        now = self._clock.monotonic() + _EARLY_S
        while self._parcels and self._parcels[0][0] <= now:
            heapq.heappop(self._parcels)[2]()
        self._arm()
