"""The real thing for tests: `intertie serve` with all its processes, over simulated engines in this one."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Select, select
from supervised import Connection, Refused, Supervised, eventually, fetch, lives

from intertie.config.settings import environment
from intertie.core.ids import parse_request_id, request_id
from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.fleet import running_engine
from intertie.sim.engine.journal import Entry
from intertie.sim.engine.options import EngineOptions
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.verify import Verdict, verify

INTERTIE = str(Path(sys.executable).parent / "intertie")
KEY, OTHER_KEY = "itk_dev", "itk_other"
QUICK = EngineSpeed(prefill_tps=1_000_000, step_s=0.002, sequence_s=0.0, overhead_s=0.0, slots=128)
SLOW = EngineSpeed(prefill_tps=1_000_000, step_s=0.05, sequence_s=0.0, overhead_s=0.0, slots=128)
USD_PER_TOKEN = {"input": 0, "output": 1_000_000}
"""A price of one dollar per completion token: a request for n tokens costs n dollars."""

Config = dict[str, Any]

_KEYS = {"DEV_KEY": KEY, "OTHER_KEY": OTHER_KEY}


class Engines:
    """Two simulated engines, each with a journal of what it truly did."""

    def __init__(self, ports: Mapping[str, int], journals: Mapping[str, Path]) -> None:
        self.ports, self._journals = ports, journals

    def did(self) -> dict[str, Entry]:
        """Every request an engine was asked for, by the id that the gateway gave it; fails if one was asked twice."""
        lines = [line for path in self._journals.values() for line in path.read_bytes().splitlines()]
        entries = [msgspec.json.decode(line, type=Entry) for line in lines]
        assert len({entry.request_id for entry in entries}) == len(entries)
        return {entry.request_id: entry for entry in entries}


@asynccontextmanager
async def engines(folder: Path, speed: EngineSpeed = QUICK) -> AsyncIterator[Engines]:
    """Both engines for as long as the block lasts."""
    journals = {name: folder / f"{name}.jsonl" for name in ("near", "far")}
    near, far = (EngineOptions(port=0, model=("m",), speed=speed, journal=str(path)) for path in journals.values())
    async with running_engine(near) as one, running_engine(far) as other:
        yield Engines({"near": one.port, "far": other.port}, journals)


def config(upstream: Engines, *, usd: int = 1_000_000, **changes: object) -> Config:
    """Two workers, an endpoint per engine, a group with a budget and generous limits, and two keys of it."""
    endpoints = [
        {"id": name, "site": name, "model": "m", "url": f"http://127.0.0.1:{port}/v1", "price": USD_PER_TOKEN}
        for name, port in upstream.ports.items()
    ]
    return {
        "gateway": {"workers": 2, "drain_s": 20},
        "sites": [{"id": name, "jurisdiction": ["DE"], "rtt_ms": 1} for name in upstream.ports],
        "endpoints": endpoints,
        "groups": [{"name": "devs", "budget": {"usd": usd}, "limits": {"rpm": 100_000, "tpm": 50_000_000}}],
        "keys": [
            {"name": "dev", "value": "env:DEV_KEY", "group": "devs"},
            {"name": "other", "value": "env:OTHER_KEY", "group": "devs"},
        ],
        **changes,
    }


def chat(tokens: int = 1, **more: object) -> dict[str, object]:
    """A request for exactly so many tokens."""
    question = [{"role": "user", "content": "Tell me about the sea."}]
    return {"model": "m", "messages": question, "max_tokens": tokens, "ignore_eos": True, **more}


class Row(NamedTuple):
    """A request as the ledger has it; `outcome` is empty while it is under way."""

    worker: str
    sequence: int
    outcome: str
    status: int
    endpoint: str
    prompt: int
    cached: int
    completion: int
    estimated: bool
    cost_nano: int | None
    fault: str


class Answer(NamedTuple):
    """What came back: a status, header values by lower-case name, a body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The request's id."""
        return self.headers["x-request-id"]

    @property
    def is_whole_stream(self) -> bool:
        """Whether it is a stream that came to its end."""
        return self.status == 200 and self.body.endswith(b"data: [DONE]\n\n")


class Caller(Connection):
    """A keep-alive connection with a key."""

    def __init__(self, port: int, key: str = KEY) -> None:
        super().__init__(port)
        self._key = key

    async def ask(self, body: Mapping[str, object], **headers: str) -> Answer:
        """One chat request; never tried again. Raises Refused."""
        data = json.dumps(body).encode()
        lines = {"host": "test", "authorization": f"Bearer {self._key}", "content-type": "application/json"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines["content-length"] = str(len(data))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        told, answer = await self.exchange(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + data)
        status, *pairs = told.decode("latin-1").rstrip().split("\r\n")
        named = [pair.partition(": ") for pair in pairs]
        return Answer(int(status.split()[1]), {name.lower(): value for name, _, value in named}, answer)


async def ask(port: int, body: Mapping[str, object] | None = None, key: str = KEY, **headers: str) -> Answer:
    """One chat request on a connection of its own. Raises Refused."""
    caller = Caller(port, key)
    try:
        return await caller.ask(body or chat(), **headers)
    finally:
        caller.close()


class Load:
    """Callers who ask again and again: some keep their connection, one takes a fresh one each time.

    `failed` counts requests that got no answer or another status than 200, `answers` the others.
    """

    def __init__(self, port: int, body: Mapping[str, object], every_s: float, kept: int = 4) -> None:
        self._port, self._body, self._every_s, self._kept = port, body, every_s, kept
        self._enough = asyncio.Event()
        self.answers: list[Answer] = []
        self.failed: list[str] = []

    async def __aenter__(self) -> "Load":
        self._runs = [asyncio.ensure_future(self._run(fresh=number == 0)) for number in range(self._kept + 1)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        await asyncio.gather(*self._runs)

    async def _run(self, *, fresh: bool) -> None:
        caller = Caller(self._port)
        while not self._enough.is_set():
            try:
                answer = await caller.ask(self._body)
            except Refused as refused:
                self.failed.append(str(refused))
            else:
                kind = self.answers if answer.status == 200 else self.failed
                kind.append(answer if answer.status == 200 else answer.body.decode())
            if fresh:
                caller.close()
            await asyncio.sleep(self._every_s)
        caller.close()


class Serving(Supervised):
    """A running gateway: its events, its ports, its books. Whatever still runs at the end is killed."""

    def __init__(self, folder: Path, wanted: Config, *flags: str, database: str = "") -> None:
        self.file, self.state = folder / "intertie.yaml", folder / "state"
        self.write(wanted)
        self._flags = flags
        self._url = database or f"sqlite:///{self.state / 'intertie.db'}"
        self.events = []
        self._told = asyncio.Condition()

    def write(self, wanted: Config | str) -> None:
        """Replace the configuration file."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(wanted if isinstance(wanted, str) else json.dumps(wanted, indent=1))
        draft.replace(self.file)

    async def _start(self) -> Process:
        command = [*self._about("serve"), "--host", "127.0.0.1", *self._flags]
        command += ["--port", "0", "--control-port", "0", "--health-port", "0"]
        with self.file.with_name("requests.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, stdout=log, stderr=PIPE, env=environment() | _KEYS, start_new_session=True
            )

    def _about(self, *verb: str) -> list[str]:
        return [INTERTIE, *verb, "--config", str(self.file), "--state", str(self.state), "--database", self._url]

    async def command(self, *verb: str) -> bytes:
        """What a verb of `intertie` about this gateway prints; fails if it complains."""
        process = await asyncio.create_subprocess_exec(*self._about(*verb), stdout=PIPE, env=environment() | _KEYS)
        told, _ = await process.communicate()
        assert process.returncode == 0
        return told

    async def __aexit__(self, *_: object) -> None:
        ended = {one["pid"] for name in ("child_ended", "child_died") for one in self.named(name)}
        self.send(signal.SIGKILL)
        for pid in {int(str(one["pid"])) for one in self.named("child_ready")} - ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        await self._reading

    async def all_ready(self) -> None:
        """Until every worker and the control process serve."""

        async def ready() -> bool:
            children: Any = (await self.status())["children"]
            return len(children) == 3 and all(child["state"] == "ready" for child in children)

        await eventually(ready)

    async def open_streams(self, tokens: int, count: int = 50) -> list["asyncio.Future[Answer]"]:
        """So many streams of so many tokens, all under way."""
        streams = [asyncio.ensure_future(ask(self.data, chat(tokens, stream=True))) for _ in range(count)]

        async def all_open() -> bool:
            children: Any = (await self.status())["children"]
            return sum(child["busy"] for child in children) == count

        await eventually(all_open)
        return streams

    async def ended(self, within_s: float = 15.0) -> int:
        """Until it has ended by itself; its exit status."""
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await self._reading
        return code

    async def stop(self) -> int:
        """Tell it to end, and wait."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """The metrics page: values by name and labels."""
        status, page = await fetch(self.control, "/metrics")
        assert status == 200
        families = text_string_to_metric_families(page.decode())
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}

    async def counted(self) -> int:
        """Requests that ended, as the metrics page counts them."""
        page = await self.metrics()
        return round(sum(value for (name, _), value in page.items() if name == "intertie_requests_total"))

    async def read(self, query: Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows of a query, from the database itself."""
        database = Database(self._url)
        async with database.read() as connection:
            rows = [tuple(row) for row in await connection.execute(query)]
        await database.close()
        return rows

    async def ledger(self) -> dict[str, Row]:
        """Every row of the ledger, by request id."""
        columns = [schema.ledger.c[name] for name in Row._fields]
        rows = [Row(*row) for row in await self.read(select(*columns))]
        return {request_id(row.worker, row.sequence): row for row in rows}

    async def verdict(self) -> Verdict:
        """What `intertie ledger verify` finds."""
        database = Database(self._url)
        async with database.read() as connection:
            verdict = await verify(connection, time.time())
        await database.close()
        return verdict

    async def account(self, kind: str = "usd") -> tuple[int, int, int]:
        """Cap, settled and leased of the one account of this kind."""
        table = schema.account
        (row,) = await self.read(select(table.c.cap, table.c.settled, table.c.leased).where(table.c.kind == kind))
        return row[0], row[1], row[2]

    async def lending(self) -> set[str]:
        """The workers that have something lent of a budget."""
        table = schema.lease
        query = select(table.c.worker).where(table.c.granted - table.c.returned - table.c.settled > 0)
        return {row[0] for row in await self.read(query.where(table.c.ends.is_(None)))}

    async def closed(self, count: int, within_s: float = 10.0) -> dict[str, Row]:
        """Until the ledger has so many rows, each closed; all of them."""
        rows: dict[str, Row] = {}

        async def all_closed() -> bool:
            nonlocal rows
            rows = await self.ledger()
            return len(rows) >= count and all(row.outcome for row in rows.values())

        await eventually(all_closed, within_s)
        return rows


def worker_of(answer: Answer) -> str:
    """The worker that answered."""
    return parse_request_id(answer.id)[0]


def still_live(pids: list[int]) -> list[int]:
    """Those of these processes that have not ended."""
    return [pid for pid in pids if lives(pid)]
