"""What the supervisor and its children (the gateway workers and the control process) agree on.

A child is started as `python -P -m intertie.compose.<role> FD`. FD is its end of a Unix stream socket pair, the *line*:

* down the line comes one JSON line, `ChildOrders`: all that the child needs to know. Nothing is in the environment or
  in the arguments, so nothing secret shows in `ps`;
* up the line go JSON lines, `Report`: one a second (the heartbeat) and one at each change of state. A child that is
  silent for `HEARTBEAT_LIMIT_S` is killed and replaced;
* end of file on the line means that the supervisor is dead: the child drains and ends by itself.

Listening sockets are inherited by number. They belong to the supervisor, which keeps them open for its own life: a
child that ends leaves its accept queue to the next one. The signals:

| signal  | to        | means                                                                                      |
|---------|-----------|--------------------------------------------------------------------------------------------|
| SIGTERM | worker    | stop accepting, let open requests finish, then exit 0                                      |
| SIGUSR1 | worker    | end now: tell open streams with an error event, write their rows, exit 0 within `FORCE_S`  |
| SIGTERM | control   | once no worker is connected: fold what is left, then exit 0 within `FOLD_S`                |
| SIGHUP  | control   | read the configuration again                                                               |
| SIGKILL | any       | it did not keep to the above                                                               |

A child that can never start because of its configuration says why on stderr and exits with `EXIT_CONFIG`; the
supervisor does not try it again during its own start. A child has its own session: Ctrl-C reaches the supervisor only.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec

Role = Literal["worker", "control"]
State = Literal["starting", "ready", "draining"]

ROLES: tuple[Role, ...] = ("control", "worker")

HEARTBEAT_S = 1.0
HEARTBEAT_LIMIT_S = 10.0
FORCE_S = 5.0
FOLD_S = 30.0
EXIT_CONFIG = os.EX_CONFIG
PRIVATE = 0o077
"""The umask of every process: books, journals, counters and events are for nobody else to read."""

_Settings = TypeVar("_Settings")


class ChildOrders(msgspec.Struct, frozen=True):
    """All that a child is told.

    `slot` counts the workers from 0 (two lives of one slot may overlap while workers are rolled); `listen_fds` are
    inherited sockets, bound and listening; `drain_s` the seconds that open requests may take after SIGTERM;
    `settings` is the role's own part, which the supervisor passes on unread.
    """

    role: Role
    slot: int
    state_dir: str
    listen_fds: tuple[int, ...]
    drain_s: float
    settings: msgspec.Raw = msgspec.Raw(b"{}")

    def listeners(self) -> list[socket.socket]:
        """The inherited listening sockets, ready for an event loop. To be called once: each owns its descriptor."""
        return [socket.socket(fileno=fd) for fd in self.listen_fds]

    def settings_as(self, kind: type[_Settings]) -> _Settings:
        """The role's settings as a value; raises msgspec.ValidationError if they are not of this kind."""
        return msgspec.json.decode(self.settings, type=kind)


class Report(msgspec.Struct, frozen=True):
    """How a child is: its state, and how many requests it has open."""

    state: State
    busy: int = 0


def read_orders(argv: Sequence[str]) -> tuple[ChildOrders, socket.socket]:
    """A child's first act, before any event loop: its orders, and the line they came on (named by `argv[1]`).

    Raises ConnectionError if the supervisor is gone, ValueError or msgspec.DecodeError if this is no child.
    """
    line = socket.socket(fileno=int(argv[1]))
    os.set_inheritable(line.fileno(), False)
    text = bytearray()
    while not text.endswith(b"\n"):
        part = line.recv(65_536)
        if not part:
            raise ConnectionError("the supervisor left before it gave its orders")
        text += part
    return msgspec.json.decode(text, type=ChildOrders), line


class Reporter(asyncio.Protocol):
    """A child's side of the line: heartbeats go up by themselves, and three events say what the child shall do.

    `drain`, `force` and `reload` are set by the signals above; `drain` also when the supervisor is dead, and then
    `force` when the drain limit is over, because nobody else is left to see to it. `orphaned` tells the one from the
    other.
    """

    def __init__(self, drain_s: float, busy: Callable[[], int]) -> None:
        self.drain, self.force, self.reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.orphaned = False
        self._drain_s, self._busy = drain_s, busy
        self._state: State = "starting"
        self._line: asyncio.WriteTransport | None = None
        self._next: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, orders: ChildOrders, line: socket.socket, busy: Callable[[], int] = int) -> "Reporter":
        """Start to report and to listen to signals; `busy` counts the open requests. Ends with `close`."""
        loop = asyncio.get_running_loop()
        reporter = cls(orders.drain_s, busy)
        loop.add_signal_handler(signal.SIGTERM, reporter.drain.set)
        loop.add_signal_handler(signal.SIGUSR1, reporter.force.set)
        loop.add_signal_handler(signal.SIGHUP, reporter.reload.set)
        reporter._line, _ = await loop.create_connection(lambda: reporter, sock=line)
        reporter._beat()  # the first report also says that signals are understood
        return reporter

    def ready(self) -> None:
        """From now on this child serves."""
        self._tell("ready")

    def draining(self) -> None:
        """From now on this child takes nothing new."""
        self._tell("draining")

    def close(self) -> None:
        """Stop reporting; the child is about to exit."""
        if self._next is not None:
            self._next.cancel()
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The supervisor is dead (unless it was us who closed): drain, and end by ourselves."""
        if self._line is not None:
            self.close()
            self.orphaned = True
            self.drain.set()
            self._next = asyncio.get_running_loop().call_later(self._drain_s, self.force.set)

    def _tell(self, state: State) -> None:
        self._state = state
        if self._line is not None:
            self._line.write(msgspec.json.encode(Report(state, self._busy())) + b"\n")

    def _beat(self) -> None:
        self._tell(self._state)
        self._next = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)
