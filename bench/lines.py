"""The result of a measurement: one line per system and case, the median of its rounds."""

from collections.abc import Sequence
from statistics import median

import msgspec

from bench.cell import Case, Cell


class Line(msgspec.Struct, omit_defaults=True):
    """One system under one case. CPU and latencies in microseconds, memory in 10^6 bytes.

    Many connections at once: `cpu_us_per_request` or `cpu_us_per_chunk` of the processes that carry requests (None
    where there are none), `beside_us` of those beside them, `requests_per_s`, `busy_p50_us`, `busy_p99_us`, `rss_mb`;
    of a stream `gap_p99_us` between two chunks that the upstream sent 10 ms apart.
    One connection: `p50_us`, `p99_us` and what they are above direct. Latency of a stream is that of its first chunk.
    """

    system: str
    case: str
    version: str
    date: str
    requests_per_s: float
    p50_us: float
    p99_us: float
    added_p50_us: float
    added_p99_us: float
    rss_mb: float
    cpu_us_per_request: float | None = None
    cpu_us_per_chunk: float | None = None
    ratio_to_nginx: float | None = None
    beside_us: float = 0.0
    busy_p50_us: float = 0.0
    busy_p99_us: float = 0.0
    gap_p99_us: float = 0.0
    errors: int = 0
    unfinished: int = 0
    rounds: int = 0

    @property
    def cpu_us(self) -> float | None:
        """CPU per request or per chunk, whichever the case counts."""
        return self.cpu_us_per_request if self.cpu_us_per_chunk is None else self.cpu_us_per_chunk


def line(system: str, version: str, date: str, case: Case, cells: Sequence[Cell]) -> Line:
    """The median of the rounds, figure by figure; what went wrong is added up. No processes, no CPU."""

    def mid(name: str) -> float:
        return round(median(getattr(cell, name) for cell in cells), 2)

    cpu = mid("cpu_us") or None
    return Line(
        system=system,
        case=case.name,
        version=version,
        date=date,
        requests_per_s=mid("requests_per_s"),
        p50_us=mid("p50_us"),
        p99_us=mid("p99_us"),
        added_p50_us=mid("added_p50_us"),
        added_p99_us=mid("added_p99_us"),
        rss_mb=mid("rss_mb"),
        cpu_us_per_request=None if case.chunks else cpu,
        cpu_us_per_chunk=cpu if case.chunks else None,
        beside_us=mid("beside_us"),
        busy_p50_us=mid("busy_p50_us"),
        busy_p99_us=mid("busy_p99_us"),
        gap_p99_us=mid("gap_p99_us"),
        errors=sum(cell.errors for cell in cells),
        unfinished=sum(cell.unfinished for cell in cells),
        rounds=len(cells),
    )


def compare_to_nginx(lines: Sequence[Line]) -> None:
    """Write into each line how often nginx's CPU it takes, where both were measured."""
    floor = {each.case: each.cpu_us for each in lines if each.system == "nginx"}
    for each in lines:
        least = floor.get(each.case)
        if each.cpu_us and least:
            each.ratio_to_nginx = round(each.cpu_us / least, 2)
