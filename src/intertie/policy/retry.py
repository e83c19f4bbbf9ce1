"""Whether a failed attempt may be tried again: the one place that decides it.

Before the first byte only, where another endpoint may do better, and only while retries stay a small share of the
traffic: when everything fails, retries make it worse. A plan names each endpoint once, so none is tried twice.
"""

from intertie.config.snapshot import RetryPolicy
from intertie.core.faults import Fault

WINDOW_S = 10


class RetryBudget:
    """Requests and retries of the last ten seconds, in panes of one second. Times are monotonic seconds."""

    __slots__ = ("_epochs", "_requests", "_retries")

    def __init__(self) -> None:
        self._epochs, self._requests, self._retries = [-1] * WINDOW_S, [0] * WINDOW_S, [0] * WINDOW_S

    def requested(self, now: float) -> None:
        """Count a caller's request (not its retries)."""
        self._requests[self._pane(now)] += 1

    def take(self, now: float, policy: RetryPolicy) -> bool:
        """Take room for one retry, if the share of recent requests, or the floor where traffic is thin, leaves any."""
        pane, oldest = self._pane(now), int(now) - WINDOW_S
        recent = [index for index in range(WINDOW_S) if self._epochs[index] > oldest]
        room = max(policy.budget_floor, policy.budget_share * sum(self._requests[index] for index in recent))
        if sum(self._retries[index] for index in recent) + 1 > room:
            return False
        self._retries[pane] += 1
        return True

    def _pane(self, now: float) -> int:
        epoch = int(now)
        pane = epoch % WINDOW_S
        if self._epochs[pane] != epoch:
            self._epochs[pane], self._requests[pane], self._retries[pane] = epoch, 0, 0
        return pane


def may_retry(
    fault: Fault, committed: bool, attempts: int, policy: RetryPolicy, budget: RetryBudget, now: float
) -> bool:
    """Whether to try another endpoint after `attempts` attempts, the last of which ended in `fault`.

    `committed` is true once a byte of the answer went to the caller. A yes is taken from the budget.
    """
    return not committed and fault.elsewhere and attempts < policy.max_attempts and budget.take(now, policy)
