"""One life of a child process, as the supervisor sees it (the child's own view is in `children`)."""

import asyncio
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from contextlib import suppress

import msgspec

from intertie.compose.children import FORCE_S, HEARTBEAT_LIMIT_S, ChildOrders, Report
from intertie.compose.events import tell

START_LIMIT_S = 30.0

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_decode = msgspec.json.Decoder(Report).decode


class Child:
    """A started process. `report` is its latest word; `settled` is set when it is ready or gone, `gone` at its end."""

    def __init__(self, orders: ChildOrders, process: Process, line: Line) -> None:
        self.role, self.name = orders.role, f"{orders.role}-{orders.slot}" if orders.role == "worker" else orders.role
        self.started = asyncio.get_running_loop().time()
        self.report: Report | None = None
        self.was_ready = False
        self.settled, self.gone = asyncio.Event(), asyncio.Event()
        self._process = process
        self._reader, self._writer = line

    @classmethod
    async def start(cls, command: tuple[str, ...], orders: ChildOrders) -> "Child":
        """Start a process and give it its orders; raises OSError if it cannot be started."""
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: Ctrl-C on the terminal is for the supervisor, which tells the children in order.
            fds = (theirs.fileno(), *orders.listen_fds)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, str(theirs.fileno()), pass_fds=fds, stdin=DEVNULL, start_new_session=True
                )
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(msgspec.json.encode(orders) + b"\n")
        return cls(orders, process, (reader, writer))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit status; the negative signal number if a signal ended it; None while it lives."""
        return self._process.returncode

    @property
    def lived_s(self) -> float:
        """Seconds since it was started."""
        return round(asyncio.get_running_loop().time() - self.started, 3)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to one who has ended, nothing."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def watch(self, heard: Callable[[], None]) -> None:
        """Take its reports, each told by `heard`, until it has ended; end it when it is silent or talks nonsense."""
        try:
            await self._hear(heard)
            async with asyncio.timeout(FORCE_S):  # the line is closed: it is about to exit
                await self._process.wait()
        except (TimeoutError, ValueError, msgspec.DecodeError) as error:
            tell("child_out_of_touch", child=self.name, pid=self.pid, why=str(error) or "silent")
            self.send(signal.SIGKILL)
        await self._process.wait()
        self._writer.close()
        self.settled.set()
        self.gone.set()

    async def end(self, how: signal.Signals, limit_s: float) -> None:
        """Tell it to end, and end it when the limit is over."""
        self.send(how)
        try:
            async with asyncio.timeout(limit_s):
                await self.gone.wait()
        except TimeoutError:
            tell("child_killed", child=self.name, pid=self.pid, after_s=limit_s)
            self.send(signal.SIGKILL)
            await self.gone.wait()

    async def _hear(self, heard: Callable[[], None]) -> None:
        """Read reports to the end of the line. Raises TimeoutError when none comes in time.

        The time is waited in two halves: a supervisor that was itself stopped for a while finds the first half over at
        once, but then reads the reports that have come meanwhile before it blames anybody.
        """
        missed = 0
        while True:
            limit_s = START_LIMIT_S if self.report is None else HEARTBEAT_LIMIT_S
            try:
                async with asyncio.timeout(limit_s / 2):
                    text = await self._reader.readline()
            except TimeoutError:
                missed += 1
                if missed == 2:
                    raise
                continue
            except ConnectionError:  # it ended before it had read its orders
                return
            if not text.endswith(b"\n"):
                return
            missed = 0
            self.report = _decode(text)
            if self.report.state == "ready" and not self.was_ready:
                tell("child_ready", child=self.name, pid=self.pid, after_s=self.lived_s)
                self.was_ready = True
                self.settled.set()
            heard()
