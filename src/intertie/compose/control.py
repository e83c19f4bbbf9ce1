"""The control process of a host: publishes snapshots, lends to workers, folds their journals, tells of alerts, and
answers the control port (metrics). It is the only process that speaks to the database.
"""

import asyncio
import os
import socket
import stat
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import msgspec
import uvloop

from intertie.adapters.telemetry.prometheus import MetricsPage
from intertie.compose.children import EXIT_CONFIG, PRIVATE, ChildOrders, Reporter, read_orders
from intertie.compose.control_page import ControlPage
from intertie.compose.events import hear_logging, tell
from intertie.compose.health import LIMITS
from intertie.compose.orders import ControlSettings
from intertie.compose.secret_sources import sources
from intertie.compose.tally import Tally
from intertie.compose.webhooks import Webhooks
from intertie.config.document import configured
from intertie.config.settings import Settings, environment
from intertie.config.snapshot import Snapshot, pack
from intertie.control.alerts import Alerter
from intertie.control.archivist import Archivist
from intertie.control.budgets import BudgetWatch
from intertie.control.folder import Folder
from intertie.control.keys import KeyCabinet
from intertie.control.lender import Lender
from intertie.control.pepper import pepper_of
from intertie.control.publish import Audience, Inputs, Publisher
from intertie.control.secrets import SecretKeeper
from intertie.control.sweeper import Sweeper
from intertie.core.alert import BudgetAlert
from intertie.core.clock import SystemClock
from intertie.core.faults import ConfigFault, Fault, SecretFault, StoreFault
from intertie.core.ids import WorkerId
from intertie.core.keeping import Cancel, Fetch, Forget, Keep
from intertie.core.lending import Adopted, Counters, FromWorker, Hello, Publish
from intertie.store.database import Database
from intertie.store.migrate import migrate
from intertie.wire.link import LinkServer, Peer
from intertie.wire.server import Server
from intertie.wire.tasks import Tasks

_PUBLISH_EVERY_S = 0.5
_QUIET_POLLS = 3


class Control:
    """Wires the parts of the control process together. `start` makes it ready, `close` ends it when all is folded."""

    def __init__(self, orders: ChildOrders, extra: ControlSettings, settings: Settings, tasks: Tasks) -> None:
        state, clock = Path(orders.state_dir), SystemClock()
        journals = state / "journal"
        journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        host = _host_id(state)
        self._tasks, self._workers = tasks, dict[Peer[FromWorker], WorkerId]()
        self._alone = asyncio.Event()
        self.database = Database(settings.database_url)
        self.lender = Lender(self.database, host, clock)
        self.archivist = Archivist(self.database, host, clock)
        self.folder = Folder(self.database, journals, host, clock)
        self.sweeper = Sweeper(self.database, self.folder, journals, host, clock)
        webhooks = Webhooks(settings.egress.allow_private)
        self.alerter = Alerter(self.database, host, clock, _tell_alert, webhooks.post, tasks)
        self.budgets = BudgetWatch(self.database, clock)
        self.tally = Tally(state / "counters.bin", journals)
        self.page = ControlPage(MetricsPage(self.tally.totals, self.budgets.left))
        cabinet = KeyCabinet(self.database, pepper_of(state, settings.secret), clock, os.urandom)
        inputs = Inputs(str(state), dict(extra.flags), environment())
        kept = sources(settings, inputs.environ, clock)
        self.secrets = SecretKeeper(kept, clock, settings.secrets.refresh_s, _tell_kept)
        self.publisher = Publisher(inputs, cabinet, clock, Audience(self._publish, _tell_fault), self.secrets)
        socket_path = Path(extra.control_socket)
        self._run = socket_path.parent
        _make_private(self._run)
        decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)
        self._link = LinkServer(socket_path, decoder, self._hear, _greeted_by_hello, self._closed)

    async def start(self) -> None:
        """Bring the database up to date, publish, listen for workers. Raises ConfigFault or StoreFault."""
        await migrate(self.database)
        await self.publisher.start()
        await self.lender.beat()
        await self._link.listen()
        for loop in (
            self.lender.run(),
            self.lender.watch(),
            self.archivist.write(),
            self.archivist.read(),
            self.archivist.watch(),
            self.archivist.sweep(),
            self.folder.run(),
            self.sweeper.run(),
            self.alerter.run(self.folder.reached),
            self.budgets.run(),
            self.tally.run(),
            self.publisher.watch(_PUBLISH_EVERY_S),
            self.secrets.run(),
        ):
            self._tasks.start(loop)
        self.page.ready = True

    async def until_alone(self, limit: asyncio.Event) -> None:
        """Until no worker is linked any more, or the limit is over."""
        if self._workers:
            waits = [self._tasks.start(event.wait()) for event in (self._alone, limit)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """End once the journals are folded; workers are gone or about to go."""
        self.page.ready = False
        await self.sweeper.sweep()
        quiet = 0
        while quiet < _QUIET_POLLS:
            quiet = 0 if await self.folder.fold_some() else quiet + 1
        await self.sweeper.sweep()
        await self._link.close()
        await self._tasks.close(1.0)
        self.tally.save()
        await self.database.close()
        with suppress(OSError):
            self._run.rmdir()

    def _publish(self, snapshot: Snapshot) -> None:
        self.lender.adopt(snapshot.meters)
        self.alerter.adopt(snapshot.meters)
        self.budgets.adopt(snapshot.meters)
        message = Publish(snapshot.version, pack(snapshot))
        for peer in self._workers:
            peer.send(message)

    def _hear(self, peer: Peer[FromWorker], message: FromWorker) -> None:
        if isinstance(message, Counters):
            if worker := self._workers.get(peer):
                self.tally.merge(worker, message.body)
        elif isinstance(message, Adopted):
            if message.fault:
                tell("snapshot_refused", worker=self._workers.get(peer, ""), why=message.fault)
        elif isinstance(message, Keep | Fetch | Forget | Cancel):
            if worker := self._workers.get(peer):
                self.archivist.on_message(peer, worker, message)
        else:
            if isinstance(message, Hello):
                self._greet(peer, message.worker)
            self.lender.on_message(peer, message)

    def _greet(self, peer: Peer[FromWorker], worker: WorkerId) -> None:
        self._workers[peer] = worker
        self.archivist.on_linked(peer, worker)
        self._alone.clear()
        if (snapshot := self.publisher.snapshot) is not None:
            peer.send(Publish(snapshot.version, pack(snapshot)))

    def _closed(self, peer: Peer[FromWorker]) -> None:
        worker = self._workers.pop(peer, None)
        self.lender.on_gone(peer)
        self.archivist.on_gone(peer)
        if not self._workers:
            self._alone.set()
        if worker is not None:
            self.tally.totals.silent(worker)
            self.sweeper.wake()


def _greeted_by_hello(peer: Peer[FromWorker]) -> None:
    """A worker is known from its first word on."""


def _make_private(folder: Path) -> None:
    """A folder that only we may enter: whoever could listen there in our place would lend to our workers."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():  # a link, or made by somebody else
            raise ConfigFault("this must be a folder, and our own", file=str(folder), hint="remove it")
        folder.chmod(0o700)
    except OSError as error:
        raise ConfigFault(f"this folder cannot be made private: {error.strerror}", file=str(folder)) from None


def _host_id(state: Path) -> str:
    """This host's name in the shared books: made once, kept in the state folder."""
    path = state / "host"
    if not path.exists():
        path.write_text(token_hex(6))
    return path.read_text().strip()


def _tell_fault(fault: Fault) -> None:
    tell("configuration_refused", why=fault.message)


def _tell_kept(reference: str, fault: SecretFault) -> None:
    tell("secret_not_refreshed", secret=reference, why=fault.message)


def _tell_alert(alert: BudgetAlert) -> None:
    tell("budget_alert", account=alert.account, owner=alert.owner, percent=alert.percent, spent_usd=alert.spent_usd)


def _crashed(error: BaseException) -> None:
    tell("crash", where="control", error="".join(traceback.format_exception(error, limit=-8)))


async def run(orders: ChildOrders, line: socket.socket) -> int:
    """Run until told to stop; returns the exit status."""
    extra = orders.settings_as(ControlSettings)
    hear_logging()
    tasks = Tasks(_crashed)
    reporter = await Reporter.open(orders, line)
    try:
        settings, _ = configured(dict(extra.flags), environment())
        control = Control(orders, extra, settings, tasks)
        server = Server(control.page, LIMITS, _crashed)
        for listener in orders.listeners():
            await server.listen(listener)
        await control.start()
    except ConfigFault as fault:
        tell("cannot_start", why=fault.message)
        return EXIT_CONFIG
    except StoreFault as fault:
        tell("cannot_start", why=fault.message)
        return os.EX_UNAVAILABLE
    except OSError as error:  # the state folder is not ours to write, or its disk is full
        tell("cannot_start", why=str(error))
        return os.EX_IOERR
    reporter.ready()
    await reporter.drain.wait()
    reporter.draining()
    if reporter.orphaned:  # else the supervisor has waited for the workers
        await control.until_alone(reporter.force)
    await control.close()
    await server.close(1.0)
    reporter.close()
    return 0


def main() -> None:
    """The entry point of `python -m intertie.compose.control FD`."""
    os.umask(PRIVATE)
    orders, line = read_orders(sys.argv)
    sys.exit(uvloop.run(run(orders, line)))


if __name__ == "__main__":
    main()
