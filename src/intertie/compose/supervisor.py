"""The supervisor: starts the control process and the workers, repairs what dies, drains, rolls. It does nothing else.

Small and quick on purpose: it holds the listening sockets and answers the health port; no request passes through it.
What it says to its children, and they to it, is in `children`. Its own signals:

* SIGTERM, SIGINT: not ready at once; workers drain within `drain_s`, then end hard; the control process ends last, when
  it has folded all journals. A second SIGINT shortens the drain to `HURRY_S`.
* SIGHUP: the control process reads its configuration again, and the workers are replaced one by one. (When it comes
  because the terminal was closed, it means SIGTERM.)
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from functools import partial

import msgspec

from intertie import __version__
from intertie.compose.child import START_LIMIT_S, Child
from intertie.compose.children import EXIT_CONFIG, FOLD_S, FORCE_S, ROLES, ChildOrders, Role
from intertie.compose.events import tell
from intertie.compose.health import LIMITS, ChildStatus, HealthApp, Status
from intertie.compose.listening import Address, listen_alone, listen_shared, port_of
from intertie.wire.server import Server
from intertie.wire.tasks import Tasks

FIRST_PAUSE_S, LAST_PAUSE_S, SOUND_LIFE_S = 0.1, 5.0, 60.0
HURRY_S = 3.0


class Service(msgspec.Struct, frozen=True):
    """What is to be run. `workers` 0 means one per core; the settings of each role are passed on unread."""

    state_dir: str
    data: Address = Address("0.0.0.0", 4000)
    control: Address = Address("127.0.0.1", 4001)
    health: Address = Address("0.0.0.0", 4002)
    workers: int = 0
    drain_s: float = 600.0
    worker_settings: msgspec.Raw = msgspec.Raw(b"{}")
    control_settings: msgspec.Raw = msgspec.Raw(b"{}")
    worker_command: tuple[str, ...] = (sys.executable, "-P", "-m", "intertie.compose.worker")
    control_command: tuple[str, ...] = (sys.executable, "-P", "-m", "intertie.compose.control")


class Slot:
    """A place that one living child always fills. `turn` is held while the child in it is exchanged."""

    def __init__(self, role: Role, number: int, listen_fds: tuple[int, ...]) -> None:
        self.role: Role = role
        self.number, self.listen_fds = number, listen_fds
        self.child: Child | None = None
        self.turn = asyncio.Lock()
        self.closed = asyncio.Event()
        self.restarts = -1
        self._pause_s = 0.0

    async def pause(self) -> None:
        """Wait before the next start: not at all the first time, then longer each time, anew after a sound life."""
        self.restarts += 1
        if self.child is not None and self.child.lived_s >= SOUND_LIFE_S:
            self._pause_s = 0.0
        if self.restarts:
            self._pause_s = min(max(FIRST_PAUSE_S, 2 * self._pause_s), LAST_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self.closed.wait()


class Supervisor:
    """See the module. `ready` is set when the whole is ready for the first time."""

    def __init__(self, service: Service) -> None:
        """Take the ports; raises ConfigFault if one cannot be had."""
        self.service = service
        count = service.workers or len(os.sched_getaffinity(0))
        self._health_socket = listen_alone(service.health)
        self._data_sockets = listen_shared(service.data, count)
        self._control_socket = listen_alone(service.control)
        self.data = Address(service.data.host, port_of(self._data_sockets[0]))
        self.control = Address(service.control.host, port_of(self._control_socket))
        self.health = Address(service.health.host, port_of(self._health_socket))
        self.ready = asyncio.Event()
        self._control = Slot("control", 0, (self._control_socket.fileno(),))
        self._workers = [Slot("worker", number, (one.fileno(),)) for number, one in enumerate(self._data_sockets)]
        self._alive: dict[Child, Slot] = {}
        self._tasks = Tasks(self._fail)
        self._stopping, self._roll_wanted = asyncio.Event(), asyncio.Event()
        self._limits: set[asyncio.Timeout] = set()
        self._drain_s = service.drain_s
        self._code = 0
        self._begun = asyncio.get_running_loop().time()

    async def run(self) -> int:
        """Supervise until told to stop; returns the exit status."""
        server = Server(HealthApp(self.status), LIMITS, _report_crash)
        await server.listen(self._health_socket)
        tell("listening", data=str(self.data), control=str(self.control), health=str(self.health), pid=os.getpid())
        for slot in (self._control, *self._workers):
            self._tasks.start(self._keep(slot))
        self._tasks.start(self._roll_on())
        await self._stopping.wait()
        await self._end_all()
        await self._tasks.close(FORCE_S)
        await server.close(FORCE_S)
        tell("stopped", code=self._code)
        return self._code

    def obey_signals(self) -> None:
        """Take over SIGTERM, SIGINT and SIGHUP of this process."""
        had_terminal = _has_terminal()

        def hung_up() -> None:
            if had_terminal and not _has_terminal():
                self.stop()
            else:
                self.roll()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        loop.add_signal_handler(signal.SIGHUP, hung_up)

    def stop(self) -> None:
        """Not ready from now on; drain and end. Does nothing the second time."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        tell("draining", limit_s=self._drain_s)
        for slot in self._workers:
            slot.closed.set()
        for child in self._living("worker"):
            self._tasks.start(self._see_off(child))
        for one in self._data_sockets:
            one.close()  # once the workers have closed theirs too, callers are refused instead of kept waiting

    def interrupt(self) -> None:
        """Stop; if that is under way already, give open requests only `HURRY_S` more."""
        if self._stopping.is_set() and self._drain_s > HURRY_S:
            tell("hurrying", limit_s=HURRY_S)
            self._drain_s = HURRY_S
            until = asyncio.get_running_loop().time() + HURRY_S
            for limit in self._limits:
                if not limit.expired():
                    limit.reschedule(until)
        self.stop()

    def roll(self) -> None:
        """Let the configuration be read again and the workers be replaced one by one."""
        self._roll_wanted.set()

    def status(self) -> Status:
        """What the health port tells."""
        missing = self._missing()
        children = tuple(
            ChildStatus(
                name=child.name,
                pid=child.pid,
                state=child.report.state if child.report else "starting",
                busy=child.report.busy if child.report else 0,
                uptime_s=child.lived_s,
                restarts=slot.restarts,
                leaving=child is not slot.child or slot.closed.is_set(),
            )
            for child, slot in self._alive.items()
        )
        uptime_s = round(asyncio.get_running_loop().time() - self._begun, 3)
        return Status(__version__, not missing, missing, uptime_s, str(self.data), str(self.control), children)

    def _missing(self) -> str:
        """What is not there to be ready; empty if nothing."""
        if self._stopping.is_set():
            return "draining"
        serving = {child.role for child in self._alive if child.report is not None and child.report.state == "ready"}
        return ", ".join(role for role in ROLES if role not in serving)

    def _living(self, role: Role) -> list[Child]:
        return [child for child in self._alive if child.role == role]

    async def _keep(self, slot: Slot) -> None:
        """Fill a slot whenever it is empty."""
        while not slot.closed.is_set():
            child = slot.child
            if child is not None:
                await child.gone.wait()
            async with slot.turn:
                if slot.child is not child:  # a roll has put another in its place
                    continue
                if child is not None and child.code == EXIT_CONFIG and not self.ready.is_set():
                    self._give_up(slot)
                    return
                await slot.pause()
                if not slot.closed.is_set():
                    slot.child = await self._start(slot)

    async def _start(self, slot: Slot) -> Child | None:
        service = self.service
        is_worker = slot.role == "worker"
        command = service.worker_command if is_worker else service.control_command
        settings = service.worker_settings if is_worker else service.control_settings
        orders = ChildOrders(slot.role, slot.number, service.state_dir, slot.listen_fds, service.drain_s, settings)
        try:
            child = await Child.start(command, orders)
        except OSError as error:
            tell("child_not_started", role=slot.role, slot=slot.number, why=str(error))
            return None
        self._alive[child] = slot
        self._tasks.start(self._attend(child, slot))
        if slot.closed.is_set():
            child.send(signal.SIGTERM)
        return child

    async def _attend(self, child: Child, slot: Slot) -> None:
        """Be with a child from its start to its end."""
        await child.watch(partial(self._heard, child, slot))
        del self._alive[child]
        expected = slot.closed.is_set() or child is not slot.child
        event = "child_ended" if expected else "child_died"
        tell(event, child=child.name, pid=child.pid, code=child.code, lived_s=child.lived_s)

    def _heard(self, child: Child, slot: Slot) -> None:
        leaves = child.report is not None and child.report.state == "draining" and child is slot.child
        if leaves and child.role == "worker" and not slot.closed.is_set() and not slot.turn.locked():
            # Somebody told it to drain, not us: its accept queue must not wait until its last stream has ended.
            self._tasks.start(self._replace(slot))
        if not self.ready.is_set() and not self._missing():
            self.ready.set()
            tell("ready", after_s=round(asyncio.get_running_loop().time() - self._begun, 3))

    async def _roll_on(self) -> None:
        """Replace the workers, one by one, each time it is wanted."""
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted.clear()
            tell("rolling", workers=len(self._workers))
            control = self._control.child
            if control is not None and control.report is not None:
                control.send(signal.SIGHUP)
            rolled = 0
            while rolled < len(self._workers) and await self._replace(self._workers[rolled]):
                rolled += 1
            tell("rolled" if rolled == len(self._workers) else "roll_given_up", replaced=rolled)

    async def _replace(self, slot: Slot) -> bool:
        """Start a worker beside the one in the slot, on the same socket, and only then let the old one go."""
        async with slot.turn:
            if slot.closed.is_set():
                return False
            old, new = slot.child, await self._start(slot)
            if new is None or not await self._becomes_ready(new):
                return False
            slot.child = new
        if old is not None:
            self._tasks.start(self._see_off(old))
        return True

    async def _becomes_ready(self, child: Child) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT_S):
                await child.settled.wait()
        if not child.was_ready:
            child.send(signal.SIGKILL)
        return child.was_ready and not child.gone.is_set()

    async def _see_off(self, worker: Child) -> None:
        """Let a worker drain; end it when the limit is over, so that its streams are told and its rows are written."""
        worker.send(signal.SIGTERM)
        limit = asyncio.timeout(self._drain_s)
        self._limits.add(limit)
        try:
            async with limit:
                await worker.gone.wait()
        except TimeoutError:
            tell("drain_limit_over", child=worker.name, pid=worker.pid, busy=worker.report.busy if worker.report else 0)
            await worker.end(signal.SIGUSR1, FORCE_S)
        finally:
            self._limits.discard(limit)

    async def _end_all(self) -> None:
        """Wait for the workers, who were told to drain; then let the control process fold what they left, and end."""
        while workers := self._living("worker"):
            await workers[0].gone.wait()
        self._control.closed.set()
        for control in self._living("control"):
            await control.end(signal.SIGTERM, FOLD_S)

    def _give_up(self, slot: Slot) -> None:
        """A child cannot start with this configuration, and said why: neither can the whole."""
        slot.closed.set()
        self._code = EXIT_CONFIG
        self.stop()

    def _fail(self, error: BaseException) -> None:
        """A defect of our own: nobody keeps a slot any more. End in order; who started us shall start us again."""
        _report_crash(error)
        self._code = os.EX_SOFTWARE
        self.stop()


async def supervise(service: Service) -> int:
    """Run the gateway until SIGTERM or SIGINT; returns the exit status. Raises ConfigFault if a port cannot be had."""
    supervisor = Supervisor(service)
    supervisor.obey_signals()
    return await supervisor.run()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _report_crash(error: BaseException) -> None:
    tell("crash", where="supervisor", error=repr(error))
