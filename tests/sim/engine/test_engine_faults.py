"""Each fault as it looks on the wire, and callers who leave."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.dialects.openai import OPENAI
from intertie.sim.engine.faults import EngineFault, FaultSchedule, parse_fault
from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry

Start = Callable[..., Awaitable[RunningEngine]]
Journal = Callable[[int], Awaitable[list[Entry]]]
Ask = Callable[..., dict[str, object]]
DONE = b"data: [DONE]\n\n"


async def until(true: Callable[[], bool], within: float) -> bool:
    for _ in range(round(within / 0.002)):
        if true():
            break
        await asyncio.sleep(0.002)
    return true()


def contents(body: bytes) -> list[str]:
    """The pieces of text in a stream, one per token chunk."""
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    return [delta["content"] for delta in deltas if delta.get("content")]


async def test_a_stream_on_the_wire_is_role_tokens_reason_and_done(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(3, stream=True))
        status, headers, body = await call.answer()
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "text/event-stream", "no-cache")
    events = body.split(b"\n\n")
    assert b'"delta":{"role":"assistant","content":"","refusal":null}' in events[0]
    assert contents(body[len(events[0]) :]) == ["Simu", "late", "d a."]
    assert b'"delta":{},"logprobs":null,"finish_reason":"stop"' in events[4]
    assert events[5:] == [b"data: [DONE]", b""]


async def test_malformed_json_is_refused(engine: RunningEngine, raw: Any) -> None:
    async with raw(engine) as call:
        await call.send(b'{"model": "sim", ')
        status, _, body = await call.answer()
    assert status == 400 and json.loads(body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [("/v1/nothing", None, 404), ("/v1/nothing", b"{}", 404), ("/v1/embeddings", None, 405), ("/health", b"", 405)],
)
async def test_wrong_paths_and_methods(engine: RunningEngine, raw: Any, path: str, body: Any, expected: int) -> None:
    async with raw(engine, path) as call:
        await call.send(body)
        assert (await call.answer())[0] == expected


async def test_status_refuses_and_says_when_to_come_back(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="status:429;retry-after=2")
        status, headers, body = await call.answer()
        assert (status, headers["retry-after"]) == (429, "2")
        assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"
        await call.send(ask(), x_sim_fault="status:500")
        status, headers, body = await call.answer()
        assert status == 500 and "retry-after" not in headers and b"simulated fault" in body


async def test_hang_sends_no_head(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="hang")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.reader.read(1), 0.15)


async def test_hang_stream_falls_silent_after_its_chunks(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(stream=True), x_sim_fault="hang_stream:3")
        await call.head()
        body = b"".join([await call.chunk() for _ in range(3)])
        assert len(contents(body)) == 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.reader.read(1), 0.15)


async def test_cut_closes_in_mid_stream(engine: RunningEngine, raw: Any, ask: Ask, journal: Journal) -> None:
    async with raw(engine) as call:
        await call.send(ask(50, stream=True), x_sim_fault="cut:4")
        await call.head()
        body = b"".join([await call.chunk() for _ in range(4)])
        assert len(contents(body)) == 4
        with pytest.raises(asyncio.IncompleteReadError):
            await call.chunk()
    (entry,) = await journal(1)
    assert entry.fault == "cut" and entry.aborted_at is not None and 4 <= entry.aborted_at < 50


async def test_cut_and_hang_stream_spoil_whole_answers_too(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="cut:0")
        with pytest.raises(asyncio.IncompleteReadError):
            await call.answer()
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="hang_stream:0")
        await call.head()
        assert (await call.chunk()).startswith(b"{")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.chunk(), 0.15)


async def test_malformed_puts_garbage_between_the_chunks(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(5, stream=True), x_sim_fault="malformed:2")
        _, _, body = await call.answer()
        before, garbage, after = body.partition(OPENAI.garbage)
        assert garbage and len(contents(before)) == 2 and len(contents(after)) == 3
        await call.send(ask(), x_sim_fault="malformed:0")
        status, _, body = await call.answer()
        assert status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


async def test_no_done_ends_cleanly_without_it(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(5, stream=True), x_sim_fault="no_done")
        _, _, body = await call.answer()
    assert DONE not in body and b'"finish_reason":"stop"' in body


async def test_html_is_a_page_with_status_200(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="html")
        status, headers, body = await call.answer()
    assert status == 200 and headers["content-type"].startswith("text/html") and body.startswith(b"<!doctype")


async def test_error_in_200_comes_whole_and_streamed(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="error_in_200")
        status, _, body = await call.answer()
        assert status == 200 and json.loads(body)["error"]["code"] == "simulated_fault"
        await call.send(ask(stream=True), x_sim_fault="error_in_200")
        status, _, body = await call.answer()
        assert status == 200 and json.loads(body.removeprefix(b"data: "))["error"] and DONE not in body


async def test_rst_resets_the_connection(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine) as call:
        await call.send(ask(), x_sim_fault="rst")
        with pytest.raises(ConnectionResetError):
            await call.reader.read(1)


async def test_slow_stretches_the_whole_answer(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    seconds: list[float] = []
    texts: list[list[str]] = []
    for fault in ("slow:1", "slow:4"):
        async with raw(engine) as call:
            began = time.monotonic()
            await call.send(ask(30, stream=True), x_sim_fault=fault)
            texts.append(contents((await call.answer())[2]))
            seconds.append(time.monotonic() - began)
    assert seconds[1] > 2.5 * seconds[0] and seconds[1] >= 4 * 30 * 0.002
    assert texts[0] == texts[1]


async def test_faults_are_switched_at_run_time(engine: RunningEngine, raw: Any, ask: Ask) -> None:
    async with raw(engine, "/sim/faults") as control, raw(engine) as call:
        for orders, expected in ((["status:503"], 503), ([], 200)):
            await control.send({"faults": orders})
            assert (await control.answer())[0] == 200
            await call.send(ask())
            assert (await call.answer())[0] == expected
        await control.send({"faults": ["nonsense"]})
        assert (await control.answer())[0] == 400


async def test_faults_by_the_caller_have_to_be_allowed(start: Start, raw: Any, ask: Ask) -> None:
    engine = await start(allow_faults=False)
    async with raw(engine) as call, raw(engine, "/sim/faults") as control:
        await call.send(ask(), x_sim_fault="status:500")
        assert (await call.answer())[0] == 200
        await control.send({"faults": []})
        assert (await control.answer())[0] == 404


async def test_a_share_of_the_requests_is_struck_and_the_seed_says_which(start: Start, raw: Any, ask: Ask) -> None:
    runs: list[list[int]] = []
    for _ in range(2):
        engine = await start(fault=("status:500@0.3",), seed=5)
        async with raw(engine) as call:
            statuses: list[int] = []
            for _ in range(40):
                await call.send(ask(1))
                statuses.append((await call.answer())[0])
            runs.append(statuses)
    assert runs[0] == runs[1] and 3 <= runs[0].count(500) <= 25


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_leaves_frees_slot_and_blocks_within_a_tenth_of_a_second(
    engine: RunningEngine, raw: Any, ask: Ask, journal: Journal, stream: bool
) -> None:
    batch = engine.engine.batch
    async with raw(engine) as call:
        await call.send(ask(5000, stream=stream))
        assert await until(lambda: batch.running == 1 and batch.generated_tokens >= 5, within=2.0)
        assert batch.pool.usage > 0
    assert await until(lambda: batch.running == 0, within=0.1)
    assert batch.pool.usage == 0
    (entry,) = await journal(1)
    assert entry.aborted_at == entry.completion_tokens == batch.generated_tokens


async def test_a_caller_who_leaves_the_queue_is_forgotten(start: Start, raw: Any, ask: Ask) -> None:
    engine = await start(speed=EngineSpeed(slots=1))
    batch = engine.engine.batch
    async with raw(engine) as first:
        await first.send(ask(5000))
        async with raw(engine) as second:
            await second.send(ask(5000))
            assert await until(lambda: batch.waiting == 1, within=2.0)
        assert await until(lambda: batch.waiting == 0, within=0.1)
        assert batch.running == 1


def test_faults_are_spelled_and_misspelled() -> None:
    assert parse_fault("status:429;retry-after=2.5@0.25") == EngineFault("status", 429, 2.5, 0.25)
    assert parse_fault("hang") == EngineFault("hang")
    for wrong in ("", "cut", "hang:3", "status:200", "cut:3@2", "explode", "cut:3@", "slow:x"):
        with pytest.raises(ValueError, match=r"fault|status|share"):
            parse_fault(wrong)


def test_one_rule_does_not_change_when_another_strikes() -> None:
    alone = FaultSchedule([parse_fault("hang@0"), parse_fault("rst@0.5")], random.Random(1))
    beside = FaultSchedule([parse_fault("hang@0.5"), parse_fault("rst@0.5")], random.Random(1))
    struck = [alone.draw() for _ in range(50)]
    both = [beside.draw() for _ in range(50)]
    assert all(fault is not None for fault, first in zip(both, struck, strict=True) if first is not None)
