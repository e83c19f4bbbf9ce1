"""From `intertie serve` to ready: the time until the data port answers /readyz with 200.

Run: intertie bench start, or python -m bench.start [--times 5] [--json]
"""

import tempfile
from pathlib import Path
from statistics import median

import msgspec
from cyclopts import App
from rich.console import Console

from bench.command import AsJson, run
from bench.system import Stand, running, stand
from bench.systems.intertie import SYSTEM

READY_S = 1.5
app = App(name="start", help=__doc__, version_flags=[])


class Start(msgspec.Struct, frozen=True):
    """Seconds from start to ready: the median, the longest, and each."""

    median_s: float
    longest_s: float
    each_s: list[float]


@app.default
def start(*, times: int = 5, as_json: AsJson = False) -> int:
    """Measure, and judge: ready in ≤ 1.5 s. Exit code 1 if that is missed.

    Parameters
    ----------
    times
        How often it is started, each time with an empty state.
    as_json
        One JSON object instead of a sentence.
    """
    with stand() as place:
        each = [_once(place) for _ in range(times)]
    found = Start(round(median(each), 3), round(max(each), 3), [round(one, 3) for one in each])
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        many = f"median of {times}, longest {found.longest_s:.2f} s"
        Console(highlight=False).print(f"ready in {found.median_s:.2f} s ({many}; target ≤ {READY_S:g} s)")
    return int(found.median_s > READY_S)


def _once(place: Stand) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder,
        running(SYSTEM, place.place(Path(folder))) as one,
    ):
        return one.ready_s


if __name__ == "__main__":
    run(app)
