"""The real thing, from start to metrics: ready at once, small, answers on three ports, counts what it served."""

import json
import sys
import time
from pathlib import Path

from serving_world import Caller, Serving, ask, chat, config, engines
from supervised import eventually, fetch


def _memory_mib(pid: int) -> dict[str, float]:
    """Resident memory as top shows it (RSS), and the part that is this process's alone (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
    return {"rss": kib["Rss"] / 1024, "own": (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024}


async def test_it_is_ready_at_once_answers_on_three_ports_and_counts_every_request(tmp_path: Path) -> None:
    deep = tmp_path / ("a-state-folder-that-lies-deeper-than-a-socket-may" * 2)
    deep.mkdir()
    begun = time.monotonic()
    async with engines(tmp_path) as upstream, Serving(deep, config(upstream)) as gateway:
        ready = await gateway.until("ready")
        assert time.monotonic() - begun < 3 and float(str(ready["after_s"])) < 3
        await gateway.all_ready()
        for port in (gateway.data, gateway.control, gateway.health):
            for path in ("/livez", "/readyz", "/health/liveness", "/health/readiness"):
                assert (await fetch(port, path))[0] == 200, (port, path)
        (worker, _) = await gateway.pids("worker")
        idle = _memory_mib(worker)
        callers = [Caller(gateway.data) for _ in range(8)]
        answers = [await caller.ask(chat(3, stream=number % 2 == 0)) for caller in callers for number in range(5)]
        assert {answer.status for answer in answers} == {200}
        refused = [await ask(gateway.data, {**chat(), "model": "no-such-model"}) for _ in range(4)]
        assert {answer.status for answer in refused} == {404}
        for caller in callers:
            caller.close()

        async def all_counted() -> bool:
            return await gateway.counted() == 44

        await eventually(all_counted)
        page = await gateway.metrics()
        streams = sum(value for (name, _), value in page.items() if name == "intertie_streams_total")
        output = sum(value for (name, labels), value in page.items()
                     if name == "intertie_tokens_total" and ("type", "output") in labels)  # fmt: skip
        assert (streams, output) == (24, 120)
        left = next(value for (name, _), value in page.items() if name == "intertie_budget_remaining_usd")
        assert left <= 1_000_000
        busy = _memory_mib(worker)
        sys.stdout.write(f"worker: {idle['rss']:.1f} MiB idle, {idle['own']:.1f} its own; then {busy['rss']:.1f}\n")
        assert idle["rss"] < 70 and busy["rss"] < 75
        rows = await gateway.closed(40)
        assert set(rows) == {answer.id for answer in answers} and (await gateway.verdict()).sound
        assert await gateway.stop() == 0
    lines = [json.loads(line) for line in (deep / "requests.log").read_text().splitlines()]
    assert len(lines) == 44 and {line["request"] for line in lines} >= set(rows)


async def test_what_it_keeps_is_private_in_a_folder_that_is_not(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        await gateway.all_ready()
        assert (await ask(gateway.data)).status == 200
        assert await gateway.stop() == 0
    kept = {path.name: path.stat().st_mode & 0o077 for path in state.rglob("*")}
    assert {"intertie.db", "host", "counters.bin", "journal"} <= kept.keys() and not any(kept.values()), kept
