"""Real engines on this machine, and a gateway over them."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from serving_world import Config, Serving

from intertie.config.settings import environment

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv-engines"
BIN = INSTALLED / "bin"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
START_S = 180
_LISTENS = re.compile(rb"http://127\.0\.0\.1:(\d+)")


class Engine:
    """`transformers serve` with one model."""

    def __init__(self, process: Process, port: int, model: str) -> None:
        self.process, self.port, self.model = process, port, model
        self.url = f"http://127.0.0.1:{port}/v1"


def end(process: Process) -> None:
    """Without a word, if it has not ended."""
    with suppress(ProcessLookupError):
        process.kill()


async def checkpoint() -> Path:
    """The model, made once."""
    folder = INSTALLED / "tiny"
    if not (folder / "model.safetensors").exists():
        command = [str(BIN / "python"), str(ROOT / "tests/engines/tiny_checkpoint.py"), str(folder)]
        process = await asyncio.create_subprocess_exec(*command, env=environment() | OFFLINE)
        assert await process.wait() == 0
    return folder


@asynccontextmanager
async def engine(model: Path) -> AsyncIterator[Engine]:
    """One engine for as long as the block lasts, on a port that it chooses."""
    command = [str(BIN / "transformers"), "serve", str(model), "--device", "cpu", "--host", "127.0.0.1", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment() | OFFLINE, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    assert process.stdout is not None
    said: list[bytes] = []
    try:
        async with asyncio.timeout(START_S):
            async for line in process.stdout:
                said.append(line)
                if found := _LISTENS.search(line):
                    break
            else:
                raise AssertionError(b"".join(said).decode())
        rest = asyncio.ensure_future(process.stdout.read())
        yield Engine(process, int(found[1]), str(model))
        end(process)
        await rest
    finally:
        end(process)
        await process.wait()


@asynccontextmanager
async def engines_world(folder: Path) -> AsyncIterator[tuple[Serving, dict[str, Engine]]]:
    """Two engines, `one` and `two`, with a gateway before them."""
    model = await checkpoint()
    async with AsyncExitStack() as stack:
        both = await asyncio.gather(*(stack.enter_async_context(engine(model)) for _ in range(2)))
        running = dict(zip(("one", "two"), both, strict=True))
        yield await stack.enter_async_context(Serving(folder, _config(running))), running


def _config(running: dict[str, Engine]) -> Config:
    """The model behind OpenAI's chat dialect at both engines, and behind Responses at one: it speaks that too.

    Another endpoint has a name for it that the engine does not know.
    """
    endpoints = [
        {"id": name, "site": name, "model": "tiny", "upstream_model": one.model, "url": one.url,
         "price": {"input": 1, "output": 2}, "context": 2048}
        for name, one in running.items()
    ]  # fmt: skip
    spoken = {"id": "spoken", "model": "tiny-responses", "dialect": "openai_responses"}
    wrong = {"id": "wrong", "model": "tiny-wrong", "upstream_model": "nobody"}
    return {
        "gateway": {"workers": 1},
        "sites": [{"id": name, "jurisdiction": ["DE"], "rtt_ms": 1} for name in running],
        "endpoints": [*endpoints, {**endpoints[0], **spoken}, {**endpoints[0], **wrong}],
        "groups": [{"name": "devs", "budget": {"usd": 1_000_000}}],
        "keys": [{"name": "dev", "value": "env:DEV_KEY", "group": "devs"}],
    }
