"""Step 7, relay: the endpoints of the plan, one after another, until one speaks.

Failover only before the first byte; afterwards a cut is the caller's to be told (see `respond`). A caller that leaves
cancels the task, and with it the upstream connection, at once. Stream chunks pass from connection to connection in
callbacks (`wire.relay.Stream`) without waking this coroutine.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from intertie.core.answers import fault_of, hush, refused_us, told_under_200
from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.faults import Fault, StaleConnection, Unsupported, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.gateway.lane import Lane
from intertie.gateway.live import Live
from intertie.gateway.passage import Attempt, Passage, now
from intertie.gateway.returning import returned, watch
from intertie.policy.retry import may_retry
from intertie.wire.client import Connection
from intertie.wire.relay import Collect, Stream
from intertie.wire.reply import Outlet

_JSON: Final[tuple[Operation, ...]] = ("chat", "completions", "embeddings", "count_tokens")
"""Operations that are always answered in JSON, with usage at its usual place."""

Write = Callable[[Live, Passage, Lane], bytes]
Begin = Callable[[Live, Passage], tuple[int, bytes]]


async def relay(live: Live, passage: Passage, reply: Outlet, write: Write, begin: Begin) -> None:
    """Have the call answered. Raises the last fault if no endpoint could; `passage.attempt` tells how far it came.

    `write` makes the message for an endpoint (step translate); `begin` the head of a streamed answer.
    """
    plan, call = passage.plan, passage.call
    assert plan is not None and call is not None
    live.retries.requested(now())
    failure: Fault | None = None
    for endpoint_id in plan.order:
        lane = passage.view.lanes[endpoint_id]
        try:
            message = write(live, passage, lane)
        except Unsupported as fault:
            failure = failure or fault  # another endpoint's dialect may have a way to say it
            continue
        attempt = passage.attempt = Attempt(lane, passage.attempts + 1, now(), Heard())
        flight = lane.state.dispatched(attempt.started, call.prompt_tokens, passage.expected_ttft_s())
        attempt.flight = flight
        try:
            await _try(live, passage, reply, message, begin)
        except Fault as fault:
            hush(fault, lane.endpoint.credential)
            flight.failed(now(), fault, live.lot())
            passage.view.recent.forget()
            last = endpoint_id == plan.order[-1]
            if last or not may_retry(fault, reply.started, attempt.number, live.snapshot.retry, live.retries, now()):
                raise
            failure = fault
        else:
            heard = attempt.heard
            usage = heard.usage or Usage(call.prompt_tokens, heard.events, estimated=True)
            flight.answered(attempt.ended, attempt.first_byte - attempt.started, attempt.ended - attempt.started, usage)
            passage.fault = None
            return
        finally:
            flight.left()  # a caller who left; does nothing where the flight has ended
    if failure is not None:
        raise failure


async def _try(live: Live, passage: Passage, reply: Outlet, message: bytes, begin: Begin) -> None:
    """One attempt; a pooled connection that proves to have gone stale is replaced once, which counts for nothing."""
    call, attempt, pool = passage.call, passage.attempt, passage.lane.pool
    assert call is not None and attempt is not None
    speak = _stream if call.stream else _collect
    connection = pool.idle() or await pool.connect()
    attempt.sent = True
    try:
        await speak(live, passage, reply, connection, message, begin)
    except StaleConnection:
        await speak(live, passage, reply, await pool.connect(), message, begin)


async def _collect(
    live: Live, passage: Passage, reply: Outlet, connection: Connection, message: bytes, begin: Begin
) -> None:
    """A whole answer: nothing leaves before it is complete and understood, so failover stays possible."""
    limits, attempt, call = live.snapshot.upstream, passage.attempt, passage.call
    assert attempt is not None and call is not None
    sink = Collect(live.loop, limits.max_answer_bytes)
    connection.exchange(message, sink, limits.answer_timeout_s, limits.idle_stream_timeout_s)
    try:
        answer = await sink.answered
    except asyncio.CancelledError:
        connection.leave(sink)
        raise
    _hear(passage, attempt, answer.headers)
    if not 200 <= answer.status < 300:
        raise refused_us(fault_of(answer.status, answer.headers, answer.body))
    attempt.heard.usage = _glance(passage, call, answer.body)
    attempt.first_byte, attempt.ended = answer.first_byte, answer.ended
    body = answer.body
    if passage.chat is not None or passage.conversion is not None or passage.asked is not None:
        body, usage = returned(passage, body)
        attempt.heard.usage = usage or attempt.heard.usage
    elif call.operation not in _JSON:
        passage.kind = answer.headers.get(b"content-type", passage.kind)
    passage.status, passage.body = answer.status, body


def _glance(passage: Passage, call: Call, body: bytes) -> Usage | None:
    outbound = passage.lane.outbound
    try:
        if call.operation in _JSON or outbound.glance_at is None:
            reading = outbound.glance(body)
        else:
            reading = outbound.glance_at(body, call)
    except ValueError as error:
        raise UpstreamGarbled(f"The endpoint's answer is not what its dialect promises: {error}") from None
    if reading.error:
        raise told_under_200(reading.status, reading.error)
    return reading.usage


async def _stream(
    live: Live, passage: Passage, reply: Outlet, connection: Connection, message: bytes, begin: Begin
) -> None:
    """A streamed answer: relayed in callbacks; wakes here at its end, with the tail held back until it is settled."""
    limits, attempt = live.snapshot.upstream, passage.attempt
    assert attempt is not None
    through = watch(passage, attempt.heard)

    def first(at: float) -> tuple[int, bytes]:
        attempt.first_byte = at
        if attempt.flight is not None:
            attempt.flight.first_byte()
        _hear(passage, attempt, sink.headers)
        return begin(live, passage)

    sink = Stream(live.loop, reply, connection, through, first, limits.max_answer_bytes)
    connection.exchange(message, sink, limits.first_byte_timeout_s, limits.idle_stream_timeout_s)
    try:
        end = await sink.done
        attempt.ended, passage.body = end.ended, end.tail
    except asyncio.CancelledError:
        connection.leave(sink)
        raise
    except Fault as fault:
        if not attempt.first_byte:
            _hear(passage, attempt, sink.headers)
        if not through.done:
            raise refused_us(fault) from None
        attempt.ended, passage.body = (
            now(),
            through.tail,
        )  # the dialect's end came; how the connection ended is no matter
    finally:
        connection.resume()  # a slow reader may have paused it at its last chunk
        reply.watch_flow(_let_go, _let_go)  # from here on it may be another's
    if not reply.started:
        reply.start(*first(attempt.ended))


def _hear(passage: Passage, attempt: Attempt, headers: dict[bytes, bytes]) -> None:
    """Learn from the head of an answer what its endpoint's account has left."""
    if attempt.flight is not None and attempt.flight.told(now(), headers):
        passage.view.recent.forget()


def _let_go() -> None:
    """Nothing is to be paused any more."""
