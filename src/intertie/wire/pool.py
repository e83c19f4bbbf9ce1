"""The connections to one endpoint: kept, lent, bounded in number, and swept for deadlines."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.core.faults import ConnectFailed, UpstreamBusy
from intertie.wire.client import Connection
from intertie.wire.dial import Dialer

SWEEP_S: Final = 0.25


class Pool:
    """Connections to one endpoint. The one that answered last is lent first, so that the others can expire.

    `on_rtt` hears how long each TCP handshake took, in seconds: one round trip.
    """

    def __init__(
        self,
        origin: Origin,
        limits: UpstreamLimits,
        *,
        max_connections: int,
        dialer: Dialer,
        on_rtt: Callable[[float], None] | None = None,
    ) -> None:
        self._origin, self._limits, self._dialer, self._on_rtt = origin, limits, dialer, on_rtt
        self._max = max_connections
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._dialing = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def open(self) -> int:
        """Connections open or being opened."""
        return len(self._connections) + self._dialing

    @property
    def in_flight(self) -> int:
        """Connections lent or being opened: not idle."""
        return len(self._connections) + self._dialing - len(self._idle)

    @property
    def waiting(self) -> int:
        """Callers of `connect` who wait for their turn."""
        return len(self._waiters)

    def idle(self) -> Connection | None:
        """A kept connection, if there is one."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def connect(self) -> Connection:
        """A new connection; when the endpoint has as many as it may, in place of an idle one, or after a wait for one.

        Raises ConnectFailed, EgressRefused, and UpstreamBusy when its turn did not come within the connect timeout.
        """
        limit = self._limits.connect_timeout_s
        try:
            async with asyncio.timeout(limit):
                while self.open >= self._max:
                    if self._idle:
                        self._drop(self._idle.pop(0))
                        continue
                    connection = await self._turn()
                    if connection is not None:
                        return connection
        except TimeoutError:
            raise UpstreamBusy(f"all {self._max} connections to the endpoint are busy", 503) from None
        try:
            async with asyncio.timeout(limit):
                return await self._dial()
        except TimeoutError:
            raise ConnectFailed(f"no connection within {limit:g} s") from None

    async def close(self) -> None:
        """Keep nothing any more. Returns when the exchanges under way have ended; none is cut."""
        self._closed = True
        while self._idle:
            self._idle.pop().cancel()
        if self._connections:
            if self._emptied is None or self._emptied.done():
                self._emptied = self._loop.create_future()
            await asyncio.wait([self._emptied])

    async def _turn(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                connection = waiter.result()
                self._hand_on(connection)
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    async def _dial(self) -> Connection:
        connection = Connection(self._free, self._lost, self._dialer.prefix(self._origin))
        made = False
        self._dialing += 1
        try:
            rtt = await self._dialer.dial(self._origin, connection)
            made = True
        finally:
            self._dialing -= 1
            if not made:
                self._hand_on(None)
        if connection.closed:
            raise ConnectFailed("the endpoint closed the connection at once")
        self._connections.add(connection)
        if self._on_rtt is not None and rtt is not None:
            self._on_rtt(rtt)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        return connection

    def _free(self, connection: Connection) -> None:
        """An answer is whole."""
        if not connection.reused:
            self._dialer.keep_session(connection.transport)
        if self._closed or not connection.keep_alive:
            connection.cancel()
        else:
            self._hand_on(connection)

    def _hand_on(self, connection: Connection | None) -> None:
        """Give a free connection, or the place of one that is gone, to whoever has waited longest; else keep it."""
        if connection is not None and not connection.closed:
            connection.rest(self._limits.keep_alive_s)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is not None and not connection.closed:
            self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        """Make room for a new connection."""
        self._connections.discard(connection)
        connection.cancel()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._hand_on(None)
        if self._emptied is not None and not self._connections and not self._emptied.done():
            self._emptied.set_result(None)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.expire(now)
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep) if self._connections else None
