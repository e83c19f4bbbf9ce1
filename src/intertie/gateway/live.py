"""What a worker holds while it runs: the snapshot and all that is made of it, its books, its counters.

A new snapshot is prepared whole and then swapped in one assignment; endpoints that did not change keep their
connections and what was measured of them.
"""

import asyncio
from datetime import UTC, datetime
from random import Random

from intertie.adapters.telemetry.counters import Meters
from intertie.adapters.telemetry.requestlog import RequestLog
from intertie.adapters.telemetry.spans import Spans
from intertie.adapters.telemetry.traceparent import begin
from intertie.config.snapshot import Snapshot
from intertie.core.clock import Clock
from intertie.core.endpoint import Endpoint
from intertie.core.ids import RequestId, WorkerId, request_id
from intertie.core.keeping import Question
from intertie.core.plan import Plan
from intertie.core.principal import Principal
from intertie.gateway.archive import Archive
from intertie.gateway.door import Door
from intertie.gateway.lane import Lane
from intertie.gateway.making import Makings
from intertie.gateway.passage import Passage, View
from intertie.gateway.reach import Reach
from intertie.gateway.terms import Terms, terms_of
from intertie.gateway.wallet import Wallet
from intertie.policy.retry import RetryBudget
from intertie.policy.routing.recent import Recent
from intertie.policy.routing.state import EndpointState, live_states
from intertie.policy.routing.table import Table, build_table
from intertie.store.journal import JournalWriter
from intertie.wire.server import Request


class Books:
    """Where money and facts are written: the wallet, the journal, the counters, and the log if requests are logged."""

    __slots__ = ("journal", "log", "meters", "wallet")

    def __init__(self, wallet: Wallet, journal: JournalWriter, meters: Meters, log: RequestLog | None) -> None:
        self.wallet, self.journal, self.meters, self.log = wallet, journal, meters, log


class Live:
    """See the module. `lottery` draws the lots of the router; `ready` is false before the first and while draining.

    `streams` of the requests `in_flight` have begun to be answered; `spans` is set where a collector wants them, and
    `archive` where somebody keeps responses; `makings` are those that are made in the background.
    """

    def __init__(self, worker: WorkerId, clock: Clock, lottery: Random, books: Books, reach: Reach) -> None:
        self.worker = worker
        self.clock = clock
        self.lot = lottery.random
        self.spans: Spans | None = None
        self.wallet, self.journal, self.meters, self.log = books.wallet, books.journal, books.meters, books.log
        self.loop = asyncio.get_running_loop()
        self.snapshot = Snapshot(version=0)
        self.tables: dict[str, Table] = {}
        self.lanes: dict[str, Lane] = {}
        self.states: dict[str, EndpointState] = {}
        self.view = View(self.tables, self.states, self.lanes, Recent())
        self.archive = Archive(_nobody)
        self.makings = Makings(reach.tasks)
        self.retries = RetryBudget()
        self.ready = False
        self.in_flight = self.streams = 0
        self._lottery = lottery
        self._sequence = 0
        self._second, self._stamp = 0, ""
        self._terms: dict[tuple[str, str], Terms] = {}
        self._reach = reach

    def adopt(self, snapshot: Snapshot) -> None:
        """Run on this snapshot from now on. Raises a Fault, and changes nothing, if it cannot be used."""
        tables = {name: build_table(snapshot, name) for name in _public_names(snapshot)}
        states = live_states(snapshot, self.states)
        lanes = {one.id: self._lane(one, snapshot, states[one.id]) for one in snapshot.endpoints.values()}
        kept = {id(lane.pool) for lane in lanes.values()}
        left = [lane.pool for lane in self.lanes.values() if id(lane.pool) not in kept]
        self.snapshot, self.tables, self.lanes, self.states = snapshot, tables, lanes, states
        self.view = View(tables, states, lanes, Recent())
        self._terms = {}
        for pool in left:
            self._reach.leave(pool)

    def terms_of(self, principal: Principal, model: str) -> Terms:
        """The terms on which a principal uses a model. Raises InvalidRequest if its own wishes make no sense."""
        terms = self._terms.get((principal.key_id, model))
        if terms is None:
            terms = terms_of(self.snapshot, self.tables[model], principal)
            self._terms[principal.key_id, model] = terms
        return terms

    def next_name(self) -> RequestId:
        """The id of an answer that no passage stands behind."""
        self._sequence += 1
        return request_id(self.worker, self._sequence)

    def open(self, request: Request, door: Door) -> Passage:
        """A new passage, with the next sequence number of this worker."""
        self._sequence += 1
        self.in_flight += 1
        name, begun = request_id(self.worker, self._sequence), int(self.clock.wall())
        passage = Passage(name, self._sequence, self.view, request, door, begun)
        if self.spans is not None:
            headers = request.headers
            passage.trace = begin(headers.get(b"traceparent", b""), headers.get(b"tracestate", b""), self._lottery)
        return passage

    def close(self, passage: Passage) -> None:
        """A passage is over."""
        self.in_flight -= 1
        if passage.status and passage.call is not None and passage.call.stream:
            self.streams -= 1

    def stamp(self, wall: float) -> str:
        """A moment as ISO 8601 in UTC with milliseconds; the second is worked out once."""
        second = int(wall)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._stamp}{int((wall - second) * 1_000):03d}Z"

    def pack_plan(self, plan: Plan | None) -> bytes:
        """The plan as it is journalled, for replay; empty if there is none or plans are not recorded."""
        return plan.packed if plan is not None and self.snapshot.record_plans else b""

    def _lane(self, endpoint: Endpoint, snapshot: Snapshot, state: EndpointState) -> Lane:
        site = snapshot.sites[endpoint.site]
        old = self.lanes.get(endpoint.id)
        if old is not None and old.serves(endpoint) and snapshot.upstream == self.snapshot.upstream:
            return Lane(endpoint, site, old.pool, state)
        on_rtt = state.connected
        if site.rtt_ms is not None:  # the operator's word stands where a proxy or a tunnel would hide the real distance
            on_rtt, state.rtt_s = None, site.rtt_ms / 1_000
        return Lane(endpoint, site, self._reach.pool(endpoint, snapshot.upstream, on_rtt), state)


def _nobody(question: Question) -> None:
    """Nothing is kept where nobody hears."""


def _public_names(snapshot: Snapshot) -> set[str]:
    return {one.model for one in snapshot.endpoints.values()} | set(snapshot.routes)
