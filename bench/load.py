"""The load generator: closed loop (each connection asks again as soon as it was answered) and open loop (a fixed rate).

In the open loop a latency is counted from the moment the request was due, whether or not a connection was free then,
so a system that stalls cannot hide it (no coordinated omission). Both loops end by count or by time, whichever is
first; then they wait for what is outstanding, for a grace of 30 s, and count it. Latencies in seconds.

By hand: python -m bench.load http://127.0.0.1:9001 [--connections 64 | --rate 200] [--seconds 5] [--stream 200]
"""

import argparse
import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from bench.upstream import MODEL
from intertie.core.endpoint import Origin
from intertie.sim.caller import CallerConnection, Reply, connect, encode_request, until
from intertie.sim.percentile import percentiles

PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
GRACE_S = 30.0
_RAMP_S = 0.2
_TAIL_BYTES = 64


@dataclass(frozen=True)
class Aim:
    """Where to send, and the bytes to send each time."""

    origin: Origin
    request: bytes


@dataclass
class Tally:
    """What a loop saw. `latencies`, `first` (to the first chunk) and `gaps` (between chunks) are in seconds.

    `errors` counts what was not a whole 200 by cause: its status, `closed`, `garbled`, `truncated`; `unfinished` what
    was given up after the grace, its chunks counted; `late` is how long after it was due each request of an open loop
    left.
    """

    requests: int = 0
    unfinished: int = 0
    chunks: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    gaps: list[float] = field(default_factory=list[float])
    late: list[float] = field(default_factory=list[float])

    def add(self, reply: Reply) -> None:
        """Count one answer."""
        cause = reply.fault or ("" if reply.status == 200 else str(reply.status)) or "truncated" * reply.truncated
        if cause:
            self.errors[cause] = self.errors.get(cause, 0) + 1
            return
        self.requests += 1
        self.latencies.append(reply.ended - reply.due)
        self.first.append(reply.first - reply.due)
        if reply.events:
            self.chunks += reply.chunks
            self.gaps.extend(reply.gaps)

    def figures(self) -> dict[str, object]:
        """The tally as plain numbers: rates per second, percentiles in microseconds."""
        found: dict[str, object] = {"requests": self.requests, "errors": self.errors, "chunks": self.chunks}
        found["unfinished"] = self.unfinished
        found["seconds"] = round(self.seconds, 3)
        found["requests_per_s"] = round(self.requests / self.seconds, 1) if self.seconds else 0.0
        for name, values in (("", self.latencies), ("first_", self.first), ("gap_", self.gaps), ("late_", self.late)):
            if values:
                for label, value in zip(("p50", "p90", "p99"), percentiles(values, (0.5, 0.9, 0.99)), strict=True):
                    found[f"{name}{label}_us"] = round(value * 1e6, 1)
        return found


def chat_body(size: int, chunks: int = 0, path: str = PATH) -> bytes:
    """A chat request of exactly `size` bytes; with `chunks`, it asks for a stream of so many, and for its usage where
    that is not told unasked.
    """
    body: dict[str, object] = {"model": MODEL, "max_tokens": chunks or 64}
    if chunks:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if path == PATH else {})
    body["messages"] = [{"role": "user", "content": ""}]
    room = size - len(json.dumps(body))
    body["messages"] = [{"role": "user", "content": ("lorem ipsum " * (room // 12 + 1))[:room]}]
    return json.dumps(body).encode()


def aim_at(base_url: str, headers: dict[str, str], body: bytes, path: str = PATH) -> Aim:
    """Aim a chat request at the system under `base_url` (scheme, host, port)."""
    parts = urlsplit(base_url)
    assert parts.scheme in ("http", "https") and parts.hostname
    scheme = "https" if parts.scheme == "https" else "http"
    origin = Origin(scheme, parts.hostname, parts.port or (443 if scheme == "https" else 80))
    return Aim(origin, encode_request(parts.path.rstrip("/") + path, origin.authority, headers, body))


class _Run:
    """One run of a loop: connections that are idle, requests that wait for one, and what came back."""

    def __init__(self, aim: Aim, connections: int, seconds: float, count: int | None) -> None:
        self._aim, self._connections, self._seconds, self._count = aim, connections, seconds, count
        self._tally = Tally()
        self._callers: list[CallerConnection] = []
        self._idle: list[CallerConnection] = []
        self._waiting: deque[float] = deque()
        self._lost = connections
        self._offered = self._outstanding = 0
        self._closed = False
        self._wake = asyncio.Event()
        self._began = 0.0

    async def closed(self) -> Tally:
        """As many requests as there are connections, each followed by the next when it was answered."""
        self._closed = True
        # Streams that begin at one moment would tick together for ever; spread, as callers are.
        return await self._run(self._connections / _RAMP_S, range(self._connections))

    async def open(self, rate: float) -> Tally:
        """A request each 1/rate seconds, come what may."""
        return await self._run(rate, itertools.count())

    async def _run(self, rate: float, indices: Iterable[int]) -> Tally:
        try:
            await self._mend()
            self._began = time.perf_counter()
            for index in indices:
                due = self._began + index / rate
                await until(due)
                if not self._goes_on:
                    break
                await self._mend()
                self._offer(due)
            await self._finish()
            return self._tally
        finally:
            for caller in self._callers:
                left = caller.close()
                self._tally.chunks += left.events if left is not None else 0

    async def _mend(self) -> None:
        """Open what is missing: at first all connections, later those that the other side closed."""
        while self._lost:
            self._lost -= 1
            caller = await connect(self._aim.origin, self._ended, _TAIL_BYTES)
            self._callers.append(caller)
            self._idle.append(caller)
        self._leave()

    async def _finish(self) -> None:
        deadline = self._began + self._seconds + GRACE_S
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.perf_counter()):
                while self._outstanding:
                    await self._mend()
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            self._tally.unfinished = self._outstanding
        self._tally.seconds = time.perf_counter() - self._began

    @property
    def _goes_on(self) -> bool:
        fewer = self._count is None or self._offered < self._count
        return fewer and time.perf_counter() - self._began < self._seconds

    def _offer(self, due: float) -> None:
        self._offered += 1
        self._outstanding += 1
        self._waiting.append(due)
        self._leave()

    def _leave(self) -> None:
        """Send what waits over the connections that are free."""
        while self._waiting and self._idle:
            caller = self._idle.pop()
            if caller.free:
                due = self._waiting.popleft()
                if not self._closed:
                    self._tally.late.append(time.perf_counter() - due)
                caller.send(self._aim.request, None if self._closed else due)
            else:
                self._lost += 1

    def _ended(self, caller: CallerConnection, reply: Reply) -> None:
        self._outstanding -= 1
        self._tally.add(reply)
        if caller.free:
            self._idle.append(caller)
        else:
            self._lost += 1
        if self._closed and self._goes_on:
            self._offer(reply.ended)
        else:
            self._leave()
        if self._lost or not self._outstanding:
            self._wake.set()


async def closed_loop(aim: Aim, connections: int, seconds: float, count: int | None = None) -> Tally:
    """`connections` callers, each asking again as soon as it was answered. Raises OSError if nobody listens."""
    return await _Run(aim, connections, seconds, count).closed()


async def open_loop(aim: Aim, rate: float, seconds: float, count: int | None = None, connections: int = 64) -> Tally:
    """`rate` requests per second, evenly spaced, over at most `connections`. Raises OSError if nobody listens."""
    return await _Run(aim, connections, seconds, count).open(rate)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, help="requests per second: an open loop")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--size", type=int, default=1024, help="bytes of the request body")
    parser.add_argument("--stream", type=int, default=0, metavar="CHUNKS")
    parser.add_argument("--key", default="")
    return parser.parse_args()


async def _by_hand(asked: argparse.Namespace) -> None:
    headers = {"authorization": f"Bearer {asked.key}"} if asked.key else {}
    aim = aim_at(asked.base_url, headers, chat_body(asked.size, asked.stream))
    if asked.rate:
        tally = await open_loop(aim, asked.rate, asked.seconds, asked.count, asked.connections)
    else:
        tally = await closed_loop(aim, asked.connections, asked.seconds, asked.count)
    print(json.dumps(tally.figures()))


if __name__ == "__main__":
    uvloop.run(_by_hand(_arguments()))
