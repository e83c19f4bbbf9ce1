"""Turns the pure model in real time: one timer per engine, one pass over all sequences per step."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from intertie.core.clock import Clock
from intertie.sim.engine.batching import ContinuousBatch, Sequence

S = TypeVar("S", bound=Sequence)

_EARLY_S = 0.000_5  # the loop's timers count milliseconds
_LAG_S = 0.25  # an engine whose process was held up for longer is late for good; it does not hurry
_STEPS_PER_TURN = 8  # then the sockets are served again


class Pump(Generic[S]):
    """Steps a batch when it is due and tells `gained` which sequences have one more token."""

    def __init__(self, batch: ContinuousBatch[S], clock: Clock, gained: Callable[[list[S]], None]) -> None:
        self._batch, self._clock, self._gained = batch, clock, gained
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, sequence: S) -> None:
        """Queue a sequence now. Raises ValueError if it could never fit."""
        self._batch.submit(sequence, self._clock.monotonic())
        self._arm()

    def close(self) -> None:
        """Stop the engine where it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due = self._batch.next_event_at
        if self._timer is None and due is not None:
            delay = max(0.0, due - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for _ in range(_STEPS_PER_TURN):
            due = self._batch.next_event_at
            if due is None or due > now + _EARLY_S:
                break
            gained = self._batch.step(max(due, now - _LAG_S))
            if gained:
                self._gained(gained)
        self._arm()
