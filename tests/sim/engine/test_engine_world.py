"""The engine among others: distance, metrics, many in one process, and the command."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from intertie.core.faults import ConfigFault
from intertie.sim.engine.fleet import RunningEngine, serve_engine, serve_fleet
from intertie.sim.engine.options import EngineOptions
from intertie.wire.tasks import Tasks

Start = Callable[..., Awaitable[RunningEngine]]
Ask = Callable[..., dict[str, object]]


async def timed(call: Any, body: object = None) -> float:
    began = time.monotonic()
    await call.send(body)
    await call.answer()
    return time.monotonic() - began


async def test_a_far_engine_takes_a_round_trip_and_one_more_on_a_new_connection(start: Start, raw: Any) -> None:
    engine = await start(rtt_ms=80)
    async with raw(engine, "/health") as call:
        first, second = await timed(call), await timed(call)
    assert first >= 0.16 and 0.08 <= second < first - 0.04


async def test_distance_does_not_stretch_what_follows_the_first_chunk(start: Start, raw: Any, ask: Ask) -> None:
    engine = await start(rtt_ms=100)
    async with raw(engine) as call:
        began = time.monotonic()
        await call.send(ask(25, stream=True))
        await call.head()
        await call.chunk()
        first = time.monotonic() - began
        while await call.chunk():
            pass
        rest = time.monotonic() - began - first
    assert first >= 0.2 and rest < 0.6  # one delay per chunk would be more than a second


async def test_chunks_keep_their_order_under_jitter(start: Start, raw: Any, ask: Ask) -> None:
    near, far = await start(), await start(rtt_ms=5, jitter_ms=20)

    async def text(engine: RunningEngine) -> list[str]:
        async with raw(engine) as call:
            await call.send(ask(40, stream=True))
            body = (await call.answer())[2]
        events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
        return [event["choices"][0]["delta"].get("content") for event in events]

    straight = await text(near)
    assert await asyncio.gather(*(text(far) for _ in range(8))) == [straight] * 8


async def test_metrics_have_vllms_names_and_tell_what_happened(start: Start, raw: Any, ask: Ask) -> None:
    engine = await start()
    async with raw(engine) as call, raw(engine, "/metrics") as scrape:
        await call.send(ask(10))
        await call.answer()
        await call.send(ask(3000))
        await asyncio.sleep(0.05)
        await scrape.send()
        _, headers, body = await scrape.answer()
    assert headers["content-type"].startswith("text/plain")
    values = {
        line.split("{")[0]: float(line.rpartition(" ")[2]) for line in body.decode().splitlines() if line[:5] == "vllm:"
    }
    assert values["vllm:num_requests_running"] == 1 and values["vllm:num_requests_waiting"] == 0
    assert 0 < values["vllm:kv_cache_usage_perc"] < 1
    assert values["vllm:generation_tokens_total"] > 10 and values["vllm:prompt_tokens_total"] == 2 * 8
    assert values["vllm:prefix_cache_queries_total"] == 2 * 8 and "vllm:prefix_cache_hits_total" in values
    assert values["vllm:time_to_first_token_seconds_count"] == 1
    assert values["vllm:e2e_request_latency_seconds_count"] == values["vllm:request_success_total"] == 1
    assert b'model_name="sim"' in body


async def test_many_engines_live_in_one_process(raw: Any) -> None:
    tasks = Tasks(lambda crash: None)
    listening: asyncio.Future[list[RunningEngine]] = asyncio.get_running_loop().create_future()
    options = [EngineOptions(port=0, model=(f"model-{number}",)) for number in range(6)]
    tasks.start(serve_fleet(options, ready=listening.set_result))
    fleet = await listening
    assert len({engine.port for engine in fleet}) == 6
    for number, engine in enumerate(fleet):
        async with raw(engine, "/v1/models") as call:
            await call.send()
            assert json.loads((await call.answer())[2])["data"][0]["id"] == f"model-{number}"
    await tasks.close(5.0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(fleet[0].host, fleet[0].port)


async def test_a_taken_port_is_an_error(engine: RunningEngine) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve_engine(EngineOptions(port=engine.port))


@pytest.mark.parametrize("wrong", [{"model": ()}, {"rtt_ms": -1}, {"port": 70_000}, {"fault": ("boom",)}])
def test_options_that_make_no_sense_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigFault):
        EngineOptions(**wrong)


def test_the_command_serves_says_that_it_is_simulated_and_stops_on_interrupt(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("intertie")),
        "engine",
        "sim",
        "--port",
        "0",
        "--model",
        "m",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert told["simulated"] is True and told["models"] == ["m"] and told["url"].endswith("/v1")


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("intertie")), "engine", "sim", "--fault", "boom"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1 and "'boom' is not a fault" in done.stderr
