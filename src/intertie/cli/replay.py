"""`intertie replay`: send a real trace through the front door and tell what became of it."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from intertie.cli.screen import emit, out, show_table
from intertie.cli.stored import On, opened
from intertie.config.forms import ORIGIN
from intertie.config.objectives import BUILT_IN
from intertie.config.settings import PREFIX, Settings, environment
from intertie.core.endpoint import Origin
from intertie.core.faults import ConnectFailed, InvalidRequest
from intertie.sim.replay import Door, Manner, Replay
from intertie.sim.report import ObjectiveReport, Report, SiteReport, Tally, Waits
from intertie.sim.traces import Arrival, read_trace
from intertie.store.reports import UsageRow, usage

_FOLD_S, _POLL_S = 10.0, 0.5
_COLUMNS = (
    TextColumn("replaying"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.description}"),
)
_POSITIVE = Parameter(validator=validators.Number(gt=0))


@dataclass(frozen=True, slots=True)
class Sending:
    """Where the requests go, and what they ask for."""

    base_url: str = "http://127.0.0.1:4000/v1"
    """The gateway's address."""
    key: Annotated[str | None, Parameter(show_default=False)] = None
    """The key to call with (default: INTERTIE_KEY of the environment)."""
    model: str = "chat"
    """The model or route to ask for."""
    objectives: str = "interactive,economy,green"
    """The objectives, in turn."""
    targets: str = ""
    """Milliseconds to the first token that count as attained, as interactive=500,economy=5000; else the objective's."""
    seed: int = 1
    """The seed of the prompts' text."""
    exact: bool = True
    """Ask simulated engines for exactly the trace's output; real ones may refuse the field that says so."""

    def door(self) -> Door:
        """Where to send. Raises InvalidRequest if the address is none."""
        try:
            origin = ORIGIN.parse(self.base_url)
        except ValueError:
            raise InvalidRequest(f"--base-url: expected {ORIGIN.expected}, found {self.base_url!r}") from None
        assert isinstance(origin, Origin)
        return Door(origin, self.key or environment().get(f"{PREFIX}KEY", ""), self.model)

    def wanted(self) -> dict[str, float]:
        """The targets in force, by objective. Raises InvalidRequest if one is no number."""
        found = {objective.name: objective.slo_ttft_ms for objective in BUILT_IN if objective.name != "batch"}
        for pair in filter(None, self.targets.split(",")):
            name, _, value = pair.partition("=")
            try:
                found[name.strip()] = float(value)
            except ValueError:
                raise InvalidRequest(f"--targets: expected a name and milliseconds, found {pair!r}") from None
        return found


def replay(
    trace: Path,
    *,
    speed: Annotated[float, _POSITIVE] = 1.0,
    minutes: Annotated[float | None, _POSITIVE] = None,
    sending: Annotated[Sending | None, Parameter(name="*")] = None,
    books: On = None,
    json: bool = False,
) -> int:
    """Send a trace's requests at its own arrivals, and report waits, attainment, cost by site, refusals and errors.

    The cost of streamed answers stands in the books: name them as for `intertie usage` to have it in the report.
    Exit codes: 0 every request was answered or refused with a reason, 1 some failed, 3 nobody is at the address.

    Parameters
    ----------
    trace
        Azure's CSV or Mooncake's JSON lines, plain or gzipped.
    speed
        How many times faster than it happened.
    minutes
        How much of the trace, in minutes of its own time; else all of it.
    json
        Print the report as one JSON object.
    """
    asked = sending or Sending()
    door, targets = asked.door(), asked.wanted()
    manner = Manner(speed, tuple(name.strip() for name in asked.objectives.split(",")), asked.seed, asked.exact)
    tally = uvloop.run(_run(door, read_trace(trace, minutes), manner, books.settings() if books else None))
    report = tally.report(trace.name, speed, targets)
    if json:
        emit(report)
    else:
        _show(report)
    return 1 if report.errors else 0


async def _run(door: Door, arrivals: list[Arrival], manner: Manner, books: Settings | None) -> Tally:
    began = time.time()
    with Progress(*_COLUMNS, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(arrivals))

        def tell(tally: Tally) -> None:
            failed = f"{tally.refusals.total()} refused, {tally.errors.total()} failed"
            progress.update(bar, completed=tally.ended, description=failed)

        one = Replay(door, arrivals, manner, tell)
        try:
            await one.run()
        except OSError as error:
            raise ConnectFailed(f"nobody is at {door.origin.authority}: {error}") from None
    if books is not None:
        one.tally.price(await _costs(books, began))
    return one.tally


async def _costs(settings: Settings, began: float) -> dict[str, int]:
    """Nano-dollars by site of all requests admitted since, once the last of them is in the books. Raises StoreFault."""
    async with opened(settings) as database:
        rows: list[UsageRow] = []
        for _ in range(int(_FOLD_S / _POLL_S)):
            async with database.read() as connection:
                rows = list(await usage(connection, "site", began, time.time()))
            if not any(row.under_way for row in rows):
                break
            await asyncio.sleep(_POLL_S)
    return {row.name: row.cost_nano for row in rows if row.name}


def _show(report: Report) -> None:
    say = out().print
    say(
        f"{report.trace} × {report.speed:g}: {report.requests:,} requests in {report.duration_s:,.1f} s, "
        f"{report.answered:,} answered, {report.prompt_tokens:,} + {report.completion_tokens:,} tokens\n"
        f"first token {_waits(report.ttft_ms)} ms (p50 / p90 / p99), sent {report.late_ms_p99:.0f} ms late (p99)\n"
        f"refused: {_counted(report.refusals)}; failed: {_counted(report.errors)}\n"
    )
    columns = ("objective", "requests", "answered", "first token ms", "target ms", "attained")
    show_table("By objective", columns, [(name, *_objective(each)) for name, each in report.objectives.items()])
    say("")
    columns = ("site", "requests", "tokens in", "tokens out", "cost")
    show_table("By site", columns, [(name, *_site(each)) for name, each in report.sites.items()])
    if report.cost_usd is None:
        say("The cost of streams stands in the books: --state or --database names them.")
    else:
        say(f"cost in all ${report.cost_usd:.6f}")


def _objective(each: ObjectiveReport) -> tuple[object, ...]:
    target, share = _or_dash(each.target_ms, "{:,.0f}"), _or_dash(each.attainment, "{:.1%}")
    return each.requests, each.answered, _waits(each.ttft_ms), target, share


def _site(each: SiteReport) -> tuple[object, ...]:
    cost = _or_dash(each.cost_usd, "${:.6f}")
    return each.requests, f"{each.prompt_tokens:,}", f"{each.completion_tokens:,}", cost


def _waits(waits: Waits) -> str:
    return f"{waits.p50:,.0f} / {waits.p90:,.0f} / {waits.p99:,.0f}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in sorted(counts.items())) or "none"


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
