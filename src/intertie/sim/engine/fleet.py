"""Running simulated engines: one or many, all in this process, each on its own socket."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from intertie.config.snapshot import ServerLimits
from intertie.core.clock import Clock, SystemClock
from intertie.sim.engine.options import EngineOptions
from intertie.sim.engine.server import SimulatedEngine
from intertie.wire.server import Server

log = logging.getLogger(__name__)


class RunningEngine:
    """An engine that listens. `url` is its base URL as clients want it."""

    def __init__(self, engine: SimulatedEngine, address: tuple[str, int]) -> None:
        self.engine = engine
        self.host, self.port = address

    @property
    def url(self) -> str:
        """Where its API begins."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


@asynccontextmanager
async def running_engine(
    options: EngineOptions, sock: socket.socket | None = None, clock: Clock | None = None
) -> AsyncGenerator[RunningEngine]:
    """An engine for as long as the block lasts, on a bound socket or on the options' host and port. Raises OSError."""
    clock = clock or SystemClock()
    engine = SimulatedEngine(options, clock)
    try:
        sock = sock or socket.create_server((options.host, options.port), family=_family(options.host))
        address = sock.getsockname()
        server = Server(engine, ServerLimits(), _crashed, clock)
        await server.listen(sock)
        try:
            yield RunningEngine(engine, (address[0], address[1]))
        finally:
            await server.close(0)
    finally:
        engine.close()


async def serve_engine(
    options: EngineOptions,
    sock: socket.socket | None = None,
    ready: Callable[[RunningEngine], None] | None = None,
) -> None:
    """Serve one engine until cancelled; `ready` is called once it listens. Raises OSError if the port is taken."""
    async with running_engine(options, sock) as running:
        if ready is not None:
            ready(running)
        await asyncio.get_running_loop().create_future()


async def serve_fleet(
    fleet: Sequence[EngineOptions], ready: Callable[[list[RunningEngine]], None] | None = None
) -> None:
    """Serve several engines until cancelled; `ready` is called once all listen. Raises OSError if a port is taken."""
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(running_engine(options)) for options in fleet]
        if ready is not None:
            ready(running)
        await asyncio.get_running_loop().create_future()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _crashed(crash: BaseException) -> None:
    log.error("simulated engine: a request failed", exc_info=crash)
