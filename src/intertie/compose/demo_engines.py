"""The demo's engines: one process that runs a simulated engine for every endpoint of the demo world.

Run as `python -m intertie.compose.demo_engines`; prints one JSON object, the port of each `SIM_*` placeholder of
`catalog/data/demo_world.yaml`, and serves until its standard input ends (so that it never outlives the demo).
"""

import asyncio
import sys
from importlib.resources import files
from pathlib import Path

import msgspec
import uvloop

from intertie.config.document import load_document
from intertie.config.settings import load
from intertie.control.compile import compile_snapshot
from intertie.core.endpoint import Endpoint
from intertie.core.site import Site
from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.fleet import RunningEngine, serve_fleet
from intertie.sim.engine.options import EngineOptions
from intertie.wire.tasks import Tasks

WORLD = Path(str(files("intertie.catalog") / "data" / "demo_world.yaml"))
PLACEHOLDERS = (
    "SIM_FRA", "SIM_STO", "SIM_PAR", "SIM_IAD", "SIM_PDX", "SIM_SIN", "SIM_IAD_70B", "SIM_PDX_70B", "SIM_SIN_70B",
)  # fmt: skip
_STEP_TOKENS = 2_048


def fleet() -> list[EngineOptions]:
    """One engine per placeholder, in order: its speed from the endpoint, its distance from the site."""
    ports = {name: str(number) for number, name in enumerate(PLACEHOLDERS, start=1)}
    document = load_document(WORLD, ports)
    world = compile_snapshot(document, load({}, {}, document), (), b"only to read the world", version=1)
    by_port = {endpoint.origin.port: endpoint for endpoint in world.endpoints.values()}
    chosen = [by_port[int(number)] for number in ports.values()]
    return [_options(endpoint, world.sites[endpoint.site]) for endpoint in chosen]


def _options(endpoint: Endpoint, site: Site) -> EngineOptions:
    believed = endpoint.speed
    speed = EngineSpeed(
        prefill_tps=believed.prefill_tps,
        step_s=1 / believed.decode_tps,
        overhead_s=believed.overhead_s,
        slots=believed.slots,
        step_tokens=_STEP_TOKENS,
    )
    rtt_ms = site.rtt_ms or 0.0
    return EngineOptions(
        port=0,
        model=(endpoint.upstream_model,),
        context=endpoint.context,
        rtt_ms=rtt_ms,
        jitter_ms=site.jitter_ms,
        speed=speed,
    )


async def _serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)

    def ready(running: list[RunningEngine]) -> None:
        ports = {name: engine.port for name, engine in zip(PLACEHOLDERS, running, strict=True)}
        sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
        sys.stdout.flush()

    tasks = Tasks(_crashed)
    tasks.start(serve_fleet(fleet(), ready))
    await stop.wait()
    await tasks.close(1.0)


def _crashed(error: BaseException) -> None:
    raise SystemExit(f"the simulated engines stopped: {error!r}")


if __name__ == "__main__":
    uvloop.run(_serve())
