"""What a worker weighs, and what it must not load."""

import subprocess
import sys
from pathlib import Path

from serving_world import Serving, ask, chat, config, engines

_HEAVY = (
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "yaml",
    "numpy",
    "rich",
    "cyclopts",
    "genai_prices",
    "prometheus_client",
)
_NOT_OURS = ("opentelemetry", "requests", "multiprocessing", "tzdata")


def test_a_worker_loads_nothing_that_only_others_need() -> None:
    code = f"import sys, intertie.compose.worker; print(sorted(set(sys.modules) & set({_HEAVY + _NOT_OURS})))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def _memory_mib(pid: int) -> dict[str, float]:
    """Resident memory as top shows it (RSS), and the part that is this process's alone (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
    return {"rss": kib["Rss"] / 1024, "own": (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024}


async def test_an_idle_worker_stays_small_and_the_first_requests_do_not_change_that(tmp_path: Path) -> None:
    async with engines(tmp_path) as upstream, Serving(tmp_path, config(upstream)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        (pid, _) = await gateway.pids("worker")
        idle = _memory_mib(pid)
        for _ in range(20):
            assert (await ask(gateway.data, chat())).status == 200
        used = _memory_mib(pid)
        sys.stdout.write(f"worker: {idle['rss']:.1f} MiB idle, {idle['own']:.1f} its own; then {used['rss']:.1f}\n")
        assert idle["rss"] < 70 and used["rss"] < 75
