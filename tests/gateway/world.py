"""A small real world for the gateway's tests: a worker's live state, a real server, real upstream sockets.

Only the control process is a fake: a lender that lends whatever is asked for, up to the caps, and a shelf in memory for
responses that are kept.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import msgspec
from openai import AsyncOpenAI
from scripted import until

from intertie.adapters.telemetry.counters import Meters
from intertie.adapters.telemetry.requestlog import RequestLog
from intertie.config.snapshot import Snapshot
from intertie.core.clock import SystemClock
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.lending import Borrow, FromWorker, Lent, Refusal
from intertie.core.money import Price
from intertie.core.plan import Objective, Weights
from intertie.core.principal import Meter, Principal
from intertie.core.record import JournalRow, Settled
from intertie.core.site import Site
from intertie.gateway.archive import Archive, Shelf
from intertie.gateway.front import Front
from intertie.gateway.live import Books, Live
from intertie.gateway.reach import Reach
from intertie.gateway.wallet import Wallet
from intertie.policy.keys import digest
from intertie.store.journal import JournalReader, JournalWriter, segment_path
from intertie.wire.server import Server
from intertie.wire.tasks import Tasks

KEY = "itk_test"
PEPPER = b"pepper for tests only, 32 bytes."
PRICE = Price(input=150_000_000, output=600_000_000, cached=75_000_000, source="test")


def free_socket() -> socket.socket:
    """A listening socket on a free port of the loopback interface."""
    return socket.create_server(("127.0.0.1", 0))


def endpoint(name: str, port: int, **changes: object) -> Endpoint:
    """An endpoint of model `m` on the loopback interface."""
    plain = Endpoint(
        id=name, site=f"{name}-site", model="m", upstream_model="m", origin=Origin("http", "127.0.0.1", port, "/v1"),
        operations=("chat", "completions", "embeddings"), price=PRICE,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def snapshot(endpoints: list[Endpoint], meters: list[Meter] | None = None, **changes: object) -> Snapshot:
    """A world of these endpoints, each at a site of its own, with one principal whose key is `KEY`."""
    principal = Principal(key_id="k1", name="dev", group="devs", meters=tuple(meter.id for meter in meters or ()))
    whole = Snapshot(
        version=1,
        sites={one.site: Site(one.site, jurisdiction=("EU", "DE"), gco2_per_kwh=300.0) for one in endpoints},
        endpoints={one.id: one for one in endpoints},
        objectives={"balanced": Objective("balanced", Weights(ttft=0.5, cost=0.5), 5_000)},
        meters={meter.id: meter for meter in meters or ()},
        keys={digest(PEPPER, KEY.encode()): principal},
        pepper=PEPPER,
    )
    return msgspec.structs.replace(whole, **changes)


class Lender:
    """Lends at once and in large slices, never beyond the cap of an account; counts what it lent.

    `settled` says of which accounts how much is known to be spent; of others all that was lent is.
    """

    def __init__(self, caps: Callable[[str], int]) -> None:
        self.granted: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self._caps = caps
        self.wallet: Wallet | None = None

    def hear(self, message: FromWorker) -> None:
        """Answer a worker's word, one loop tick later as over a real link."""
        asyncio.get_running_loop().call_soon(self._answer, message)

    def _answer(self, message: FromWorker) -> None:
        if not isinstance(message, Borrow) or self.wallet is None:
            return
        refused: list[Refusal] = []
        for want in message.wants:
            lent = self.granted.get(want.account, 0)
            cap = self._caps(want.account)
            if lent + want.amount > cap:
                spent = self.settled.get(want.account, lent)
                refused.append(Refusal(want.account, cap, spent, lent - spent))
            else:
                self.granted[want.account] = lent + max(want.amount, (cap - lent) // 4)
        named = {want.account: self.granted.get(want.account, 0) for want in message.wants}
        self.wallet.on_message(Lent(message.ticket, named, refused=tuple(refused)))


class World:
    """A running gateway worker: where it listens, its live state, its journal and its log as they stand on disk."""

    def __init__(self, url: str, live: Live, server: Server, folder: Path, lender: Lender) -> None:
        self.url, self.live, self.server, self.lender = url, live, server, lender
        self.shelf = Shelf()
        live.archive = self.shelf.archive = Archive(self.shelf.hear)
        live.archive.on_link(True)
        self.folder = folder
        self.crashes: list[BaseException] = []

    def rows(self) -> list[JournalRow]:
        """All rows journalled so far."""
        return JournalReader(segment_path(self.folder / "journal", self.live.worker, 1)).read(100_000)

    def settled(self) -> list[Settled]:
        """How the requests ended so far."""
        return [row for row in self.rows() if isinstance(row, Settled)]

    async def ended(self, count: int = 1) -> Settled:
        """Wait until so many requests have ended and none is under way; the last of them."""
        await until(lambda: len(self.settled()) >= count and not self.live.in_flight)
        assert len(self.settled()) == count
        return self.settled()[-1]

    async def logged(self, count: int = 1) -> list[dict[str, object]]:
        """Wait until the request log has so many lines; all of them."""
        log = self.folder / "log"
        await until(lambda: log.read_text().count("\n") >= count)
        return [json.loads(line) for line in log.read_text().splitlines()]

    def room(self, meter: Meter) -> int:
        """What may still be used of a meter: the cap less what is spent and what is held."""
        return self.live.wallet.standing(meter).remaining

    def sdk(self, key: str = KEY, retries: int = 0) -> AsyncOpenAI:
        """The real client."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=retries)


@asynccontextmanager
async def gateway(tmp_path: Path, whole: Snapshot) -> AsyncIterator[World]:
    """Run a gateway over a snapshot; fails the test if anything crashed inside."""
    crashes: list[BaseException] = []
    clock, tasks = SystemClock(), Tasks(crashes.append)
    journal = JournalWriter(tmp_path / "journal", "w1", "never")
    caps = {meter.id: meter.cap for meter in whole.meters.values()}
    lender = Lender(lambda account: caps[account.partition("@")[0]])
    wallet = lender.wallet = Wallet("w1", lender.hear, clock)
    with _log(tmp_path / "log") as log:
        live = Live("w1", clock, Random(7), Books(wallet, journal, Meters("worker-0"), log), Reach(tasks))
        live.adopt(whole)
        live.ready = True
        wallet.on_link(True)
        server = Server(Front(live), whole.server, crashes.append)
        sock = free_socket()
        port = sock.getsockname()[1]
        await server.listen(sock)
        world = World(f"http://127.0.0.1:{port}", live, server, tmp_path, lender)
        world.crashes = crashes
        try:
            yield world
        finally:
            await live.makings.close(2.0)
            await server.close(2.0)
            for lane in live.lanes.values():
                await lane.pool.close()
            await tasks.close(1.0)
            journal.close()
    assert live.in_flight == 0
    assert not crashes, crashes


@contextmanager
def _log(path: Path) -> Iterator[RequestLog]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = RequestLog(fd)
    try:
        yield log
    finally:
        log.close()
        os.close(fd)
