"""What a worker and the control process say to each other of responses that callers come back to.

Workers speak to no database. Each question (`Keep`, `Fetch`, `Forget`, `Cancel`) is answered by one `Kept` with its
ticket. Bodies are the worker's own affair; whoever owns a response is told by a word that only the worker understands.
"""

from typing import Literal, TypeAlias

import msgspec

KeptState: TypeAlias = Literal["making", "done", "cancelled", "lost"]
"""making: its worker still makes it · done · cancelled: its caller wants it no more · lost: its worker died."""

Phase: TypeAlias = Literal["whole", "begun", "ended"]
"""whole: kept all at once · begun: made in the background from now on · ended: what came of one that was begun."""


class Keep(msgspec.Struct, array_like=True, tag=9):
    """Please keep a response for its owner until `expires` (epoch seconds). `previous` is the one it builds on.

    What came of one that was begun replaces what was kept then, unless that was deleted or cancelled meanwhile.
    """

    ticket: int
    owner: str
    id: str
    previous: str
    expires: float
    body: bytes
    phase: Phase = "whole"


class Fetch(msgspec.Struct, array_like=True, tag=10):
    """Please give a response of this owner; with `chain` all that it builds on, too."""

    ticket: int
    owner: str
    id: str
    chain: bool = False


class Forget(msgspec.Struct, array_like=True, tag=11):
    """Please delete a response of this owner."""

    ticket: int
    owner: str
    id: str


class Cancel(msgspec.Struct, array_like=True, tag=12):
    """Nobody wants this response any more: if it is still being made, let that end."""

    ticket: int
    owner: str
    id: str


class KeptRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A response as it is kept: how far it is, and the worker's bytes."""

    state: KeptState
    body: bytes


class Kept(msgspec.Struct, array_like=True, tag=13):
    """The answer: what is kept, the oldest first, nothing if it is not there (or another's: nobody learns which).

    `cut` tells that a chain is longer than may be told, and `fault` why nothing could be done.
    """

    ticket: int
    records: tuple[KeptRecord, ...] = ()
    cut: bool = False
    fault: str = ""


class Stop(msgspec.Struct, array_like=True, tag=14):
    """A response that this worker makes in the background is not wanted any more."""

    id: str


Question: TypeAlias = Keep | Fetch | Forget | Cancel
