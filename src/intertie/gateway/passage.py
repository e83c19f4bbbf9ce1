"""A passage: one request on its way through the gateway, and what each step has found out so far.

Steps write their own finding and read those of earlier steps; `settle`, `respond` and `observe` tell the whole story
from it, whichever way the request ended.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from intertie.adapters.telemetry.traceparent import TraceContext
from intertie.core.call import Call
from intertie.core.chat import Chat
from intertie.core.faults import Fault
from intertie.core.ids import RequestId
from intertie.core.money import Nano
from intertie.core.plan import Plan
from intertie.core.principal import Principal
from intertie.core.record import Settled
from intertie.dialects.dialect import Conversion, Heard
from intertie.gateway.door import Door
from intertie.gateway.lane import Lane
from intertie.gateway.terms import Terms
from intertie.gateway.wallet import Holds
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.recent import Recent
from intertie.policy.routing.state import EndpointState, Flight
from intertie.policy.routing.table import Table
from intertie.wire.server import Request

UNANSWERED = Fault("The gateway failed to answer; this is a defect, and it was reported.")
"""The fault of a passage until it is answered or another is known: what a defect leaves behind is no success."""


class View(NamedTuple):
    """What one snapshot offers. A request keeps the view it began with, whatever is published while it waits."""

    tables: dict[str, Table]
    states: dict[str, EndpointState]
    lanes: dict[str, Lane]
    recent: Recent


class Attempt(msgspec.Struct):
    """One endpoint being tried. Times are monotonic seconds; `first_byte` is 0 until it spoke.

    `sent` tells whether the endpoint was given the request at all; `heard` is what it told of usage so far.
    """

    lane: Lane
    number: int
    started: float
    heard: Heard
    first_byte: float = 0.0
    ended: float = 0.0
    sent: bool = False
    flight: Flight | None = None


class Passage(msgspec.Struct):
    """See the module. `name` is the request's id; `body` a whole answer (`kind` its media type), or the tail of a
    stream that has begun.

    `begun` is when, in seconds since 1970; `status` is 0 until there is an answer; `trace` our span, where spans are
    wanted; `chat` the call in the words of all dialects, or `conversion` how it is turned, where the endpoint speaks
    another than the caller; `dropped` what that endpoint could not be told.

    `asked` is the call as its caller made it, where `call` is what it stands for (see `expand`); its response is to be
    `kept_as` this id, and `kept` tells whether it is, None where nobody asked or it is not known yet.
    """

    name: RequestId
    sequence: int
    view: View
    request: Request
    door: Door
    begun: int
    call: Call | None = None
    asked: Call | None = None
    kept_as: str = ""
    kept: bool | None = None
    principal: Principal | None = None
    terms: Terms | None = None
    choice: Choice | None = None
    holds: Holds | None = None
    plan: Plan | None = None
    attempt: Attempt | None = None
    chat: Chat | None = None
    conversion: Conversion | None = None
    dropped: Sequence[str] = ()
    fault: Fault | None = UNANSWERED
    row: Settled | None = None
    cost: Nano | None = None
    status: int = 0
    body: bytes = b""
    kind: bytes = b"application/json"
    trace: TraceContext | None = None

    @property
    def attempts(self) -> int:
        """How many endpoints were tried so far."""
        return self.attempt.number if self.attempt else 0

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.call is not None and self.call.stream

    @property
    def lane(self) -> Lane:
        """The endpoint being tried."""
        assert self.attempt is not None
        return self.attempt.lane

    def expected_ttft_s(self) -> float:
        """What the plan expects of the endpoint being tried, in seconds."""
        assert self.plan is not None
        wanted = self.lane.endpoint.id
        for candidate in self.plan.candidates:
            if candidate.endpoint == wanted:
                return candidate.ttft_ms / 1_000
        return 0.0


now = time.monotonic
"""The one clock of durations within a passage, in seconds: the loop's own only ticks in milliseconds."""
