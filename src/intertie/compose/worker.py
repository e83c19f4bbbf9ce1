"""A gateway worker: one event loop that serves the data port. Lean on purpose: no SQL, no YAML, no numpy.

It starts from what the control process publishes, or, if that is away, from `<state>/snapshot.bin`. While the
control process is away it serves on what it holds and tries the link again and again.
"""

import asyncio
import gc
import logging
import os
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom

import msgspec
import uvloop

from intertie.adapters.telemetry.counters import Gauges, Meters
from intertie.adapters.telemetry.requestlog import RequestLog
from intertie.adapters.telemetry.spans import open_spans
from intertie.compose.children import EXIT_CONFIG, PRIVATE, ChildOrders, Reporter, read_orders
from intertie.compose.events import hear_logging, tell
from intertie.compose.orders import WorkerSettings
from intertie.config.snapshot import Snapshot, unpack
from intertie.core.clock import SystemClock
from intertie.core.faults import ConfigFault, Fault, StoreFault
from intertie.core.ids import worker_id
from intertie.core.keeping import Kept, Stop
from intertie.core.lending import Adopted, Counters, FromLender, FromWorker, Lent, Publish, Recall
from intertie.gateway.archive import Archive
from intertie.gateway.front import Front
from intertie.gateway.live import Books, Live
from intertie.gateway.making import Makings
from intertie.gateway.reach import Reach
from intertie.gateway.wallet import Wallet
from intertie.store.journal import JournalWriter
from intertie.wire.link import LinkClient
from intertie.wire.server import Server
from intertie.wire.tasks import Tasks
from intertie.wire.tls import server_context

_COUNTERS_EVERY_S = 1.0
_RELINK_S = 0.1
_DRAIN_LOOK_S = 0.05
_LAST_WORDS_S = 2.0
_PUBLISH_WAIT_S = 3.0
_STDOUT = 1
_GC_THRESHOLDS = (20_000, 20, 50)
"""A request leaves few cycles behind; collecting after every 700 allocations would cost more than it frees."""


def _decoder() -> msgspec.msgpack.Decoder[FromLender]:
    return msgspec.msgpack.Decoder(FromLender)


class Worker:
    """Wires one worker together and keeps its link to the control process."""

    def __init__(self, orders: ChildOrders, settings: WorkerSettings, tasks: Tasks) -> None:
        clock, state = SystemClock(), Path(orders.state_dir)
        self._state, self._tasks = state, tasks
        self.id = worker_id(clock.wall(), SystemRandom().getrandbits(40))
        self._link: LinkClient[FromLender] = LinkClient(settings.control_socket, _decoder(), self._hear, self._lost)
        self._wallet = Wallet(self.id, self._say, clock)
        self._meters = Meters(f"worker-{orders.slot}")
        self._journal = JournalWriter(state / "journal", self.id, settings.journal_fsync)
        self._log = RequestLog(_STDOUT)
        self._name = f"worker-{orders.slot}"
        self._traced_to = ""
        self._tracing = asyncio.Lock()
        self._server: Server | None = None
        self._has_snapshot = asyncio.Event()
        books = Books(self._wallet, self._journal, self._meters, self._log)
        self.live = Live(self.id, clock, Random(SystemRandom().getrandbits(64)), books, Reach(tasks, settings.proxy))
        self.live.archive = Archive(self._say)

    async def first_snapshot(self, stop: asyncio.Event) -> Snapshot | None:
        """The snapshot to start from: what is published, or the last good one on disk; None if told to stop.

        The one on disk may not know the newest keys, so it is taken only if the control process is away for long.
        """
        self._tasks.start(self._keep_linked())
        waits = [self._tasks.start(event.wait()) for event in (self._has_snapshot, stop)]
        await asyncio.wait(waits, timeout=_PUBLISH_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if not self._has_snapshot.is_set() and not stop.is_set():
            with suppress(OSError, msgspec.DecodeError, Fault):
                self._adopt(unpack((self._state / "snapshot.bin").read_bytes()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return self.live.snapshot if self._has_snapshot.is_set() else None

    def count(self, server: Server) -> None:
        """Begin to report counters, with the server's gauges among them."""
        self._server = server
        self._tasks.start(self._report())

    async def trace(self) -> None:
        """Send spans where the snapshot in force says, if anywhere. Loading the SDK and its good-bye take a thread."""
        async with self._tracing:
            endpoint = self.live.snapshot.otlp_endpoint
            if endpoint == self._traced_to:
                return
            old, self.live.spans, self._traced_to = self.live.spans, None, endpoint
            try:
                if endpoint:
                    hear_logging("opentelemetry", logging.WARNING)
                    self.live.spans = await asyncio.to_thread(open_spans, endpoint, self._name)
            except ConfigFault as fault:
                tell("spans_off", worker=self.id, why=fault.message)
            if old is not None:
                await asyncio.to_thread(old.close)

    async def close(self) -> None:
        """Give back what is free, tell the last counts, write what waits."""
        self._wallet.leave()
        self._say(Counters(self._counted()))
        await self._link.close()
        self._journal.close()
        self._log.close()
        if self.live.spans is not None:
            await asyncio.to_thread(self.live.spans.close)

    def _adopt(self, snapshot: Snapshot) -> None:
        if snapshot.version <= self.live.snapshot.version:
            return
        self.live.log = self._log if snapshot.log_requests else None
        self.live.adopt(snapshot)
        if self._has_snapshot.is_set():
            self._tasks.start(self.trace())
        self._has_snapshot.set()

    def _hear(self, message: FromLender) -> None:
        match message:
            case Publish():
                self._published(message)
            case Lent() | Recall():
                self._wallet.on_message(message)
            case Kept():
                self.live.archive.on_message(message)
            case Stop():
                self.live.makings.stop(message.id)

    def _published(self, message: Publish) -> None:
        try:
            self._adopt(unpack(message.snapshot))
        except (msgspec.DecodeError, Fault) as error:
            tell("snapshot_refused", worker=self.id, version=message.version, why=str(error))
            self._link.send(Adopted(message.version, str(error)))
        else:
            self._link.send(Adopted(message.version))

    def _say(self, message: FromWorker) -> None:
        if self._link.up:
            self._link.send(message)

    def _lost(self) -> None:
        self._wallet.on_link(False)
        self.live.archive.on_link(False)

    async def _keep_linked(self) -> None:
        while True:
            if not self._link.up:
                await self._try_link()
            await asyncio.sleep(_RELINK_S)

    async def _try_link(self) -> None:
        try:
            await self._link.connect()
        except OSError:
            return
        try:
            self._link.send(self._wallet.hello())
            self._wallet.on_link(True)
            self.live.archive.on_link(True)
        except (OverflowError, ValueError) as error:  # a figure, or a message, that does not fit the link
            tell("link_refused", worker=self.id, why=str(error))
            self._lost()
            await self._link.close()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_COUNTERS_EVERY_S)
            self._say(Counters(self._counted()))
            self._wallet.tick()

    def _counted(self) -> bytes:
        live, meters = self.live, self._meters
        queued = {name: lane.pool.waiting for name, lane in live.lanes.items() if lane.pool.waiting}
        connections = self._server.connections if self._server else 0
        meters.gauges = Gauges(live.in_flight, live.streams, connections, queued)
        meters.journal_bytes, meters.log_dropped = self._journal.written, self._log.dropped
        return meters.snapshot()


def _crashed(error: BaseException) -> None:
    tell("crash", where="worker", error="".join(traceback.format_exception(error, limit=-8)))


async def run(orders: ChildOrders, line: socket.socket) -> int:
    """Serve until told to stop; returns the exit status when all is answered or the drain limit is over."""
    tasks = Tasks(_crashed)
    settings = orders.settings_as(WorkerSettings)
    try:
        tls = server_context(settings.tls_cert, settings.tls_key) if settings.tls_cert else None
    except OSError as error:
        tell("cannot_start", why=f"the certificate {settings.tls_cert} or its key cannot be used: {error}")
        return EXIT_CONFIG
    try:
        worker = Worker(orders, settings, tasks)
    except StoreFault as fault:
        tell("cannot_start", why=fault.message)
        return os.EX_IOERR
    reporter = await Reporter.open(orders, line, lambda: worker.live.in_flight)
    snapshot = await worker.first_snapshot(reporter.drain)
    if snapshot is not None:
        await worker.trace()
        server = Server(Front(worker.live), snapshot.server, _crashed)
        for listener in orders.listeners():
            await server.listen(listener, tls)
        worker.count(server)
        worker.live.ready = True
        reporter.ready()
        await reporter.drain.wait()
        worker.live.ready = False
        reporter.draining()
        await _drain(server, worker.live.makings, reporter.force)
    await worker.close()
    reporter.close()
    await tasks.close(1.0)
    return 0


async def _drain(server: Server, makings: Makings, force: asyncio.Event) -> None:
    """Take nothing new; until every caller has left (idle ones are given time to go in peace) and what is made in the
    background is made, or told to end now.
    """
    server.drain()
    while (server.connections or makings) and not force.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_LOOK_S):
                await force.wait()
    await makings.close(_LAST_WORDS_S)
    await server.close(0)


def main() -> None:
    """The entry point of `python -m intertie.compose.worker FD`."""
    os.umask(PRIVATE)
    orders, line = read_orders(sys.argv)
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.exit(uvloop.run(run(orders, line)))


if __name__ == "__main__":
    main()
