"""What a worker and the lender (in the control process) say to each other over their link, and what is lent.

A lease is a running account of one worker with one account: everything `granted` so far, all `returned` so
far, everything `settled` so far (folded from the worker's journal). All three only grow, so a message that is lost or
repeated does no harm: the larger figure holds. What the worker may still spend: granted - returned - its own spending.
"""

import msgspec

from intertie.core.keeping import Kept, Question, Stop


class Want(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """At least `amount` more of one account."""

    account: str
    amount: int


class Hello(msgspec.Struct, array_like=True, tag=1):
    """A worker's first word on a (new) link: who it is, and all it has returned so far, per account."""

    worker: str
    returned: dict[str, int] = {}


class Borrow(msgspec.Struct, array_like=True, tag=2):
    """A request for slices, answered by one `Lent` with the same ticket.

    All that one call needs is named, also what it already has (amount 0), so that two calls of different workers
    cannot keep taking from each other. If all amounts are 0 it asks for a slice only where there is plenty; without
    any it only confirms the leases.
    """

    ticket: int
    wants: tuple[Want, ...]


class Return(msgspec.Struct, array_like=True, tag=3):
    """All that this worker has ever returned of an account; also the answer to a `Recall`, when nothing is free."""

    account: str
    returned: int
    ticket: int = 0


class Lent(msgspec.Struct, array_like=True, tag=4):
    """All that was ever granted to this worker, per account asked for; and why one was refused.

    `scarce` names accounts of which leftovers are wanted back at once. `returned` is what the lender believes to be
    returned: more than the worker knows of, if the worker was taken for dead. `fault` is set if nothing could be lent
    because the books cannot be reached. Ticket 0 is no answer but the lender's word on a new link.
    """

    ticket: int
    granted: dict[str, int]
    scarce: tuple[str, ...] = ()
    refused: tuple["Refusal", ...] = ()
    returned: dict[str, int] = {}
    fault: str = ""


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Not lent: cap, what is settled and what is lent out (in the meter's unit)."""

    account: str
    cap: int
    settled: int
    lent: int


class Recall(msgspec.Struct, array_like=True, tag=5):
    """Please give back what is free of this account now; answer with `Return`, same ticket."""

    account: str
    ticket: int


class Publish(msgspec.Struct, array_like=True, tag=6):
    """A new snapshot (encoded). The worker answers `Adopted` or keeps the last good one and says why not."""

    version: int
    snapshot: bytes


class Adopted(msgspec.Struct, array_like=True, tag=7):
    """The worker now runs on this snapshot; `fault` is set if it could not."""

    version: int
    fault: str = ""


class Counters(msgspec.Struct, array_like=True, tag=8):
    """A worker's counters, gauges and histograms since its start, for the metrics page (see adapters.telemetry)."""

    body: bytes


FromWorker = Hello | Borrow | Return | Adopted | Counters | Question
FromLender = Lent | Recall | Publish | Kept | Stop
