"""`intertie bench`: measure the gateway beside floors and rivals. What measures is in bench/, part of a checkout."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli.screen import complain

WRONG_USE = 2
_CHECKOUT = Path(__file__).parents[3]

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
Flag = Annotated[bool, Parameter(negative="")]


def overhead(
    *,
    systems: Several = (),
    cases: Several = (),
    seconds: float = 4.0,
    rounds: int = 3,
    json: Flag = False,
    save: Flag = False,
) -> int:
    """CPU per request, added latency and memory: the gateway beside nginx and the rivals that are installed.

    Parameters
    ----------
    systems
        Which systems (direct, nginx, intertie, sglang-router, vllm-router, portkey, litellm); else all that are there.
    cases
        Which cases (nonstream_1k, nonstream_100k, stream_200); else all.
    seconds
        Seconds of load per system, case and round.
    rounds
        How often everything is measured; the median counts.
    json
        One JSON line per system and case instead of the table.
    save
        Write docs/overhead.jsonl and the picture docs/overhead.svg.
    """
    arguments = ["--seconds", str(seconds), "--rounds", str(rounds)]
    arguments += ["--systems", *systems] if systems else []
    arguments += ["--cases", *cases] if cases else []
    return _measure("overhead", [*arguments, *_flags(json=json, save=save)])


def memory(*, minutes: float = 5.0, rate: float = 200.0, json: Flag = False) -> int:
    """Memory of a worker, idle and under load, and how it grows. Exit code 1 if a target is missed.

    Parameters
    ----------
    minutes
        How long the load lasts.
    rate
        Requests per second.
    json
        One JSON object.
    """
    return _measure("memory", ["--minutes", str(minutes), "--rate", str(rate), *_flags(json=json)])


def start(*, times: int = 5, json: Flag = False) -> int:
    """Time from `intertie serve` to ready. Exit code 1 if the target is missed.

    Parameters
    ----------
    times
        How often it is started.
    json
        One JSON object.
    """
    return _measure("start", ["--times", str(times), *_flags(json=json)])


def _flags(**given: bool) -> list[str]:
    return [f"--{name}" for name, value in given.items() if value]


def _measure(what: str, arguments: list[str]) -> int:
    """Run a module of bench/ with the checkout as its folder, where it finds its parts."""
    if not (_CHECKOUT / "bench" / f"{what}.py").exists():
        complain("the measurements are no part of the installed package; run this from a checkout of the repository")
        return WRONG_USE
    return asyncio.run(_run("-m", f"bench.{what}", *arguments))


async def _run(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=_CHECKOUT)
    return await process.wait()
