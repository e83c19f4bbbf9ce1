"""The transport runs on uvloop, and so do its tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop
from serving import Serve, Serving

from intertie.config.snapshot import ServerLimits
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
        await one.server.close(0.0)
        assert one.server.connections == 0
