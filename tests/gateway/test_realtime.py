"""Realtime sessions: relayed both ways, each response admitted, settled, logged; what ends one leaves nothing open."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted import free_port, until
from socketcaller import SocketCaller
from voice import USAGE, Line, Voice, obliging, shown, silent, voice
from world import KEY, World, endpoint, gateway, snapshot

from intertie.config.snapshot import SocketLimits
from intertie.core.money import Price, rated
from intertie.core.principal import Meter
from intertie.core.record import Admitted
from intertie.core.usage import Usage
from intertie.wire.frames import BINARY

PATH = "/v1/realtime?model=m"
CREATE: dict[str, Any] = {"type": "response.create"}
RATES = {"input": 4 * 10**9, "cached": 4 * 10**8, "output": 16 * 10**9, "audio_in": 32 * 10**9, "audio_out": 64 * 10**9}
PRICE: Price = rated(RATES, "test")
BUDGET = Meter("budget", "usd", 10 * 10**9, "group devs")
CALLS = Meter("calls", "concurrent", 4, "group devs")
USED = Usage(prompt=120, completion=30, cached=50, audio_in=50, audio_out=20)


def place(port: int, name: str = "a", **changes: Any) -> Any:
    plain = {"upstream_model": "m-upstream", "operations": ("realtime",), "price": PRICE, "credential": "secret"}
    return endpoint(name, port, **{**plain, **changes})


@pytest.fixture
async def upstream() -> AsyncIterator[Voice]:
    async with voice() as one:
        yield one


@pytest.fixture
async def world(tmp_path: Path, upstream: Voice) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([place(upstream.port)], [BUDGET, CALLS])) as world:
        yield world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[SocketCaller]:
    async with SocketCaller(world.url) as caller:
        assert (await caller.open(PATH)).status == 101
        assert [event["type"] for event in await caller.events("session.created")] == ["session.created"]
        yield caller


async def test_a_session_is_opened_where_it_was_chosen(world: World, upstream: Voice, caller: SocketCaller) -> None:
    request = upstream.requests[0]
    assert (request.path, request.query) == (b"/v1/realtime", b"model=m-upstream")
    assert request.headers[b"authorization"] == b"Bearer secret"
    assert KEY.encode() not in b"".join(request.headers.values())
    assert b"sec-websocket-protocol" not in request.headers
    assert world.room(CALLS) == CALLS.cap - 1


async def test_a_response_is_admitted_settled_and_logged(world: World, upstream: Voice, caller: SocketCaller) -> None:
    caller.tell(CREATE)
    events = await caller.events("response.done")
    assert [event["type"] for event in events] == [
        "response.created", "response.output_text.delta", "response.output_text.delta", "response.done",
    ]  # fmt: skip
    assert events[-1]["response"]["usage"] == USAGE
    assert len(world.settled()) == 1, "the row is written before the end is told"
    row = world.settled()[0]
    assert (row.outcome, row.status, row.endpoint, row.stream, row.attempts) == ("served", 200, "a", True, 1)
    assert row.usage == USED and row.cost_nano == PRICE.of(USED)
    assert row.cost_nano == 20 * 4000 + 50 * 400 + 50 * 32000 + 10 * 16000 + 20 * 64000
    assert world.room(BUDGET) == BUDGET.cap - row.cost_nano
    admitted = [one for one in world.rows() if isinstance(one, Admitted) and one.sequence == row.sequence]
    assert admitted[0].operation == "realtime" and admitted[0].holds[0].amount > row.cost_nano
    line = (await world.logged())[-1]
    assert (line["operation"], line["outcome"], line["prompt_tokens"]) == ("realtime", "served", 120)


async def test_a_session_has_a_row_of_its_own_that_costs_nothing(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    caller.tell(CREATE)
    await caller.events("response.done")
    caller.tell(b"\x03\xe8", 8)
    await until(lambda: not world.live.in_flight)
    session = world.settled()[-1]
    assert (session.outcome, session.status, session.cost_nano, session.usage) == ("served", 101, 0, Usage())
    assert world.room(CALLS) == CALLS.cap
    assert upstream.line.code == 1000
    line = (await world.logged(2))[-1]
    assert (line["operation"], line["status"], line["outcome"]) == ("realtime", 101, "served")


async def test_what_nobody_here_knows_passes_both_ways(world: World, upstream: Voice, caller: SocketCaller) -> None:
    caller.tell({"type": "new.thing", "deep": {"a": [1, None, "ü"]}})
    heard = await upstream.heard(1)
    assert heard == [{"type": "new.thing", "deep": {"a": [1, None, "ü"]}}]
    upstream.line.say("other.thing", value="ü")
    upstream.line.socket.send(b"\x00\x01", text=False)
    event = await caller.event()
    assert event is not None and (event["type"], event["value"]) == ("other.thing", "ü")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", "invalid_json"),
        (b"{}", "missing_required_parameter"),
        (b'{"type": 5}', "invalid_type"),
        (b'{"type": "response.create", "type": "response.cancel"}', "duplicate_parameter"),
        (b'{"type": "response.cancel", "Type": "response.create"}', "duplicate_parameter"),
        (json.dumps({"type": "x", "event_id": "y" * 600}).encode(), "invalid_request"),
        (b'{"type": "session.update", "session": {"model": "other"}}', "invalid_value"),
        (b'{"type": "session.update", "session": {"model": "m", "model": "other"}}', "duplicate_parameter"),
    ],
)
async def test_nonsense_is_told_in_the_session_which_goes_on(
    world: World, upstream: Voice, caller: SocketCaller, message: bytes, code: str
) -> None:
    caller.tell(message)
    error = await caller.event()
    assert error is not None and (error["type"], error["error"]["code"]) == ("error", code)
    caller.tell(CREATE)
    assert (await caller.events("response.done"))[-1]["type"] == "response.done"
    assert upstream.line.kinds() == ["response.create"]


async def test_bytes_are_no_events(world: World, upstream: Voice, caller: SocketCaller) -> None:
    caller.tell(b'{"type": "response.create"}', BINARY)
    error = await caller.event()
    assert error is not None and error["error"]["code"] == "invalid_json" and not upstream.line.heard


async def test_the_model_of_a_session_is_renamed_on_the_way(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    caller.tell({"type": "session.update", "session": {"type": "realtime", "model": "m", "voice": "marin"}})
    assert (await upstream.heard(1))[0]["session"] == {"type": "realtime", "model": "m-upstream", "voice": "marin"}


async def test_transcripts_of_unknown_price_are_refused_under_a_budget(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    wish = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    caller.tell({"type": "session.update", "event_id": "mine", "session": wish})
    error = await caller.event()
    assert error is not None and error["error"]["code"] == "model_unpriced"
    assert error["error"]["event_id"] == "mine" and not upstream.line.heard


async def test_a_spent_budget_is_told_and_the_session_stays(tmp_path: Path, upstream: Voice) -> None:
    small = Meter("budget", "usd", 5 * 10**8, "group devs")
    used = {"input_tokens": 2_000, "output_tokens": 4_000}
    upstream.script = lambda line, event: event["type"] != CREATE["type"] or line.answer("r", "word", usage=used)
    whole = snapshot([place(upstream.port)], [small])
    async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        await caller.events("session.created")
        caller.tell(CREATE)
        await caller.events("response.done")
        caller.tell({**CREATE, "event_id": "mine"})
        error = await caller.event()
        assert error is not None and error["type"] == "error"
        assert error["error"]["code"] == "budget_exhausted" and error["error"]["event_id"] == "mine"
        caller.tell({"type": "conversation.item.create"})
        await upstream.heard(2)
        assert upstream.line.kinds() == ["response.create", "conversation.item.create"]
        caller.leave()
        await until(lambda: not world.live.in_flight)
        assert world.room(small) == small.cap - (2_000 * 4_000 + 4_000 * 16_000), "nothing stays held"


async def test_a_key_that_is_revoked_meanwhile_makes_no_more_responses(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    whole = world.live.snapshot
    world.live.adopt(msgspec.structs.replace(whole, version=2, keys={}))
    caller.tell(CREATE)
    error = await caller.event()
    assert error is not None and error["error"]["type"] == "authentication_error" and not upstream.line.heard


async def test_an_endpoint_that_is_withdrawn_makes_no_more_responses(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    whole = world.live.snapshot
    other = {"b": place(free_port(), "b", site="a-site")}
    world.live.adopt(msgspec.structs.replace(whole, version=2, endpoints=other))
    caller.tell(CREATE)
    error = await caller.event()
    assert error is not None and error["error"]["code"] == "no_candidate" and not upstream.line.heard


async def test_more_than_the_model_can_read_is_not_set_aside(tmp_path: Path, upstream: Voice) -> None:
    places = [place(upstream.port, context=5_000)]
    async with gateway(tmp_path, snapshot(places, [BUDGET])) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        for _ in range(3):
            caller.tell({"type": "conversation.item.create", "item": "x" * 20_000})
            caller.tell(CREATE)
            await caller.events("response.done")
        held = [row.holds[0].amount for row in world.rows() if isinstance(row, Admitted) and row.holds]
        assert held == [PRICE.worst(5_000, 4_096)] * 3


@pytest.mark.parametrize("response", [{}, {"id": None}, {"id": "r"}])
async def test_a_response_that_begins_twice_or_without_a_name_ends_the_session(
    world: World, upstream: Voice, caller: SocketCaller, response: dict[str, Any]
) -> None:
    upstream.script = silent
    for _ in range(2):
        caller.tell(CREATE)
    await upstream.heard(2)
    upstream.line.begin("r")
    upstream.line.say("response.created", response=response)
    assert (await caller.events())[-1]["type"] == "error" and caller.code in (1008, 1011)
    await until(lambda: not world.live.in_flight)
    spent = sum(row.cost_nano or 0 for row in world.settled())
    assert world.room(BUDGET) == BUDGET.cap - spent and len(world.settled()) == 3


async def test_parallel_responses_are_held_and_settled_one_by_one(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    upstream.script = silent
    for _ in range(3):
        caller.tell({**CREATE, "response": {"conversation": "none"}})
    await upstream.heard(3)
    ids = {event["event_id"] for event in upstream.line.heard}
    assert len(ids) == 3, "each can be named in an error"
    for number in range(3):
        upstream.line.begin(f"r{number}")
    for number in (2, 0, 1):
        upstream.line.end(f"r{number}", conversation_id=None)
        await caller.events("response.done")
    assert [row.cost_nano for row in world.settled()] == [PRICE.of(USED)] * 3


async def test_what_an_endpoint_refuses_is_paid_for_by_the_next(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    def script(line: Line, event: dict[str, Any]) -> None:
        if len(line.heard) == 1:
            line.say("error", error={"type": "invalid_request_error", "message": "no", "event_id": event["event_id"]})
        else:
            obliging(line, event)

    upstream.script = script
    caller.tell({**CREATE, "event_id": "mine"})
    assert (await caller.events("error"))[-1]["error"]["event_id"] == "mine"
    caller.tell(CREATE)
    await caller.events("response.done")
    assert len([row for row in world.rows() if isinstance(row, Admitted) and row.holds]) == 1


async def test_a_response_that_failed_is_so_in_the_books(world: World, upstream: Voice, caller: SocketCaller) -> None:
    def script(line: Line, event: dict[str, Any]) -> None:
        line.begin("r")
        error = {"type": "server_error", "code": "server_error", "message": "oh"}
        done = shown("r", status="failed", status_details={"type": "failed", "error": error})
        line.say("response.done", response=done)

    upstream.script = script
    caller.tell(CREATE)
    assert (await caller.events("response.done"))[-1]["response"]["status"] == "failed"
    row = world.settled()[0]
    assert row.fault == "upstream_error" and row.outcome == "cut"
    assert world.live.states["a"].latency_penalty > 0


async def test_a_caller_who_leaves_in_the_midst_releases_the_endpoint_at_once(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    def script(line: Line, event: dict[str, Any]) -> None:
        line.begin("r")
        line.say("response.output_audio.delta", response_id="r", delta="x" * 32_000)

    upstream.script = script
    caller.tell(CREATE)
    await caller.events("response.output_audio.delta")
    caller.leave()
    await until(lambda: upstream.open == 0, 1.0)
    await until(lambda: not world.live.in_flight)
    response, session = world.settled()
    assert (response.outcome, response.fault, response.usage.estimated) == ("left", "caller_left", True)
    assert response.usage.completion == 11 and response.cost_nano
    assert (session.outcome, session.status) == ("left", 499)
    assert world.room(BUDGET) == BUDGET.cap - response.cost_nano
    assert world.room(CALLS) == CALLS.cap and world.live.states["a"].in_flight == 0


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (1001, 1001), (1011, 1011), (1009, 1011), (4001, 4001)])
async def test_an_endpoint_that_takes_leave_ends_the_session(
    world: World, upstream: Voice, caller: SocketCaller, code: int, told: int
) -> None:
    upstream.script = lambda line, _: line.begin("r")
    caller.tell(CREATE)
    await caller.events("response.created")
    upstream.line.socket.close(code, "bye")
    events = await caller.events()
    assert caller.code == told
    assert [event["type"] for event in events] == (["error"] if code > 1001 else [])
    await until(lambda: not world.live.in_flight)
    response, session = world.settled()
    assert (response.outcome, response.fault) == ("cut" if response.ttft_s else "failed", "upstream_cut")
    assert session.outcome == ("cut" if code > 1001 else "served")
    assert world.room(CALLS) == CALLS.cap


async def test_an_endpoint_that_is_lost_is_told(world: World, upstream: Voice, caller: SocketCaller) -> None:
    upstream.line.socket.cut()
    events = await caller.events()
    assert events[-1]["error"]["code"] == "upstream_cut" and caller.code == 1011


async def test_garbage_of_an_endpoint_ends_the_session(world: World, upstream: Voice, caller: SocketCaller) -> None:
    upstream.line.socket.send(b"no json")
    events = await caller.events()
    assert events[-1]["error"]["code"] == "upstream_malformed" and caller.code == 1011
    await until(lambda: upstream.open == 0)


async def test_draining_ends_idle_sessions_at_once_and_others_with_their_response(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    upstream.script = lambda line, _: line.begin("r")
    async with SocketCaller(world.url) as idle:
        await idle.open(PATH)
        await idle.events("session.created")
        caller.tell(CREATE)
        await caller.events("response.created")
        world.server.drain()
        assert await idle.events() == [] and idle.code == 1012
    caller.tell(CREATE)
    error = await caller.event()
    assert error is not None and error["error"]["code"] == "draining"
    upstream.lines[0].end("r")
    assert [event["type"] for event in await caller.events()] == ["response.done"]
    assert caller.code == 1012
    await until(lambda: not world.live.in_flight)
    assert [row.outcome for row in world.settled()] == ["served"] * 3


async def test_stopping_the_gateway_settles_what_is_under_way(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    upstream.script = lambda line, _: line.begin("r")
    caller.tell(CREATE)
    await caller.events("response.created")
    closing = asyncio.ensure_future(world.server.close(0.1))
    events = await caller.events()
    await closing
    assert events[-1]["error"]["code"] == "draining" and caller.code == 1001
    assert {row.fault for row in world.settled()} == {"draining"}


async def test_a_session_has_an_age(tmp_path: Path, upstream: Voice) -> None:
    whole = snapshot([place(upstream.port)], websocket=SocketLimits(ping_s=0.1, age_s=0.2))
    async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        events = await caller.events()
        assert events[-1]["error"]["code"] == "session_expired" and caller.code == 1001


async def test_a_slow_reader_slows_the_endpoint(world: World, upstream: Voice, caller: SocketCaller) -> None:
    caller.reader._limit = 1 << 10
    flowing: list[bool] = []
    line = upstream.line
    line.on_flow = lambda clear: flowing.append(clear)
    for _ in range(200):
        line.say("response.output_audio.delta", response_id="r", delta="x" * 100_000)
    await until(lambda: flowing == [False])
    await asyncio.sleep(0.2)
    assert flowing == [False], "what the caller does not read is not read from the endpoint"
    caller.reader._limit = 1 << 24
    for _ in range(200):
        event = await caller.event()
        assert event is not None and len(event["delta"]) == 100_000
    await until(lambda: flowing == [False, True])


async def test_a_caller_who_never_reads_is_read_no_more(world: World, upstream: Voice, caller: SocketCaller) -> None:
    caller.reader._limit = 1 << 10
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 400_000:
            for _ in range(1_000):
                caller.tell(b"nonsense")
            await asyncio.wait_for(caller.writer.drain(), 1)
            sent += 1_000
    assert not upstream.line.heard
