"""The memory of a worker: idle, and over minutes of load, with the slope of a straight line through what was seen.

Run: intertie bench memory, or python -m bench.memory [--minutes 5] [--rate 200] [--json]
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression

import msgspec
import uvloop
from cyclopts import App
from rich.console import Console

from bench.command import AsJson, run
from bench.load import Tally, chat_body, open_loop
from bench.system import Running, running, stand
from bench.systems.intertie import SYSTEM

IDLE_MB, SLOPE_MB = 60.0, 5.0
_SETTLE_S = 3.0
_WARM_SHARE = 0.2  # of the samples, taken while caches fill: they are no part of the slope
app = App(name="memory", help=__doc__, version_flags=[])


class Memory(msgspec.Struct, frozen=True):
    """Resident set of the worker in 10^6 bytes; `slope_mb_per_hour` of what was seen after the warm-up."""

    idle_mb: float
    after_mb: float
    most_mb: float
    slope_mb_per_hour: float
    minutes: float
    requests: int
    errors: dict[str, int]
    unfinished: int


@app.default
def memory(
    *,
    minutes: float = 5.0,
    rate: float = 200.0,
    as_json: AsJson = False,
) -> int:
    """Measure, and judge: idle ≤ 60 MB, slope ≤ 5 MB per hour. Exit code 1 if one is missed.

    Parameters
    ----------
    minutes
        How long the load lasts.
    rate
        Requests per second; one in ten is a stream.
    as_json
        One JSON object instead of sentences.
    """
    with (
        stand(interval_ms=1.0) as place,
        tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder,
        running(SYSTEM, place.place(Path(folder))) as system,
    ):
        found = uvloop.run(_measure(system, minutes, rate))
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        say = Console(highlight=False).print
        say(f"idle {found.idle_mb:.1f} MB (target ≤ {IDLE_MB:g}), after {found.minutes:g} min {found.after_mb:.1f} MB")
        say(
            f"slope {found.slope_mb_per_hour:+.1f} MB per hour (target ≤ {SLOPE_MB:g}), errors {found.errors or 'none'}"
        )
    return int(found.idle_mb > IDLE_MB or found.slope_mb_per_hour > SLOPE_MB)


async def _measure(system: Running, minutes: float, rate: float) -> Memory:
    await asyncio.sleep(_SETTLE_S)
    idle = _rss(system)
    samples: list[tuple[float, float]] = []
    async with asyncio.TaskGroup() as group:
        sampling = group.create_task(_sample(system, samples))
        plain, streams = await asyncio.gather(
            open_loop(system.aim(chat_body(1_024)), rate * 0.9, minutes * 60),
            open_loop(system.aim(chat_body(1_024, chunks=20)), rate * 0.1, minutes * 60),
        )
        sampling.cancel()
    return Memory(
        idle_mb=round(idle, 2),
        after_mb=round(_rss(system), 2),
        most_mb=round(max(rss for _, rss in samples), 2),
        slope_mb_per_hour=round(slope(samples) * 3600, 2),
        minutes=minutes,
        requests=plain.requests + streams.requests,
        errors=_both(plain, streams),
        unfinished=plain.unfinished + streams.unfinished,
    )


async def _sample(system: Running, samples: list[tuple[float, float]]) -> None:
    while True:
        samples.append((time.monotonic(), _rss(system)))
        await asyncio.sleep(1.0)


def _rss(system: Running) -> float:
    return max((each.rss_mb for each in system.tree() if system.in_plane(each)), default=0.0)


def _both(one: Tally, other: Tally) -> dict[str, int]:
    return {cause: one.errors.get(cause, 0) + other.errors.get(cause, 0) for cause in one.errors | other.errors}


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Units per second of a least-squares line through (seconds, value), without the warm-up; 0.0 of too few."""
    kept = samples[int(len(samples) * _WARM_SHARE) :]
    if len(kept) < 2:
        return 0.0
    return linear_regression([at for at, _ in kept], [value for _, value in kept]).slope


if __name__ == "__main__":
    run(app)
