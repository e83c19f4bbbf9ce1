"""`intertie demo`: the gateway over a small simulated world, one question with three objectives, then it serves on."""

import asyncio
import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from intertie.cli.screen import Json, complain, emit, out
from intertie.compose.children import PRIVATE
from intertie.compose.demo import Demo, running_demo
from intertie.compose.demo_tour import QUESTION, Told, ask_all

_PORT = 4000


Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))]


def demo(*, once: bool = False, json: Json = False, port: Port = _PORT, state: Path | None = None) -> int:
    """Start a gateway over six simulated places, ask one question with three objectives, and keep serving.

    Ctrl-C ends it and everything it started.

    Parameters
    ----------
    once
        End after the three requests.
    json
        Print one JSON object: base_url, key, requests.
    port
        Port of the data plane; the next free one is taken if it is in use.
    state
        Keep the books in this folder (default: a temporary one, removed at the end).
    """
    os.umask(PRIVATE)
    with ExitStack() as stack:
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intertie-demo-")))
        shown = _Json(once) if json else _Screen(port, once, keeps=state is not None)
        return uvloop.run(_run(folder.absolute(), port, shown))


class _Json:
    """Tells programs."""

    def __init__(self, once: bool) -> None:
        self.once = once
        self._told: list[Told] = []

    def welcome(self) -> None:
        """Nothing yet."""

    def begin(self, demo: Demo) -> None:
        """Nothing yet."""

    def tell(self, told: Told) -> None:
        """Keep it for the one object."""
        self._told.append(told)

    def end(self, demo: Demo) -> None:
        """The one object."""
        emit({"base_url": demo.base_url, "key": demo.key, "requests": self._told})


class _Screen:
    """Tells people."""

    def __init__(self, wanted_port: int, once: bool, *, keeps: bool) -> None:
        self.once = once
        self._wanted_port, self._keeps = wanted_port, keeps

    def welcome(self) -> None:
        """What this is."""
        out().print(
            "[bold]Intertie[/] over six places in Frankfurt, Stockholm, Paris, Ashburn, Oregon and Singapore.\n"
            "The engines are [bold]simulated[/]: distances, speeds, prices and carbon are realistic, the text is not.\n"
        )

    def begin(self, demo: Demo) -> None:
        """What comes now."""
        if self._wanted_port not in (0, demo.port):
            out().print(f"Port {self._wanted_port} or one of the two after it is in use; this is on {demo.port}.\n")
        out().print(f"One question, three objectives: “{QUESTION}”\n", markup=False)

    def tell(self, told: Told) -> None:
        """Where a request went, what it cost, and why there."""
        carbon = "CO2 unknown" if told.gco2 is None else f"{told.gco2 * 1_000:.3g} mg CO2"
        out().print(
            f"  [bold]{told.objective:<12}[/] → {told.model} at [bold]{told.site}[/] · "
            f"first token {told.ttft_ms:.0f} ms · ${told.cost_usd} · {carbon}"
        )
        for reason in told.reasons:
            out().print(f"  {'':<14} {reason}", style="dim", markup=False)
        out().print("")

    def end(self, demo: Demo) -> None:
        """How to go on."""
        if not self.once:
            out().print(_invitation(demo), markup=False)
        elif self._keeps:
            out().print(f"Books and events   {demo.state}", markup=False)


def _invitation(demo: Demo) -> str:
    body = msgspec.json.encode({"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).decode()
    models = f"\nReal models  {', '.join(demo.real_models)} (not simulated: a provider may charge for them)"
    return (
        f"Base URL     {demo.base_url}\nKey          {demo.key}\n"
        f"Metrics      http://127.0.0.1:{demo.control_port}/metrics\n"
        f"Books        intertie budgets --config {demo.state}/demo.yaml --state {demo.state}\n"
        f"Events       {demo.state}/events.log{models if demo.real_models else ''}\n\n"
        f"curl {demo.base_url}/chat/completions -H 'authorization: Bearer {demo.key}' \\\n"
        f"  -H 'content-type: application/json' -H 'x-intertie-objective: economy' -d '{body}'\n\n"
        "Serving. Ctrl-C ends it."
    )


async def _run(state: Path, port: int, shown: _Json | _Screen) -> int:
    """Until the demo is over or someone ends it; whatever was begun is then ended in order."""
    stopped = asyncio.Event()
    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    assert whole is not None

    def stop() -> None:
        if not stopped.is_set():  # a second Ctrl-C finds the end under way already
            stopped.set()
            whole.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await _show(state, port, shown)
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    return 0


async def _show(state: Path, port: int, shown: _Json | _Screen) -> None:
    shown.welcome()
    async with running_demo(state, port, _crashed) as running:
        shown.begin(running)
        await ask_all(running, shown.tell)
        shown.end(running)
        if not shown.once:
            await asyncio.Event().wait()


def _crashed(error: BaseException) -> None:
    complain(f"a part of the demo failed: {error!r}")
