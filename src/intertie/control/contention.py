"""Contention: what the lender knows of accounts that are short, and whether something may still come back.

A borrow is refused only when nobody who has a lease could still return some of it: each was asked and has answered, or
had its time to answer, and nothing came back in the last moment.
"""

from intertie.control.borrows import Pending
from intertie.core.ids import WorkerId
from intertie.store.books import LeaseRow

ANSWER_S = 0.5
"""How long a worker may take to answer a recall."""
ABSENT_S = 3.0
"""How long to wait for a lease whose worker is not on the line: it reconnects, is found dead, or is another host's."""
CHURN_S = 0.03
"""While units keep coming back nobody is refused: the next may be on its way."""
SCARCE_S = 10.0
"""How long an account stays scarce after the last recall: exact amounts are lent, leftovers come back at once."""
SILENT_S = 5.0
"""How long a worker that did not answer is not waited for again."""


class Contention:
    """What is known, by account and by worker. All moments are monotonic seconds."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._scarce_until: dict[str, float] = {}
        self._came_back: dict[str, float] = {}
        self._marked: dict[str, tuple[float, float]] = {}  # when other hosts were first and last told of it
        self._silent_until: dict[WorkerId, float] = {}

    def is_scarce(self, account: str, now: float) -> bool:
        """Whether leftovers are wanted back at once."""
        return now < self._scarce_until.get(account, now)

    def begin(self, account: str, now: float) -> None:
        """Someone is short of it."""
        self._scarce_until[account] = now + SCARCE_S

    def note_return(self, account: str, now: float) -> None:
        """Something came back."""
        self._came_back[account] = now

    def note_answer(self, worker: WorkerId) -> None:
        """The worker speaks."""
        self._silent_until.pop(worker, None)

    def note_mark(self, account: str, now: float) -> None:
        """Other hosts are told, again, that someone is short of it."""
        first, last = self._marked.get(account, (now, now))
        self._marked[account] = (now if now - last > SCARCE_S / 2 else first, now)

    def keeps_moving(self, account: str, now: float) -> bool:
        """Whether something came back in the last moment."""
        return now < self._came_back.get(account, now - CHURN_S) + CHURN_S

    def may_return(self, pending: Pending, lease: LeaseRow, *, linked: bool, now: float) -> bool:
        """Whether it makes sense to wait for the holder of this lease; `linked` if it can be asked directly."""
        key = (lease.worker, lease.account)
        if lease.worker == pending.worker or lease.ends is not None or key in pending.answered:
            return False
        if not linked:
            return now < self._absent_since(pending, lease) + ABSENT_S
        if now < self._silent_until.get(lease.worker, now):
            return False
        if now < pending.asked.get(key, now) + ANSWER_S:
            return True
        self._silent_until[lease.worker] = now + SILENT_S
        return False

    def _absent_since(self, pending: Pending, lease: LeaseRow) -> float:
        """Since when its holder could have heard. A host that heard of the shortage returns leftovers by itself."""
        if lease.host == self._host or lease.account not in self._marked:
            return pending.since
        return self._marked[lease.account][0]
