"""Responses over a WebSocket: each message an ordinary exchange with any endpoint, what was said before remembered."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from scripted import DONE, Script, Scripted, Visit, closing, hang, scripted, spoken, token, until, usage
from socketcaller import SocketCaller
from world import World, endpoint, gateway, snapshot

from intertie.config.snapshot import SocketLimits
from intertie.core.principal import Meter
from intertie.wire.frames import BINARY

PATH = "/v1/responses"
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
BUDGET = Meter("budget", "usd", 10**9, "group devs")
CREATE: dict[str, Any] = {"type": "response.create", "model": "m", "input": "Tell me about the sea."}


def says(*words: str, tail: bytes = DONE) -> Script:
    """A chat endpoint that streams these words, under another id each time."""
    times = count()

    async def script(visit: Visit) -> None:
        name = f"c{next(times)}"
        await spoken(visit, *(token(word, id=name) for word in words), closing(), usage(9, len(words)), tail)
        visit.end()

    return script


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says("The ", "sea.")) as one:
        yield one


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], [BUDGET])) as world:
        yield world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[SocketCaller]:
    async with SocketCaller(world.url) as caller:
        assert (await caller.open(PATH)).status == 101
        yield caller


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


async def test_a_message_is_answered_with_the_events_of_a_stream(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    caller.tell(CREATE)
    events = await caller.events(*ENDS)
    assert [event["type"] for event in events][:2] == ["response.created", "response.in_progress"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert text_of(events) == "The sea."
    row = await world.ended()
    assert (row.outcome, row.status, row.stream, row.endpoint) == ("served", 200, True, "a")
    assert events[-1]["response"]["usage"]["input_tokens"] == row.usage.prompt == 9
    line = (await world.logged())[-1]
    assert (line["operation"], line["model"], line["outcome"]) == ("chat", "m", "served")
    asked = upstream.visits[0].asked
    assert asked["stream"] is True and not {"type", "stream_id", "generate"} & asked.keys()


async def test_the_row_is_written_before_the_last_event_is_sent(world: World, caller: SocketCaller) -> None:
    caller.tell(CREATE)
    await caller.events("response.completed")
    assert len(world.settled()) == 1


async def test_a_turn_builds_on_what_was_said_before(world: World, upstream: Scripted, caller: SocketCaller) -> None:
    caller.tell(CREATE)
    first = (await caller.events(*ENDS))[-1]["response"]["id"]
    caller.tell({**CREATE, "input": "And the sky?", "previous_response_id": first})
    second = await caller.events(*ENDS)
    assert all(event["response"]["previous_response_id"] == first for event in second if "response" in event)
    assert [turn["role"] for turn in upstream.visits[1].asked["messages"]] == ["user", "assistant", "user"]
    caller.tell({**CREATE, "input": "Which?", "previous_response_id": second[-1]["response"]["id"]})
    await caller.events(*ENDS)
    said = [turn["content"] for turn in upstream.visits[2].asked["messages"]]
    assert [part if isinstance(part, str) else part[0]["text"] for part in said] == [
        "Tell me about the sea.", "The sea.", "And the sky?", "The sea.", "Which?"
    ]  # fmt: skip
    await world.ended(3)


async def test_what_was_never_said_cannot_be_built_on(world: World, caller: SocketCaller) -> None:
    caller.tell({**CREATE, "previous_response_id": "resp_unknown"})
    error = await caller.event()
    assert error is not None
    assert (error["type"], error["status"], error["error"]["code"]) == ("error", 400, "previous_response_not_found")
    assert error["error"]["param"] == "previous_response_id"
    caller.tell(CREATE)
    assert text_of(await caller.events(*ENDS)) == "The sea.", "the socket stays"
    await world.ended()


async def test_the_oldest_is_forgotten_when_too_much_was_said(tmp_path: Path, upstream: Scripted) -> None:
    whole = snapshot([endpoint("a", upstream.port)], websocket=SocketLimits(max_message_bytes=6_000))
    async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        ids: list[str] = []
        for _ in range(4):
            caller.tell({**CREATE, "input": "x" * 1_500})
            ids.append((await caller.events(*ENDS))[-1]["response"]["id"])
        caller.tell({**CREATE, "previous_response_id": ids[0]})
        assert (await caller.events(*ENDS))[-1]["type"] == "error"
        caller.tell({**CREATE, "previous_response_id": ids[-1]})
        assert (await caller.events(*ENDS))[-1]["type"] == "response.completed"


async def test_what_the_gateway_keeps_is_built_on_from_another_socket(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    caller.tell({**CREATE, "store": True})
    kept = (await caller.events(*ENDS))[-1]["response"]["id"]
    caller.tell({**CREATE, "input": "Second.", "previous_response_id": kept, "store": False})
    passing = (await caller.events(*ENDS))[-1]["response"]["id"]
    caller.tell({**CREATE, "input": "Third.", "previous_response_id": passing})
    third = (await caller.events(*ENDS))[-1]["response"]
    assert third["previous_response_id"] == passing
    assert len(upstream.visits[2].asked["messages"]) == 5
    async with SocketCaller(world.url) as another:
        await another.open(PATH)
        another.tell({**CREATE, "previous_response_id": kept})
        assert (await another.events(*ENDS))[-1]["response"]["previous_response_id"] == kept
        assert len(upstream.visits[3].asked["messages"]) == 3
        another.tell({**CREATE, "previous_response_id": passing})
        assert (await another.events(*ENDS))[-1]["error"]["code"] == "previous_response_not_found"
    await world.ended(4)


async def test_warming_up_costs_nothing_and_can_be_built_on(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    caller.tell({**CREATE, "input": "Remember this.", "generate": False})
    events = await caller.events(*ENDS)
    assert [event["type"] for event in events] == ["response.created", "response.completed"]
    assert events[-1]["response"]["output"] == [] and not upstream.visits and not world.rows()
    caller.tell({**CREATE, "previous_response_id": events[-1]["response"]["id"]})
    await caller.events(*ENDS)
    assert len(upstream.visits[0].asked["messages"]) == 2
    await world.ended()


async def test_turns_of_one_strand_wait_for_each_other_and_strands_do_not(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    let = asyncio.Event()

    async def script(visit: Visit) -> None:
        if "slow" in json.dumps(visit.asked["messages"]):
            await let.wait()
        await says("word")(visit)

    upstream.script = script
    caller.tell({**CREATE, "stream_id": "one", "input": "slow"})
    caller.tell({**CREATE, "stream_id": "one", "input": "next"})
    caller.tell({**CREATE, "stream_id": "two"})
    events = await caller.events(*ENDS)
    assert {event["stream_id"] for event in events} == {"two"}
    assert len(upstream.visits) == 2
    let.set()
    for _ in range(2):
        assert {event["stream_id"] for event in await caller.events(*ENDS)} == {"one"}
    await world.ended(3)


async def test_a_socket_has_at_most_sixteen_strands_under_way(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    upstream.script = hang
    for number in range(17):
        caller.tell({**CREATE, "stream_id": str(number)})
    error = await caller.event()
    assert error is not None and error["stream_id"] == "16"
    assert error["error"]["code"] == "websocket_stream_limit_reached"
    await upstream.visited(16)
    caller.leave()
    await world.ended(16)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_type"),
        (b"{}", "missing_required_parameter"),
        (b'{"type": "response.create"}', "missing_required_parameter"),
        (b'{"type": "session.update"}', "invalid_value"),
        (b'{"type": "response.create", "type": "x"}', "duplicate_parameter"),
        (json.dumps({**CREATE, "background": True}).encode(), "invalid_value"),
        (json.dumps({**CREATE, "stream_id": "x" * 200}).encode(), "invalid_value"),
        (json.dumps({**CREATE, "model": "nothing"}).encode(), "model_not_found"),
        (json.dumps({**CREATE, "input": 5}).encode(), "invalid_type"),
        (b'{"type": "response.create", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "json_too_deep"),
    ],
)
async def test_nonsense_is_told_and_the_socket_stays(
    world: World, caller: SocketCaller, message: bytes, code: str
) -> None:
    caller.tell(message)
    error = await caller.event()
    assert error is not None and error["type"] == "error"
    assert (error["error"]["code"], error["status"] // 100) == (code, 4)
    caller.tell(CREATE)
    assert text_of(await caller.events(*ENDS)) == "The sea."
    await world.ended()


async def test_bytes_are_no_messages(world: World, caller: SocketCaller) -> None:
    caller.tell(json.dumps(CREATE).encode(), BINARY)
    error = await caller.event()
    assert error is not None and error["error"]["code"] == "invalid_json"


async def test_a_steer_is_given_back(world: World, caller: SocketCaller) -> None:
    caller.tell({"type": "response.steer", "previous_response_id": "resp_1", "input": "stop"})
    failed = await caller.event()
    assert failed is not None and failed["type"] == "response.steer.failed"
    assert failed["steer"] == {"input": "stop", "previous_response_id": "resp_1"}
    assert failed["error"]["code"] == "steering_not_supported"


async def test_a_spent_budget_is_told_in_an_error(tmp_path: Path, upstream: Scripted) -> None:
    small = Meter("budget", "usd", 1, "group devs")
    whole = snapshot([endpoint("a", upstream.port)], [small])
    async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        caller.tell({**CREATE, "stream_id": "s"})
        error = await caller.event()
        assert error is not None and (error["status"], error["stream_id"]) == (429, "s")
        assert error["error"]["code"] == "budget_exhausted"
        assert error["error"]["headers"]["x-should-retry"] == "false"


async def test_an_endpoint_that_breaks_off_is_told_in_the_stream(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("The "))
        visit.cut()

    upstream.script = script
    caller.tell(CREATE)
    events = await caller.events(*ENDS)
    assert events[-1]["type"] == "error" and text_of(events) == "The "
    assert (await world.ended()).outcome == "cut"


async def test_a_caller_who_leaves_cancels_what_is_under_way(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("The "))
        await hang(visit)

    upstream.script = script
    caller.tell(CREATE)
    caller.tell(CREATE)
    await caller.events("response.output_text.delta")
    caller.leave()
    await until(lambda: upstream.open == 0, 1.0)
    row = await world.ended()
    assert (row.outcome, row.fault) == ("left", "caller_left")
    assert world.room(BUDGET) == BUDGET.cap - (row.cost_nano or 0)


async def test_a_slow_reader_slows_the_endpoint(tmp_path: Path) -> None:
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        visit.begin()
        for _ in range(240):
            visit.say(token("x" * 50_000))
            sent += 1
            for _ in range(400):
                if not visit.line.transport.get_write_buffer_size():
                    break
                await asyncio.sleep(0.005)
        visit.say(closing() + usage() + DONE)
        visit.end()

    async with scripted(script) as upstream:
        whole = snapshot([endpoint("a", upstream.port)])
        async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
            await caller.open(PATH)
            caller.reader._limit = 1 << 10
            caller.tell(CREATE)
            await until(lambda: sent > 10)
            await asyncio.sleep(0.4)
            assert sent < 240, "what nobody reads is not read from the endpoint"
            caller.reader._limit = 1 << 24
            assert len(text_of(await caller.events(*ENDS))) == 240 * 50_000
            await world.ended()


async def test_nobody_is_let_in_without_a_key(world: World) -> None:
    for key in ("", "wrong"):
        async with SocketCaller(world.url) as caller:
            told = await caller.open(PATH, key=key)
            assert told.status == 401 and told.error["type"] == "authentication_error"


async def test_a_key_that_is_revoked_meanwhile_asks_in_vain(world: World, caller: SocketCaller) -> None:
    world.live.adopt(snapshot([], version=2, keys={}))
    caller.tell(CREATE)
    error = await caller.event()
    assert error is not None and error["status"] == 401


async def test_draining_waits_for_the_turn_under_way(world: World, upstream: Scripted, caller: SocketCaller) -> None:
    let = asyncio.Event()

    async def script(visit: Visit) -> None:
        await let.wait()
        await says("done")(visit)

    upstream.script = script
    caller.tell(CREATE)
    await upstream.visited()
    world.server.drain()
    await asyncio.sleep(0.02)
    caller.tell(CREATE)
    error = await caller.event()
    assert error is not None and error["status"] == 503
    let.set()
    assert text_of(await caller.events(*ENDS)) == "done"
    assert await caller.event() is None and caller.code == 1012
    await world.ended()


async def test_stopping_the_gateway_tells_a_turn_under_way(
    world: World, upstream: Scripted, caller: SocketCaller
) -> None:
    upstream.script = hang
    caller.tell(CREATE)
    caller.tell(CREATE)
    await upstream.visited()
    closed = asyncio.ensure_future(world.server.close(0.1))
    error = await caller.event()
    assert error is not None and (error["type"], error["status"]) == ("error", 503)
    assert await caller.event() is None and caller.code == 1012
    await closed
    assert len(world.settled()) == 1


async def test_a_socket_has_an_age(tmp_path: Path, upstream: Scripted) -> None:
    whole = snapshot([endpoint("a", upstream.port)], websocket=SocketLimits(ping_s=0.1, age_s=0.2))
    async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        error = await caller.event()
        assert error is not None and error["error"]["code"] == "websocket_connection_limit_reached"
        assert await caller.event() is None and caller.code == 1001
