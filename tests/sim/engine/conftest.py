"""A simulated engine that listens, and ways to speak with it: the real SDK, and bytes on a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from openai import AsyncOpenAI

from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.fleet import RunningEngine, running_engine
from intertie.sim.engine.journal import Entry
from intertie.sim.engine.options import EngineOptions

FAST = EngineSpeed(prefill_tps=100_000, step_s=0.002, sequence_s=0.0, overhead_s=0.0)
QUIET = EngineOptions(port=0, model=("sim", "alias"), speed=FAST, allow_faults=True)

Start = Callable[..., Awaitable[RunningEngine]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts engines on free ports, with options changed as wanted; `journal` is kept in the test's folder."""
    async with AsyncExitStack() as stack:

        async def begin(**changed: object) -> RunningEngine:
            options = replace(QUIET, journal=str(tmp_path / "engine.jsonl"), **changed)
            return await stack.enter_async_context(running_engine(options))

        yield begin


@pytest.fixture
async def engine(start: Start) -> RunningEngine:
    return await start()


@pytest.fixture
async def client(engine: RunningEngine) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=engine.url, api_key="none", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def journal(tmp_path: Path) -> Callable[[int], Awaitable[list[Entry]]]:
    """Waits until the journal has so many lines, and gives them."""

    async def lines(count: int) -> list[Entry]:
        for _ in range(200):
            found = (tmp_path / "engine.jsonl").read_bytes().splitlines()
            if len(found) >= count:
                break
            await asyncio.sleep(0.01)
        return [msgspec.json.decode(line, type=Entry) for line in found]

    return lines


class RawCall:
    """One request as bytes on a connection of its own; a with block closes it."""

    def __init__(self, engine: RunningEngine, path: str = "/v1/chat/completions") -> None:
        self._engine, self._path = engine, path

    async def __aenter__(self) -> "RawCall":
        self.reader, self.writer = await asyncio.open_connection(self._engine.host, self._engine.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def send(self, body: object = None, **headers: str) -> None:
        """POST the body, or GET without one; `x_sim_fault="cut:3"` becomes a header."""
        data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        method = "GET" if body is None else "POST"
        head = f"{method} {self._path} HTTP/1.1\r\nhost: engine\r\ncontent-length: {len(data)}\r\n{lines}\r\n"
        self.writer.write(head.encode() + data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one whole answer; raises IncompleteReadError where it is cut."""
        status, headers = await self.head()
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        body = b""
        while chunk := await self.chunk():
            body += chunk
        return status, headers, body

    async def head(self) -> tuple[int, dict[str, str]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(head[0].split()[1]), dict(line.split(": ", 1) for line in head[1:] if line)

    async def chunk(self) -> bytes:
        """One HTTP chunk; empty at the end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]


@pytest.fixture
def raw() -> type[RawCall]:
    return RawCall


@pytest.fixture
def ask() -> Callable[..., dict[str, object]]:
    """A chat request's body; `tokens` is the exact length of the answer."""

    def body(tokens: int = 10, **fields: object) -> dict[str, object]:
        messages = [{"role": "user", "content": "Tell me about the sea."}]
        return {"model": "sim", "messages": messages, "intertie_sim": {"output_tokens": tokens}, **fields}

    return body
