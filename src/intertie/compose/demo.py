"""The demo: the whole gateway over a small world of simulated engines, and three requests through its public door."""

import asyncio
import os
import socket
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from intertie.compose.demo_engines import WORLD
from intertie.compose.serving import service_of
from intertie.compose.supervisor import Supervisor
from intertie.config.document import configured
from intertie.config.settings import Settings, environment
from intertie.control.keys import KeyCabinet
from intertie.control.pepper import pepper_of
from intertie.core.clock import SystemClock
from intertie.core.faults import GatewayFault
from intertie.store.database import Database
from intertie.wire.dial import Dialer
from intertie.wire.egress import EgressPolicy
from intertie.wire.fetch import fetch
from intertie.wire.tasks import Tasks
from intertie.wire.tls import ResumingContext

ASKS = (
    ("interactive", "Say hello in one sentence."),
    ("economy", "Summarise this quarter's incident reports in five lines."),
    ("green", "Write a bedtime story about a river that wanted to be a cloud."),
)
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
_READY_S = 30.0
_KEY_TAKEN_UP_S = 1.5


class Told(msgspec.Struct):
    """One request of the demo: what was wanted, where it ran, why, what it cost. `ttft_ms` as the gateway measured."""

    objective: str
    model: str
    site: str
    endpoint: str
    ttft_ms: float
    cost_usd: str
    gco2: float | None
    reasons: list[str]
    request_id: str
    simulated: bool = True


class Demo(msgspec.Struct):
    """A running demo: where it listens, a key, and the state folder with its books."""

    base_url: str
    control_url: str
    key: str
    state: str
    config: str


class _Explained(msgspec.Struct):
    """The parts of `x-intertie-explain` that the demo tells."""

    reasons: list[str]
    candidates: list["_Judged"]


class _Judged(msgspec.Struct):
    endpoint: str
    gco2: float | None


@asynccontextmanager
async def running_demo(state: Path, port: int, crashed: Callable[[BaseException], None]) -> AsyncGenerator[Demo]:
    """The demo for as long as the block lasts. Raises a Fault if it cannot start."""
    tasks = Tasks(crashed)
    engines, ports = await _start_engines()
    config = _write_config(state)
    try:
        flags: dict[str, object] = {
            "config": str(config), "state": str(state), "host": "127.0.0.1", "port": str(free_port(port)),
            "control_port": str(free_port(port + 1)), "health_port": str(free_port(port + 2)), "log_requests": "false",
        }  # fmt: skip
        settings, _ = configured(flags, environment() | ports)
        supervisor = Supervisor(service_of(settings, flags, ports))
        running = tasks.start(supervisor.run())
        ready = tasks.start(supervisor.ready.wait())
        await asyncio.wait((ready, running), timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            supervisor.stop()
            raise GatewayFault(f"the gateway was not ready within {_READY_S:g} s; its processes said why")
        key = await _make_key(settings)
        base = f"http://127.0.0.1:{supervisor.data.port}/v1"
        yield Demo(base, f"http://127.0.0.1:{supervisor.control.port}", key, str(state), str(config))
        supervisor.stop()
        await running
    finally:
        await tasks.close(2.0)
        if engines.stdin is not None:
            engines.stdin.close()
        await engines.wait()


async def ask_all(demo: Demo, told: Callable[[Told], None]) -> None:
    """Send the demo's requests, one objective each; each is told as soon as it is answered."""
    dialer = Dialer(EgressPolicy(True), tls=ResumingContext(ssl.PROTOCOL_TLS_CLIENT))
    for objective, question in ASKS:
        body = {"model": "chat", "max_tokens": 60, "messages": [{"role": "user", "content": question}]}
        headers = {
            "authorization": f"Bearer {demo.key}", "content-type": "application/json",
            "x-intertie-objective": objective, "x-intertie-explain": "1",
        }  # fmt: skip
        url = f"{demo.base_url}/chat/completions"
        answer = await fetch(dialer, "POST", url, headers, msgspec.json.encode(body))
        if answer.status != 200:
            raise GatewayFault(f"the gateway answered {answer.status}: {answer.body.decode(errors='replace')}")
        told(_told(objective, answer.headers))


def free_port(wanted: int) -> int:
    """The port itself if it is free, else any free one."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as taken:
                return int(taken.getsockname()[1])
        except OSError:
            continue
    raise GatewayFault("no port is free on 127.0.0.1")


def _told(objective: str, headers: dict[bytes, bytes]) -> Told:
    def word(name: bytes) -> str:
        return headers.get(b"x-intertie-" + name, b"").decode()

    explained = msgspec.json.decode(headers[b"x-intertie-explain"], type=_Explained)
    endpoint = word(b"endpoint")
    return Told(
        objective=objective,
        model=word(b"model"),
        site=word(b"site"),
        endpoint=endpoint,
        ttft_ms=float(word(b"ttft-ms")),
        cost_usd=word(b"cost-usd"),
        gco2=next((one.gco2 for one in explained.candidates if one.endpoint == endpoint), None),
        reasons=explained.reasons,
        request_id=headers[b"x-request-id"].decode(),
    )


def _write_config(state: Path) -> Path:
    """The demo world, and a file each for the real engines that the environment names."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    included = [str(WORLD)]
    for name, text in REAL_ENDPOINTS.items():
        if environment().get(name):
            included.append(f"{name.lower()}.yaml")
            (state / included[-1]).write_text(text)
    config = state / "demo.yaml"
    config.write_text(f"# Made by `intertie demo`.\ninclude: {included}\n")
    return config


async def _make_key(settings: Settings) -> str:
    """A key of the demo's engineers, made as `intertie keys create` makes one."""
    database = Database(settings.database_url)
    cabinet = KeyCabinet(database, pepper_of(Path(settings.state), settings.secret), SystemClock(), os.urandom)
    key = await cabinet.create("demo", group="engineering", project="demo")
    await database.close()
    await asyncio.sleep(_KEY_TAKEN_UP_S)
    return key.secret


async def _start_engines() -> tuple[Process, dict[str, str]]:
    command = (sys.executable, "-P", "-m", "intertie.compose.demo_engines")
    engines = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert engines.stdout is not None
    line = await engines.stdout.readline()
    if not line:
        raise GatewayFault("the simulated engines did not start")
    return engines, {name: str(port) for name, port in msgspec.json.decode(line, type=dict[str, int]).items()}
