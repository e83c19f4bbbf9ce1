"""`intertie demo`: the gateway over a small simulated world, three requests through its door, then it serves on."""

import asyncio
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec
import uvloop

from intertie.cli.screen import complain, emit, out
from intertie.compose.demo import Demo, Told, ask_all, running_demo

_PORT = 4000


def demo(*, once: bool = False, json: bool = False, port: int = _PORT, state: Path | None = None) -> int:
    """Start a gateway over six simulated places, send three requests with different objectives, and keep serving.

    Exit codes: 0 done, 3 if it could not start or a request failed.

    Parameters
    ----------
    once
        End after the three requests.
    json
        Tell what happened as one JSON object: base_url, key, requests.
    port
        Port of the data plane; another one is taken if it is in use.
    state
        Keep the books in this folder (default: a temporary one, removed at the end).
    """
    with ExitStack() as stack:
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intertie-demo-")))
        return uvloop.run(_run(folder, port, once=once, json=json))


async def _run(state: Path, port: int, *, once: bool, json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running_demo(state, port, _crashed) as running:
        told: list[Told] = []
        if json:
            await ask_all(running, told.append)
            emit({"base_url": running.base_url, "key": running.key, "requests": told})
        else:
            _introduce(running)
            await ask_all(running, _show)
            _explain_how_to_use(running)
        if not once:
            if not json:
                out().print("Serving. Ctrl-C ends it.")
            await stop.wait()
    return 0


def _introduce(demo: Demo) -> None:
    out().print(
        "[bold]Intertie[/] over six places in Frankfurt, Stockholm, Paris, Ashburn, Oregon and Singapore.\n"
        "The engines are [bold]simulated[/]: distances, speeds, prices and carbon are realistic, the text is not.\n"
        "The same request, three objectives:\n"
    )


def _show(told: Told) -> None:
    carbon = "unknown" if told.gco2 is None else f"{told.gco2:.2g} g CO2"
    out().print(
        f"  [bold]{told.objective:<12}[/] → {told.model} at [bold]{told.site}[/]   first token {told.ttft_ms:.0f} ms · "
        f"${told.cost_usd} · {carbon}"
    )
    for reason in told.reasons:
        out().print(f"               {reason}", style="dim")
    out().print("")


def _explain_how_to_use(demo: Demo) -> None:
    body = msgspec.json.encode({"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).decode()
    out().print(
        f"Base URL   {demo.base_url}\nKey        {demo.key}\nMetrics    {demo.control_url}/metrics\n"
        f"Books      {demo.state}\n\n"
        f"curl {demo.base_url}/chat/completions -H 'authorization: Bearer {demo.key}' \\\n"
        f"  -H 'content-type: application/json' -H 'x-intertie-objective: economy' -d '{body}'\n",
        markup=False,
    )


def _crashed(error: BaseException) -> None:
    complain(f"a part of the demo failed: {error!r}")
