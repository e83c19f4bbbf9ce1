"""The demo: the whole gateway over a small world of simulated engines, started and ended from one process."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from intertie.compose.demo_engines import WORLD
from intertie.compose.listening import Address
from intertie.compose.serving import service_of
from intertie.compose.supervisor import Service, Supervisor
from intertie.config.document import configured
from intertie.config.settings import Settings, environment
from intertie.control.keys import KeyCabinet
from intertie.control.pepper import pepper_of
from intertie.core.clock import SystemClock
from intertie.core.faults import ConfigFault, GatewayFault
from intertie.store.database import Database
from intertie.store.migrate import migrate
from intertie.wire.tasks import Tasks

REAL_ENDPOINTS = {
    "OPENAI_API_KEY": """
sites: [{id: openai, tier: provider, jurisdiction: [US]}]
endpoints: [{id: openai-mini, site: openai, model: gpt-5-mini, credential: "env:OPENAI_API_KEY", operations: [chat]}]
""",
    "INTERTIE_ENGINE_URL": """
sites: [{id: local, tier: edge}]
endpoints: [{id: local, site: local, model: local, upstream_model: "${INTERTIE_ENGINE_MODEL:-default}",
  url: "${INTERTIE_ENGINE_URL}", price: {input: 0, output: 0}}]
""",
}
"""What is added where the environment names a real engine. The demo's key may use it; the demo asks it nothing."""
REAL_MODELS = {"OPENAI_API_KEY": "gpt-5-mini", "INTERTIE_ENGINE_URL": "local"}

_GROUP = """
groups: [{name: demo, budget: {usd: 20, per: day}, limits: {rpm: 6k, tpm: 20M}}]
"""
_READY_S = 30.0
_LOOK_S = 0.02
_HOPELESS = 2  # a process that died so often while it started will not start
_PORTS, _PORT_TRIES = 3, 20
_TAIL = 15


class Demo(msgspec.Struct):
    """A running demo: where it listens, a key, the folder with its books, and the real models it also routes to."""

    port: int
    control_port: int
    key: str
    state: str
    database_url: str
    real_models: list[str]

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def running_demo(state: Path, port: int, crashed: Callable[[BaseException], None]) -> AsyncGenerator[Demo]:
    """The demo for as long as the block lasts, on `port` or the next free one. Raises a Fault if it cannot start.

    What its processes tell goes to `<state>/events.log`.
    """
    tasks = Tasks(crashed)
    _make_folder(state)
    with _told_into(state / "events.log") as log:
        async with _engines() as engines:
            config = _write_config(state, await _ports_of(engines))
            flags: dict[str, object] = {
                "config": str(config), "state": str(state), "host": "127.0.0.1", "log_requests": "false",
                "drain_s": "5",
            }  # fmt: skip
            settings, _ = configured(flags, environment())
            key = await _make_key(settings)  # before the gateway starts, so that its first snapshot knows it
            supervisor = _supervisor(service_of(settings, flags), port)
            running = tasks.start(supervisor.run())
            try:
                await _until_ready(supervisor, running, log)
                real = [model for name, model in REAL_MODELS.items() if environment().get(name)]
                at = supervisor.data.port, supervisor.control.port
                yield Demo(*at, key, str(state), settings.database_url, real)
            finally:
                supervisor.stop()
                await asyncio.wait([running])
                await tasks.close(2.0)


def _make_folder(state: Path) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write_config(state: Path, ports: dict[str, str]) -> Path:
    """The demo world with the ports of its engines, a group for its key, and real engines that the environment names.

    Whole as it stands, so that every verb can read it from another terminal.
    """
    world = WORLD.read_text()
    for name, port in ports.items():
        world = world.replace("${" + name + "}", port)
    (state / "world.yaml").write_text(world)
    included = ["world.yaml"]
    for name, text in REAL_ENDPOINTS.items():
        if environment().get(name):
            included.append(f"{name.lower()}.yaml")
            (state / included[-1]).write_text(text)
    config = state / "demo.yaml"
    config.write_text(f"# Made by `intertie demo`.\ninclude: {msgspec.json.encode(included).decode()}\n{_GROUP}")
    return config


@contextmanager
def _told_into(log: Path) -> Generator[Path]:
    """What this process and its children tell on standard error goes to a file while the block lasts."""
    sys.stderr.flush()
    screen = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield log
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)


async def _make_key(settings: Settings) -> str:
    """A key of the demo's group, made as `intertie keys create` makes one."""
    database = Database(settings.database_url)
    await migrate(database)
    cabinet = KeyCabinet(database, pepper_of(Path(settings.state), settings.secret), SystemClock(), os.urandom)
    key = await cabinet.create("demo", group="demo", project="demo")
    await database.close()
    return key.secret


@asynccontextmanager
async def _engines() -> AsyncGenerator[Process]:
    """The process of the simulated engines. It ends with the block, or when this process dies."""
    command = (sys.executable, "-P", "-m", "intertie.compose.demo_engines")
    engines = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    try:
        yield engines
    finally:
        if engines.stdin is not None:
            engines.stdin.close()
        await engines.wait()


async def _ports_of(engines: Process) -> dict[str, str]:
    """What the placeholders of the demo world stand for."""
    line = await engines.stdout.readline() if engines.stdout is not None else b""
    if not line:
        raise GatewayFault("the simulated engines did not start")
    return {name: str(port) for name, port in msgspec.json.decode(line, type=dict[str, int]).items()}


def _supervisor(service: Service, port: int) -> Supervisor:
    """On three ports from the wanted one, or from the next where three are free, or wherever the kernel likes."""
    last = min(port + _PORTS * _PORT_TRIES, 65_536 - _PORTS) if port else 0
    for first in range(port, last, _PORTS):
        try:
            return Supervisor(_at(service, first, first + 1, first + 2))
        except ConfigFault:
            continue
    return Supervisor(_at(service, 0, 0, 0))


def _at(service: Service, data: int, control: int, health: int) -> Service:
    host = service.data.host
    return msgspec.structs.replace(
        service, data=Address(host, data), control=Address(host, control), health=Address(host, health)
    )


async def _until_ready(supervisor: Supervisor, running: asyncio.Task[int], log: Path) -> None:
    """Until every process serves. Raises GatewayFault with the reason if that cannot be, or takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _READY_S
    children = supervisor.status().children
    while not supervisor.ready.is_set() or any(child.state != "ready" for child in children):
        if running.done() or loop.time() > until or any(child.restarts >= _HOPELESS for child in children):
            raise GatewayFault(f"the gateway could not start: {_reason(log)}")
        await asyncio.sleep(_LOOK_S)
        children = supervisor.status().children


class _Event(msgspec.Struct):
    event: str
    why: str = ""


def _reason(log: Path) -> str:
    """What a process said of why it cannot start; else the last lines of what all of them said."""
    lines = log.read_text(errors="replace").splitlines()
    events = [msgspec.json.decode(line, type=_Event) for line in lines if line.startswith("{")]
    said = [event.why for event in events if event.event == "cannot_start"]
    return said[-1] if said else "\n".join(["its processes said", *lines[-_TAIL:]])
