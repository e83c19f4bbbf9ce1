"""The transport runs on uvloop, and so do its tests."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop
from fake_upstream import FakeUpstream, Step, Upstream
from reaching import Reach, pool_to
from serving import Serve, Serving

from intertie.config.snapshot import ServerLimits, UpstreamLimits
from intertie.wire.pool import Pool
from intertie.wire.server import Reply, Request


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers on free ports: `await serve(answer, limits, screen=…, tls=…)`; closed afterwards."""
    started: list[Serving] = []

    async def start(
        answer: Callable[[Request, Reply], Awaitable[None]] | None = None,
        limits: ServerLimits | None = None,
        **options: object,
    ) -> Serving:
        serving = await Serving.start(answer, limits or ServerLimits(), **options)
        started.append(serving)
        return serving

    yield start
    for one in started:
        for caller in one.callers:
            caller.writer.transport.abort()
        await one.server.close(0.0)
        assert one.server.connections == 0


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Start fake endpoints: `await upstream(step, …)`; stopped afterwards."""
    started: list[FakeUpstream] = []

    async def start(*script: Step, tls: ssl.SSLContext | None = None) -> FakeUpstream:
        one = await FakeUpstream(*script).start(tls)
        started.append(one)
        return one

    yield start
    for one in started:
        await one.stop()


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """Make pools: `reach(upstream.port, limits, …)`; closed afterwards."""
    made: list[Pool] = []

    def make(port: int, limits: UpstreamLimits | None = None, **options: object) -> Pool:
        pool = pool_to(port, limits, **options)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        async with asyncio.timeout(3):
            await pool.close()
