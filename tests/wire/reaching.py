"""Pools towards fake upstreams, and what an exchange brings."""

import asyncio
from collections.abc import Callable

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.wire.client import Connection
from intertie.wire.dial import Dialer
from intertie.wire.egress import EgressPolicy
from intertie.wire.pool import Pool
from intertie.wire.relay import Answer, Collect
from intertie.wire.tls import client_context

Reach = Callable[..., Pool]

ASK = b"POST /v1/x HTTP/1.1\r\nhost: up\r\ncontent-length: 2\r\n\r\nhi"


def dialer(**options: object) -> Dialer:
    return Dialer(EgressPolicy(allow_private=True), **{"tls": client_context(), **options})


def pool_to(port: int, limits: UpstreamLimits | None = None, **options: object) -> Pool:
    settings = {"max_connections": 8, "dialer": dialer(), **options}
    return Pool(Origin("http", "127.0.0.1", port), limits or UpstreamLimits(), **settings)


async def ask(pool: Pool, message: bytes | list[bytes] = ASK, first_byte_s: float = 3.0, idle_s: float = 3.0) -> Answer:
    """One exchange, as the gateway does it."""
    connection = pool.idle() or await pool.connect()
    return await ask_on(connection, message, first_byte_s, idle_s)


async def ask_on(
    connection: Connection, message: bytes | list[bytes] = ASK, first_byte_s: float = 3.0, idle_s: float = 3.0
) -> Answer:
    sink = Collect(asyncio.get_running_loop(), 10_000_000)
    connection.exchange(message, sink, first_byte_s, idle_s)
    return await asyncio.wait_for(sink.answered, 5)
