"""Sessions whose endpoint answers by itself whom it hears: something is set aside before it can, and renewed after."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from scripted import until
from socketcaller import SocketCaller
from test_realtime import PATH, PRICE, USED, place
from voice import Line, Voice, silent, voice
from world import World, gateway, snapshot

from intertie.core.principal import Meter
from intertie.core.record import Admitted

BUDGET = Meter("budget", "usd", 2 * 10**9, "group devs")
SPEECH: dict[str, Any] = {"type": "input_audio_buffer.append", "audio": "A" * 6_400}


@pytest.fixture
async def upstream() -> AsyncIterator[Voice]:
    async with voice(silent) as one:
        yield one


@pytest.fixture
async def world(tmp_path: Path, upstream: Voice) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([place(upstream.port)], [BUDGET])) as world:
        yield world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[SocketCaller]:
    async with SocketCaller(world.url) as caller:
        assert (await caller.open(PATH)).status == 101
        await caller.events("session.created")
        yield caller


def holds(world: World) -> list[int]:
    """What was set aside for each response, in turn."""
    return [row.holds[0].amount for row in world.rows() if isinstance(row, Admitted) and row.holds]


async def test_speech_is_passed_on_when_something_is_set_aside_for_its_answer(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    for _ in range(50):
        caller.tell(SPEECH)
    await upstream.heard(50)
    assert len(holds(world)) == 1
    upstream.line.answer("r1", "yes")
    await caller.events("response.done")
    await until(lambda: len(holds(world)) == 2)
    upstream.line.answer("r2", "and", "so")
    await caller.events("response.done")
    assert [row.cost_nano for row in world.settled()] == [PRICE.of(USED)] * 2
    caller.leave()
    await until(lambda: not world.live.in_flight)
    spent = sum(row.cost_nano or 0 for row in world.settled())
    assert world.room(BUDGET) == BUDGET.cap - spent, "what was set aside for nothing is given back"
    assert sorted(row.fault for row in world.settled()) == ["", "", "caller_left", "unused"]


async def test_long_speech_renews_what_is_set_aside_before_it_is_too_little(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    for number in range(100):
        caller.tell({**SPEECH, "audio": "A" * 100_000})
        await upstream.heard(number + 1)
    first, second, *_ = holds(world)
    assert first < second, "ten million characters are more tokens than were to spare"
    upstream.line.answer("r1", "yes")
    await caller.events("response.done")
    used = next(row for row in world.settled() if row.outcome == "served")
    row = next(row for row in world.rows() if isinstance(row, Admitted) and row.sequence == used.sequence)
    assert row.holds[0].amount == max(holds(world)[:-1])


async def test_without_detection_speech_needs_nothing(tmp_path: Path, upstream: Voice) -> None:
    upstream.hears = None
    async with (
        gateway(tmp_path, snapshot([place(upstream.port)], [BUDGET])) as world,
        SocketCaller(world.url) as caller,
    ):
        await caller.open(PATH)
        await caller.events("session.created")
        caller.tell(SPEECH)
        await upstream.heard(1)
        assert holds(world) == []


async def test_detection_that_is_switched_off_and_on_again_counts_from_the_wish(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    def updated(detection: dict[str, Any] | None) -> None:
        upstream.line.say("session.updated", session={"audio": {"input": {"turn_detection": detection}}})

    caller.tell({"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}})
    await upstream.heard(1)
    updated(None)
    await caller.events("session.updated")
    caller.tell(SPEECH)
    await upstream.heard(2)
    assert holds(world) == []
    caller.tell({"type": "session.update", "session": {"turn_detection": {"type": "semantic_vad"}}})
    caller.tell(SPEECH)
    await upstream.heard(4)
    assert len(holds(world)) == 1, "the endpoint may hear from now on"


async def test_a_response_that_nothing_was_set_aside_for_ends_the_session(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    upstream.line.begin("r1")
    events = await caller.events()
    assert [event["error"]["code"] for event in events] == ["response_not_admitted"] and caller.code == 1008
    await until(lambda: upstream.open == 0 and not world.live.in_flight)
    assert holds(world) == [] and world.room(BUDGET) == BUDGET.cap


async def test_speech_is_refused_once_a_second_when_the_budget_is_spent(tmp_path: Path, upstream: Voice) -> None:
    small = Meter("budget", "usd", 10**8, "group devs")
    async with gateway(tmp_path, snapshot([place(upstream.port)], [small])) as world, SocketCaller(world.url) as caller:
        await caller.open(PATH)
        await caller.events("session.created")
        for _ in range(50):
            caller.tell(SPEECH)
        caller.tell({"type": "input_audio_buffer.clear"})
        await upstream.heard(1)
        assert upstream.line.kinds() == ["input_audio_buffer.clear"]
        error = await caller.event()
        assert error is not None and error["error"]["code"] == "budget_exhausted"
        upstream.line.say("input_audio_buffer.cleared")
        assert [event["type"] for event in await caller.events("input_audio_buffer.cleared")] == [
            "input_audio_buffer.cleared"
        ], "it is told once, not fifty times"


async def test_a_response_asked_for_beside_speech_is_set_aside_beside_it(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    caller.tell(SPEECH)
    caller.tell({"type": "response.create", "response": {"conversation": "none"}})
    await upstream.heard(2)
    assert len(holds(world)) == 2
    upstream.line.begin("spoken")
    upstream.line.begin("asked")
    upstream.line.end("spoken")
    upstream.line.end("asked", conversation_id=None)
    for _ in range(2):
        await caller.events("response.done")
    assert [row.outcome for row in world.settled()] == ["served"] * 2


async def test_estimates_of_speech_that_was_cut_are_of_its_length(
    world: World, upstream: Voice, caller: SocketCaller
) -> None:
    def script(line: Line, event: dict[str, Any]) -> None:
        if event["type"] == "response.create":
            line.begin("r")
            for _ in range(3):
                line.say("response.output_audio.delta", response_id="r", delta="A" * 32_000)
            line.say("response.output_audio_transcript.delta", response_id="r", delta="Hi")
            line.socket.cut()

    upstream.script = script
    caller.tell({"type": "response.create"})
    await caller.events()
    await until(lambda: not world.live.in_flight)
    row = world.settled()[0]
    assert (row.outcome, row.usage.completion, row.usage.estimated) == ("cut", 34, True)
