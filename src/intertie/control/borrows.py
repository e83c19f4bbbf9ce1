"""Borrows that wait for the lender, the line they came on, and what one round of lending decides."""

from typing import Protocol

from intertie.core.ids import WorkerId
from intertie.core.lending import Borrow, FromLender, Lent, Recall
from intertie.store.books import Books


class WorkerLink(Protocol):
    """What the lender needs of the link to a worker."""

    def send(self, message: FromLender) -> None:
        """Send, or drop if the link is down."""
        ...


class RecordingLink:
    """A link that remembers what was sent; the fake that ships with `WorkerLink`."""

    def __init__(self) -> None:
        self.sent: list[FromLender] = []

    def send(self, message: FromLender) -> None:
        """Remember the message."""
        self.sent.append(message)


_: WorkerLink = RecordingLink()


class Pending:
    """A borrow in the queue, and the recalls made for it: by worker and account, asked when and answered or not."""

    __slots__ = ("accounts", "answered", "asked", "borrow", "number", "since", "worker")

    def __init__(self, number: int, worker: WorkerId, borrow: Borrow, since: float) -> None:
        self.number, self.worker, self.borrow, self.since = number, worker, borrow, since
        self.accounts = {want.account for want in borrow.wants}
        self.asked: dict[tuple[WorkerId, str], float] = {}
        self.answered: set[tuple[WorkerId, str]] = set()

    @property
    def tops_up(self) -> bool:
        """Whether it is about having more at hand, not about a call that waits."""
        return not any(want.amount for want in self.borrow.wants)


class Round:
    """What one transaction decided: to be sent once it is committed."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.blocked: set[str] = set()
        self.lent: list[tuple[Pending, Lent]] = []
        self.recalls: list[tuple[WorkerId, Recall]] = []
        self.marks: set[str] = set()
