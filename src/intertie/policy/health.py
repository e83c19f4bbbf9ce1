"""Health of an endpoint: a circuit breaker that opens on failures, is probed half-open, and closes on success.

    closed ──(N failures in a row, or more than half of 20 and more in 60 s)──▶ open
    open ──(its time is over)──▶ half-open ──(`close_after` good probes)──▶ closed
    half-open ──(a bad probe)──▶ open, for twice as long, up to a cap

The figures of the windows are those of Envoy's outlier detection and of SGLang's gateway. The breaker knows nothing of
faults: the caller says what counts (a busy or refusing endpoint is not ill).
"""

from typing import Literal

from intertie.config.snapshot import BreakerPolicy

Health = Literal["closed", "open", "half_open"]

WINDOW_S = 60.0
WINDOW_SHARE = 0.5
WINDOW_LEAST = 20
JITTER = 0.2
CALM_S = 60.0
"""Closed for so long, an endpoint has earned a short first opening again."""

_PANES = 6
_PANE_S = WINDOW_S / _PANES


class Tally:
    """Good and bad outcomes of the last minute, in six panes of ten seconds."""

    __slots__ = ("_bad", "_epochs", "_good")

    def __init__(self) -> None:
        self._epochs, self._good, self._bad = [-1] * _PANES, [0] * _PANES, [0] * _PANES

    def add(self, now: float, good: bool) -> None:
        """Count one outcome at monotonic time `now`."""
        epoch = int(now / _PANE_S)
        pane = epoch % _PANES
        if self._epochs[pane] != epoch:
            self._epochs[pane], self._good[pane], self._bad[pane] = epoch, 0, 0
        (self._good if good else self._bad)[pane] += 1

    def mostly_bad(self, now: float) -> bool:
        """Whether there were enough outcomes to judge and more than half of them were bad."""
        oldest = int(now / _PANE_S) - _PANES
        panes = [pane for pane in range(_PANES) if self._epochs[pane] > oldest]
        bad = sum(self._bad[pane] for pane in panes)
        every = bad + sum(self._good[pane] for pane in panes)
        return every >= WINDOW_LEAST and bad > WINDOW_SHARE * every


class Breaker:
    """The state machine above, for one endpoint. Times are monotonic seconds; jitter is a number in [0, 1).

    `closed` is a plain attribute because it is read for every candidate of every request.
    """

    __slots__ = ("_good_probes", "_in_a_row", "_probing", "_tally", "_trips", "closed", "open_until", "policy")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.closed = True
        self.open_until = 0.0
        self._tally = Tally()
        self._in_a_row = self._good_probes = self._probing = self._trips = 0

    def state(self, now: float) -> Health:
        """Where the machine stands at `now`."""
        if self.closed:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def admits(self, now: float) -> bool:
        """Whether a request may be sent: always when closed, never when open, one at a time when half-open."""
        return self.closed or (now >= self.open_until and self._probing == 0)

    def dispatched(self) -> bool:
        """A request goes out. Whether it is a probe; the answer comes back with the request's end."""
        self._probing += not self.closed
        return not self.closed

    def left(self, probe: bool) -> None:
        """A request ended without telling anything of the endpoint's health."""
        self._probing -= probe

    def succeeded(self, now: float, probe: bool) -> None:
        """A request was answered. Of those sent before the opening nothing is learned."""
        self._tally.add(now, good=True)
        self._in_a_row = 0
        if not probe:
            return
        self._probing -= 1
        self._good_probes += 1
        if self._good_probes >= self.policy.close_after:
            self.closed, self._tally = True, Tally()

    def failed(self, now: float, probe: bool, jitter: float) -> None:
        """A request failed by the endpoint's doing."""
        self._tally.add(now, good=False)
        self._in_a_row += 1
        if probe:
            self._probing -= 1
            self._open(now, jitter)
        elif self.closed and (self._in_a_row >= self.policy.failures or self._tally.mostly_bad(now)):
            if now - self.open_until > CALM_S:
                self._trips = 0
            self._open(now, jitter)

    def _open(self, now: float, jitter: float) -> None:
        seconds = min(self.policy.open_s * 2.0 ** min(self._trips, 30), self.policy.max_open_s)
        self.open_until = now + seconds * (1 - JITTER + 2 * JITTER * jitter)
        self.closed = False
        self._trips += 1
        self._good_probes = self._in_a_row = 0
