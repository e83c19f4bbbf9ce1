"""One cell: one system under one case. First many connections for its CPU, then one connection for its latency.

CPU is divided by what was answered in the same stretch of time, and the stretch ends only when everything sent was
answered or given up, so a slow system is charged for no more than it did. Latency is measured direct and through the
system by turns of a fifth of a second (A/B/A/B/…/A), so that what disturbs the machine touches both; what is added is
the difference between the percentiles of all turns.
"""

from dataclasses import dataclass

import msgspec

from bench.cpu import used
from bench.load import MESSAGES_PATH, PATH, Aim, Tally, chat_body, closed_loop
from bench.system import Running, Stand
from intertie.sim.percentile import percentiles

_TRIAL_S = 10.0
_WARM_S, _WARM_CONNECTIONS = 0.5, 16
_TURNS, _TURN_S = 8, 0.2  # shorter turns where the cell itself is shorter


@dataclass(frozen=True)
class Case:
    """What is asked: `size` bytes of request body, `chunks` of streamed answer (0: not streamed), how many at once.

    Behind another `path` than the upstream's callers speak another dialect: only who translates can be asked.
    """

    name: str
    size: int
    chunks: int
    connections: int
    path: str = PATH

    @property
    def unit(self) -> str:
        """What the CPU is divided by."""
        return "chunk" if self.chunks else "request"


CASES = (
    Case("nonstream_1k", 1_024, 0, 64),
    Case("nonstream_100k", 102_400, 0, 64),
    Case("stream_200", 1_024, 200, 200),
    Case("messages_1k", 1_024, 0, 64, MESSAGES_PATH),
    Case("messages_200", 1_024, 200, 200, MESSAGES_PATH),
)


class Cell(msgspec.Struct, frozen=True):
    """What one cell measured. CPU and latencies in microseconds; `first chunk` latencies where the answer is streamed.

    `beside_us` is the CPU, per request or chunk, of processes that carry no requests (a supervisor, an accountant);
    `gap_p99_us` the time between two chunks of a stream, which left the upstream 10 ms apart; `unfinished` counts what
    was not answered 30 s after the last request was sent.
    """

    cpu_us: float
    beside_us: float
    requests_per_s: float
    busy_p50_us: float
    busy_p99_us: float
    p50_us: float
    p99_us: float
    added_p50_us: float
    added_p99_us: float
    rss_mb: float
    gap_p99_us: float
    errors: int
    unfinished: int


class NotServed(Exception):
    """A system cannot do what a case asks for; the message tells what came instead."""


async def measure(stand: Stand, system: Running, case: Case, seconds: float) -> Cell:
    """Measure one cell; it takes about `seconds` + 4. Raises NotServed if not even one request is answered well."""
    body = chat_body(case.size, case.chunks, case.path)
    trial = await closed_loop(system.aim(body, case.path), 1, _TRIAL_S, count=1)
    if not trial.requests:
        raise NotServed(f"a single request ended as {', '.join(trial.errors) or 'nothing'}")
    await closed_loop(system.aim(body, case.path), _WARM_CONNECTIONS, _WARM_S)
    before = system.tree()
    tally = await closed_loop(system.aim(body, case.path), case.connections, seconds)
    spent = used(before, system.tree(), system.in_plane)
    with stand.upstream_beside_system():
        through, straight = await _latency(system, stand.direct, case, min(seconds / _TURNS, _TURN_S))
    (p50, p99), (direct_p50, direct_p99) = _micro(through), _micro(straight)
    busy_p50, busy_p99 = _micro(tally.first)
    return Cell(
        cpu_us=_per_unit(spent.plane_s, tally, case),
        beside_us=_per_unit(spent.beside_s, tally, case),
        requests_per_s=tally.requests / tally.seconds,
        busy_p50_us=busy_p50,
        busy_p99_us=busy_p99,
        p50_us=p50,
        p99_us=p99,
        added_p50_us=p50 - direct_p50,
        added_p99_us=p99 - direct_p99,
        rss_mb=spent.plane_rss_mb,
        gap_p99_us=_micro(tally.gaps)[1],
        errors=sum(tally.errors.values()),
        unfinished=tally.unfinished,
    )


def _per_unit(seconds: float, tally: Tally, case: Case) -> float:
    return seconds * 1e6 / max(1, tally.chunks if case.chunks else tally.requests)


def _micro(seconds: list[float]) -> tuple[float, float]:
    p50, p99 = percentiles(seconds, (0.5, 0.99))
    return p50 * 1e6, p99 * 1e6


async def _latency(system: Running, direct: Running, case: Case, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds to the (first chunk of the) answer of each request through the system, and of each direct one."""
    body = chat_body(case.size, 1 if case.chunks else 0, case.path)
    await closed_loop(
        system.aim(body, case.path), 1, _TRIAL_S, count=1
    )  # until what was given up before no longer keeps it busy

    async def one_connection(aim: Aim) -> list[float]:
        return (await closed_loop(aim, 1, seconds)).first

    through: list[float] = []
    straight = await one_connection(direct.aim(body))
    for _ in range(_TURNS):
        through += await one_connection(system.aim(body, case.path))
        straight += await one_connection(direct.aim(body))
    return through, straight
