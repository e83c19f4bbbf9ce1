"""A gateway over an endpoint of every dialect, and real clients run against it as their users run them.

Two things stand behind the gateway: a simulated engine for clients that are libraries, and a scripted model for agents.
A model is named for the dialect of its endpoint, with `scripted-` in front where the scripted model plays it.
"""

import asyncio
import re
import socket
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from scripted_model import Model, scripted_model
from serving_world import KEY, QUICK, Config, Row, Serving
from stage import MODELS
from supervised import eventually

from intertie.config.settings import environment
from intertie.sim.engine.fleet import running_engine
from intertie.sim.engine.journal import Entry
from intertie.sim.engine.options import EngineOptions

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv-clients"
NODE = INSTALLED / "node" / "node_modules"
PLAYED = ("openai_chat", "openai_responses", "anthropic_messages")
"""The dialects that the scripted model speaks."""

_FENCE = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BASES = {"gemini": "/v1beta", "bedrock": ""}
_QUIET = {
    "DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "LANGSMITH_TRACING": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "127.0.0.1",
    "NO_PROXY": "127.0.0.1",
}  # fmt: skip
"""What tells clients to keep to themselves."""


class Ran(NamedTuple):
    """What became of a program; `abroad` are the hosts outside that it asked for (it reached none)."""

    code: int
    out: str
    abroad: tuple[str, ...]


class ClientsWorld:
    """A running gateway with its clients. `model` is the scripted one."""

    def __init__(self, folder: Path, serving: Serving, model: Model, journal: Path) -> None:
        self.folder, self.serving, self.model = folder, serving, model
        self._journal = journal
        self.url = f"http://127.0.0.1:{serving.data}"

    def pages(self, into: Path, **values: str) -> None:
        """Write the files that the page on clients shows, with values for its `$NAME`s."""
        values = {"INTERTIE_URL": self.url, **values}
        for name, text in _FENCE.findall((ROOT / "docs/how-to/clients.md").read_text()):
            shown = re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), text)
            (into / name).write_text(text if name.endswith((".py", ".mjs", ".sh")) else shown)

    async def run(self, *command: str, within: Path, limit_s: float = 150, **more: str) -> Ran:
        """Run a program in a folder, which is its home too, until it ends; killed beyond the limit."""
        async with trap() as (proxy, asked):
            surroundings = {"PATH": f"{INSTALLED}/current/bin:{NODE}/.bin:{environment()['PATH']}", "HOME": str(within)}
            surroundings |= {"INTERTIE_URL": self.url, "INTERTIE_KEY": KEY, "PYTHONPATH": str(within), **_QUIET}
            surroundings |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy) | more
            process = await asyncio.create_subprocess_exec(
                *command, cwd=within, env=surroundings, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT
            )
            try:
                async with asyncio.timeout(limit_s):
                    out, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        return Ran(process.returncode or 0, out.decode(errors="replace"), tuple(sorted(set(asked))))

    async def why_not(self, program: str, within: Path) -> str:
        """Why a program of Node cannot be run here; "" if it can."""
        if not (NODE / ".bin" / program).exists():
            return f"{program} is not installed"
        ran = await self.run(program, "--version", within=within)
        return f"{program} --version: {' '.join(ran.out.split())[:300]}" if ran.code else ""

    def did(self) -> dict[str, Entry]:
        """What the simulated engine truly did, by the id that the gateway gave the request."""
        lines = self._journal.read_bytes().splitlines()
        entries = [msgspec.json.decode(line, type=Entry) for line in lines]
        return {entry.request_id: entry for entry in entries}

    async def booked(self, endpoint: str, count: int) -> list[Row]:
        """So many requests that an endpoint served, as the ledger has them, once they are closed."""
        rows: list[Row] = []

        async def all_closed() -> bool:
            nonlocal rows
            ledger = await self.serving.ledger()
            rows = [row for row in ledger.values() if row.endpoint == endpoint and row.outcome == "served"]
            return len(rows) >= count

        await eventually(all_closed, 10)
        return rows


@asynccontextmanager
async def clients_world(folder: Path) -> AsyncIterator[ClientsWorld]:
    """All of it for as long as the block lasts."""
    journal = folder / "engine.jsonl"
    options = EngineOptions(port=0, model=MODELS, speed=QUICK, journal=str(journal))
    async with running_engine(options) as engine, scripted_model() as (model, endpoint):
        ports = dict.fromkeys(MODELS, engine.port) | {f"scripted-{name}": endpoint.port for name in PLAYED}
        async with Serving(folder, _config(ports)) as serving:
            yield ClientsWorld(folder, serving, model, journal)


def _config(ports: Mapping[str, int]) -> Config:
    return {
        "gateway": {"workers": 1},
        "sites": [{"id": "here", "jurisdiction": ["DE"], "rtt_ms": 1}],
        "endpoints": [_endpoint(model, port) for model, port in ports.items()],
        "groups": [{"name": "devs", "budget": {"usd": 1_000_000}}],
        "keys": [{"name": "dev", "value": "env:DEV_KEY", "group": "devs"}],
    }


def _endpoint(model: str, port: int) -> dict[str, Any]:
    dialect = model.removeprefix("scripted-")
    return {
        "id": model, "site": "here", "model": model, "dialect": dialect, "credential": "sk-of-the-endpoint",
        "region": "eu-central-1",
        "url": f"http://127.0.0.1:{port}{_BASES.get(dialect, '/v1')}", "price": {"input": 1, "output": 2},
    }  # fmt: skip


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that leads nowhere, and the hosts that it was asked for."""
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        asked.append(line.decode(errors="replace").split(" ")[1] if line.startswith(b"CONNECT ") else repr(line))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
