"""Step 7, relay: the endpoints of the plan, one after another, until one speaks.

Failover only before the first byte; afterwards a cut is the caller's to be told (see `respond`). A caller that leaves
cancels the task, and with it the upstream connection, at once. Stream chunks pass from connection to connection in
callbacks (`wire.relay.Stream`) without waking this coroutine.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from intertie.core.faults import Fault, StaleConnection, StreamCut, UpstreamError, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.openai_chat import Reading, plain, read_answer, read_event, speaks
from intertie.gateway.lane import Lane
from intertie.gateway.live import Live
from intertie.gateway.passage import Attempt, Passage, now
from intertie.policy.retry import may_retry
from intertie.wire.client import Connection
from intertie.wire.relay import Answer, Collect, Stream, fault_of
from intertie.wire.server import Reply
from intertie.wire.sse import EventSplitter, data_of, events

Write = Callable[[Lane], bytes]
Begin = Callable[[Passage], tuple[int, bytes]]

Heard = TypeVar("Heard")

_STATUSES_THAT_REFUSE_US = (401, 402, 403, 404, 405, 407, 408)
"""Statuses by which an endpoint refuses *us*: our credential, our credit, our name for the model. Another may do."""

_LONGEST_TAIL = 64 * 1024
_FIELDS = (b":", b"data", b"event", b"id", b"retry")


async def relay(live: Live, passage: Passage, reply: Reply, write: Write, begin: Begin) -> None:
    """Have the call answered. Raises the last fault if no endpoint could; `passage.attempt` tells how far it came.

    `write` makes the message for an endpoint (step translate); `begin` the head of a streamed answer.
    """
    plan, call = passage.plan, passage.call
    assert plan is not None and call is not None
    live.retries.requested(now())
    for endpoint_id in plan.order:
        lane = passage.view.lanes[endpoint_id]
        attempt = passage.attempt = Attempt(lane, passage.attempts + 1, now())
        flight = lane.state.dispatched(attempt.started, call.prompt_tokens, passage.expected_ttft_s())
        attempt.flight = flight
        try:
            await _try(live, passage, reply, write(lane), begin)
        except Fault as fault:
            flight.failed(now(), fault, live.lot())
            passage.view.recent.forget()
            last = attempt.number == len(plan.order)
            if last or not may_retry(fault, reply.started, attempt.number, live.snapshot.retry, live.retries, now()):
                raise
        else:
            usage = attempt.usage or Usage(call.prompt_tokens, attempt.events, estimated=True)
            flight.answered(attempt.ended, attempt.first_byte - attempt.started, attempt.ended - attempt.started, usage)
            passage.fault = None
            return
        finally:
            flight.left()  # a caller who left; does nothing where the flight has ended


async def _try(live: Live, passage: Passage, reply: Reply, message: bytes, begin: Begin) -> None:
    """One attempt; a pooled connection that proves to have gone stale is replaced once, which counts for nothing."""
    lane = passage.lane
    connection = lane.pool.idle() or await lane.pool.connect()
    try:
        await _exchange(live, passage, reply, connection, message, begin)
    except StaleConnection:
        connection = await lane.pool.connect()
        await _exchange(live, passage, reply, connection, message, begin)


async def _exchange(
    live: Live, passage: Passage, reply: Reply, connection: Connection, message: bytes, begin: Begin
) -> None:
    call, attempt = passage.call, passage.attempt
    assert call is not None and attempt is not None
    attempt.sent = True
    if call.stream:
        await _stream(live, passage, reply, connection, message, begin)
    else:
        await _collect(live, passage, connection, message)


async def _heard(connection: Connection, answer: asyncio.Future[Heard]) -> Heard:
    """Wait for an answer. Who is cancelled meanwhile closes the connection, unless it is free and maybe lent again."""
    try:
        return await answer
    except asyncio.CancelledError:
        if answer.cancelled():
            connection.cancel()
        raise


async def _collect(live: Live, passage: Passage, connection: Connection, message: bytes) -> None:
    """A whole answer: nothing leaves before it is complete and understood, so failover stays possible."""
    limits, attempt = live.snapshot.upstream, passage.attempt
    assert attempt is not None
    sink = Collect(live.loop, limits.max_answer_bytes)
    connection.exchange(message, sink, limits.answer_timeout_s, limits.idle_stream_timeout_s)
    answer: Answer = await _heard(connection, sink.answered)
    if not 200 <= answer.status < 300:
        raise refused_us(fault_of(answer.status, answer.headers, answer.body))
    try:
        reading = read_answer(answer.body)
    except ValueError as error:
        raise UpstreamGarbled(f"The endpoint's answer is not what its dialect promises: {error}") from None
    if reading.error:
        raise reported(reading)
    attempt.usage = reading.usage
    attempt.first_byte, attempt.ended = answer.first_byte, answer.ended
    passage.status, passage.body = answer.status, answer.body


async def _stream(
    live: Live, passage: Passage, reply: Reply, connection: Connection, message: bytes, begin: Begin
) -> None:
    """A streamed answer: relayed in callbacks; wakes here at its end, with the tail held back until it is settled."""
    limits, attempt, call = live.snapshot.upstream, passage.attempt, passage.call
    assert attempt is not None and call is not None
    watch = Watch(attempt, call.wants_usage)

    def first(at: float) -> tuple[int, bytes]:
        attempt.first_byte = at
        if attempt.flight is not None:
            attempt.flight.first_byte()
        return begin(passage)

    sink = Stream(live.loop, reply, connection, watch, first, limits.max_answer_bytes)
    connection.exchange(message, sink, limits.first_byte_timeout_s, limits.idle_stream_timeout_s)
    try:
        end = await _heard(connection, sink.done)
        attempt.ended, passage.body = end.ended, end.tail
    except Fault as fault:
        if not watch.done:
            raise refused_us(fault) from None
        attempt.ended, passage.body = now(), watch.tail  # the dialect's end came; how the connection ended is no matter
    finally:
        connection.resume()  # a slow reader may have paused it at its last chunk
        reply.watch_flow(_let_go, _let_go)  # from here on it may be another's
    if not reply.started:
        reply.start(*first(attempt.ended))


def _let_go() -> None:
    """Nothing is to be paused any more."""


def refused_us(fault: Fault) -> Fault:
    """The fault as it is to be judged: a status that refuses the gateway (its credential, its credit, its name for the
    model) tells nothing of the caller, so it becomes the endpoint's failure. Any other fault comes back as it is.
    """
    status = fault.upstream_status if isinstance(fault, UpstreamError) else 0
    if status not in _STATUSES_THAT_REFUSE_US:
        return fault
    return UpstreamError(f"The endpoint refused the gateway (status {status}).", status)


def reported(reading: Reading) -> Fault:
    """An error that the endpoint told under status 200, as if it had come with the status that it names."""
    return refused_us(fault_of(reading.status, {}, reading.error))


def _no_event(text: bytes) -> Fault:
    """What came where events should be: an error as a whole answer, or something that is no stream at all."""
    try:
        reading = read_answer(text)
    except ValueError:
        reading = Reading()
    return reported(reading) if reading.error else UpstreamGarbled("The endpoint answered with what is not a stream.")


class Watch:
    """The filter on a stream: passes events through byte by byte, reads usage, hides what the caller did not ask for.

    The end (`[DONE]`) is held back: the books are closed before the caller can know that the answer is whole. `done`
    tells that it came, `tail` is what is held back.
    """

    __slots__ = ("_attempt", "_splitter", "_wants_usage", "done", "tail")

    def __init__(self, attempt: Attempt, wants_usage: bool) -> None:
        self._attempt = attempt
        self._wants_usage = wants_usage
        self._splitter = EventSplitter()
        self.tail = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Complete events that may be passed on now. Raises the fault that one of them tells, or is."""
        block = self._splitter.feed(data)
        if self._attempt.events and not self.done and (chunks := plain(block)) > 0:
            self._attempt.events += chunks
            return block
        return b"".join([event for event in events(block) if self._passes(event)])

    def ended(self) -> bytes:
        """The tail held back. Raises StreamCut if the dialect's own end never came."""
        rest = self._splitter.rest
        if self.done or data_of(rest).startswith(b"[DONE]"):  # the last empty line may be missing
            self._hold_back(rest)
            return self.tail
        if rest and not self._attempt.first_byte and not _is_event(rest):
            raise _no_event(rest)
        raise StreamCut("The endpoint's stream ended before its end.")

    def _passes(self, event: bytes) -> bool:
        data = data_of(event)
        if self.done or data.startswith(b"[DONE]"):
            self._hold_back(event)
            return False
        if not data:
            if not _is_event(event):
                raise _no_event(event)
            return True
        try:
            reading = read_event(data)
        except ValueError as error:
            raise UpstreamGarbled(f"A stream event is not what its dialect promises: {error}") from None
        if reading.error:
            raise reported(reading)
        if reading.usage is not None:
            self._attempt.usage = reading.usage
        self._attempt.events += not reading.only_usage and speaks(data)
        return self._wants_usage or not reading.only_usage

    def _hold_back(self, event: bytes) -> None:
        self.done = True
        self.tail += event
        if len(self.tail) > _LONGEST_TAIL:
            raise StreamCut("The endpoint went on behind its stream's end.")


def _is_event(event: bytes) -> bool:
    """Whether there is nothing but comments and fields of server-sent events."""
    return all(line.startswith(_FIELDS) for line in event.splitlines() if line)
