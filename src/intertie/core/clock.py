"""Time as an argument: what a part needs of a clock, the real one, and one that tests turn by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: the wall (epoch seconds, may jump) for dates, the monotonic one (seconds) for durations."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...


class SystemClock:
    """The machine's clock."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class HandClock:
    """A clock that stands still until it is told to go on; the fake that ships with `Clock`."""

    def __init__(self, wall: float = 1_790_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall, self._monotonic = wall, monotonic

    def wall(self) -> float:
        """The wall as it was set."""
        return self._wall

    def monotonic(self) -> float:
        """The monotonic reading as it was set."""
        return self._monotonic

    def go_on(self, seconds: float) -> None:
        """Let both readings advance."""
        self._wall += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Let the wall clock jump, as a corrected machine clock does; the monotonic reading stays."""
        self._wall += seconds


_: tuple[Clock, Clock] = (SystemClock(), HandClock())
