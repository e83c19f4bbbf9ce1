"""The connections to one endpoint: kept, shared fairly, bounded, expired, and given up without cutting anybody."""

import asyncio

import pytest
from fake_upstream import Upstream, Visit, hangs, says
from reaching import ASK, Reach, ask, ask_on
from serving import until

from intertie.config.snapshot import UpstreamLimits
from intertie.core.faults import ConnectFailed, UpstreamBusy
from intertie.wire.client import Hearing


async def slowly(visit: Visit) -> None:
    await asyncio.sleep(0.05)
    await says(200, b"ok")(visit)


async def test_a_connection_is_used_again(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"ok"))
    pool = reach(endpoint.port)
    for _ in range(20):
        await ask(pool)
    assert (endpoint.accepted, pool.open, pool.in_flight) == (1, 1, 0)


async def test_the_last_one_returned_is_lent_first(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(slowly)
    pool = reach(endpoint.port)
    first, second = await pool.connect(), await pool.connect()
    assert (pool.open, pool.in_flight) == (2, 2)
    await ask_on(first)
    await ask_on(second)
    assert not first.closed and first.reused
    assert pool.idle() is second
    assert pool.idle() is first
    assert pool.idle() is None
    first.cancel()
    second.cancel()


async def test_no_more_connections_than_allowed_and_everybody_has_a_turn(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(slowly)
    pool = reach(endpoint.port, max_connections=3)
    asking = asyncio.gather(*(ask(pool) for _ in range(12)))
    await until(lambda: pool.waiting == 9)
    assert len(await asking) == 12
    assert (endpoint.accepted, pool.open, pool.waiting) == (3, 3, 0)


async def test_who_waits_too_long_is_told_that_the_endpoint_is_busy(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(hangs)
    pool = reach(endpoint.port, UpstreamLimits(connect_timeout_s=0.1), max_connections=1)
    connection = await pool.connect()
    with pytest.raises(UpstreamBusy):
        await pool.connect()
    assert pool.waiting == 0
    connection.cancel()
    (await pool.connect()).cancel()


async def test_a_cancelled_turn_goes_to_the_next(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(slowly)
    pool = reach(endpoint.port, max_connections=1)
    first = asyncio.ensure_future(ask(pool))
    await until(lambda: len(endpoint.visits) == 1)
    waiting = [asyncio.ensure_future(ask(pool)) for _ in range(3)]
    await until(lambda: pool.waiting == 3)
    waiting[0].cancel()
    await first
    waiting[1].cancel()  # its turn has just come
    assert (await waiting[2]).body == b"ok"
    assert (pool.open, pool.in_flight) == (1, 0)


async def test_the_place_of_a_lost_connection_is_given_on(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(hangs, says(200, b"ok"))
    pool = reach(endpoint.port, max_connections=1)
    connection = await pool.connect()
    connection.exchange(ASK, Hearing(), 3, 3)
    await until(lambda: len(endpoint.visits) == 1)
    waiting = asyncio.ensure_future(ask(pool))
    await until(lambda: pool.waiting == 1)
    connection.cancel()
    assert (await waiting).body == b"ok"


async def test_idle_connections_expire(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"ok"))
    pool = reach(endpoint.port, UpstreamLimits(keep_alive_s=0.1))
    await ask(pool)
    await until(lambda: pool.open == 0 and endpoint.left == 1, seconds=1)
    await ask(pool)
    assert endpoint.accepted == 2


async def test_the_round_trip_is_measured(upstream: Upstream, reach: Reach) -> None:
    trips: list[float] = []
    endpoint = await upstream(says(200, b"ok"))
    await ask(reach(endpoint.port, on_rtt=trips.append))
    assert len(trips) == 1
    assert 0 < trips[0] < 0.1


async def test_closing_a_pool_cuts_nobody(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(slowly)
    pool = reach(endpoint.port)
    await ask(pool)
    under_way = asyncio.ensure_future(ask(pool))
    await until(lambda: len(endpoint.visits) == 2)
    await pool.close()
    assert (await under_way).body == b"ok"
    await until(lambda: pool.open == 0)
    assert (await ask(pool)).body == b"ok"  # who still holds the pool may still ask
    await until(lambda: pool.open == 0)


async def test_nobody_listening_is_a_failed_connection(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b""))
    await endpoint.stop()
    pool = reach(endpoint.port, max_connections=1)
    for _ in range(3):
        with pytest.raises(ConnectFailed, match="cannot be reached"):
            await pool.connect()
    assert (pool.open, pool.in_flight) == (0, 0)


async def test_two_exchanges_do_not_mix_when_one_is_cancelled(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(slowly)
    pool = reach(endpoint.port)
    for _ in range(10):
        told = Hearing()
        connection = pool.idle() or await pool.connect()
        connection.exchange(ASK, told, 3, 3)
        await asyncio.sleep(0.01)
        connection.cancel()
        assert (await ask(pool)).body == b"ok"
        assert told.told == []


async def test_a_new_connection_takes_the_place_of_an_idle_one(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"ok"))
    pool = reach(endpoint.port, max_connections=1)
    await ask(pool)
    fresh = await pool.connect()
    assert not fresh.reused
    assert (pool.open, pool.in_flight) == (1, 1)
    assert (await ask_on(fresh)).body == b"ok"
