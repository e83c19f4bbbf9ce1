"""A worker's meter readings, and their sum over all workers, living and dead.

Everything is counted in one row per label set (`SeriesLabels`): one dictionary look-up a request. A worker sends its
whole reading, cumulative since its start, each second; a reading that is lost or repeated does no harm.
The number of label sets is bounded: beyond `MAX_SERIES` new ones are counted under the name "other".
"""

import resource
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from intertie.core.faults import Fault
from intertie.core.ids import WorkerId
from intertie.core.record import Settled
from intertie.core.usage import Usage

MAX_SERIES = 500
OTHER = "other"
MORE_TOKENS = ("reasoning", "written", "written_1h", "audio_in", "audio_out", "image_in", "image_out")
PIECES = ("images", "audio_ms", "characters", "pages", "searches")

# Upper bounds in seconds, from OpenTelemetry's generative AI metrics: `gen_ai.server.request.duration` and
# `gen_ai.server.time_to_first_token` (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/).
DURATION_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class SeriesLabels(NamedTuple):
    """What tells one row from another; `status_class` is the first digit of the status."""

    model: str
    endpoint: str
    group: str
    operation: str
    outcome: str
    status_class: int


class Series(msgspec.Struct, array_like=True, gc=False):
    """The counts of one label set: requests, tokens, nano-dollars, and two histograms (counts per bucket, seconds).

    `more` counts what few requests use, of `MORE_TOKENS` and `PIECES` those that came, as `core.usage.Usage` has them.
    """

    ttft: list[int]
    duration: list[int]
    ttft_sum: float = 0.0
    duration_sum: float = 0.0
    requests: int = 0
    streams: int = 0
    retries: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    more: dict[str, int] = {}

    @classmethod
    def empty(cls) -> "Series":
        """Nothing counted yet."""
        return cls([0] * (len(TTFT_BOUNDS) + 1), [0] * (len(DURATION_BOUNDS) + 1))

    def add(self, more: "Series") -> None:
        """Count what the other has counted as well."""
        self.ttft = [a + b for a, b in zip(self.ttft, more.ttft, strict=True)]
        self.duration = [a + b for a, b in zip(self.duration, more.duration, strict=True)]
        self.ttft_sum += more.ttft_sum
        self.duration_sum += more.duration_sum
        self.requests += more.requests
        self.streams += more.streams
        self.retries += more.retries
        self.input_tokens += more.input_tokens
        self.cached_tokens += more.cached_tokens
        self.output_tokens += more.output_tokens
        self.cost_nano += more.cost_nano
        _add(self.more, more.more)


class Gauges(msgspec.Struct, array_like=True):
    """How things are now. `queued` is the number of requests that wait for a connection, by endpoint."""

    in_flight: int = 0
    streams: int = 0
    connections: int = 0
    queued: dict[str, int] = {}


class Reading(msgspec.Struct, array_like=True):
    """All that a process has counted. Refusals and faults by code; bytes journalled; log lines dropped.

    `cpu_s` (user and system) and `rss_bytes` are of the process itself, `process` its name (`worker-0`).
    """

    process: str
    series: list[tuple[SeriesLabels, Series]]
    refusals: dict[str, int]
    faults: dict[str, int]
    gauges: Gauges
    journal_bytes: int = 0
    log_dropped: int = 0
    cpu_s: float = 0.0
    rss_bytes: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reading).decode
_PAGE = resource.getpagesize()


def pack(reading: Reading) -> bytes:
    """A reading as bytes, for the link and the state folder."""
    return _encode(reading)


def unpack(body: bytes) -> Reading:
    """A reading from bytes; raises msgspec.DecodeError if they are none."""
    return _decode(body)


def own_usage() -> tuple[float, int]:
    """CPU seconds and resident bytes of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


class Meters:
    """A worker's counters. `gauges`, `journal_bytes` and `log_dropped` are set by whoever knows them.

    `model` must be a public name (or ""), never what a caller made up: names are bounded, but first come first served.
    """

    __slots__ = ("_faults", "_process", "_refusals", "_series", "gauges", "journal_bytes", "log_dropped")

    def __init__(self, process: str) -> None:
        self._process = process
        self._series: dict[tuple[str, str, str, str, str, int], Series] = {}  # by SeriesLabels, which are such tuples
        self._refusals: dict[str, int] = {}
        self._faults: dict[str, int] = {}
        self.gauges = Gauges()
        self.journal_bytes = 0
        self.log_dropped = 0

    def ended(self, model: str, operation: str, group: str, row: Settled) -> None:
        """Count a request that had been admitted, however it ended."""
        key = (model, row.endpoint, group, operation, row.outcome, row.status // 100)
        series = self._series.get(key) or self._new(SeriesLabels(*key))
        usage = row.usage
        series.requests += 1
        series.retries += row.attempts - 1 if row.attempts > 1 else 0
        series.input_tokens += usage.prompt
        series.cached_tokens += usage.cached
        series.output_tokens += usage.completion
        series.cost_nano += row.cost_nano or 0
        if usage.reasoning or not usage.plain:
            _add(series.more, _more(usage))
        series.duration[bisect_left(DURATION_BOUNDS, row.duration_s)] += 1
        series.duration_sum += row.duration_s
        if row.stream:
            series.streams += 1
        if row.ttft_s > 0:
            series.ttft[bisect_left(TTFT_BOUNDS, row.ttft_s)] += 1
            series.ttft_sum += row.ttft_s
        if row.fault:
            self._faults[row.fault] = self._faults.get(row.fault, 0) + 1

    def refused(self, model: str, operation: str, fault: Fault, duration_s: float) -> None:
        """Count a request that was refused before any upstream was called."""
        labels = SeriesLabels(model, "", "", operation, "refused", fault.status // 100)
        series = self._series.get(labels) or self._new(labels)
        series.requests += 1
        series.duration[bisect_left(DURATION_BOUNDS, duration_s)] += 1
        series.duration_sum += duration_s
        self._refusals[fault.code] = self._refusals.get(fault.code, 0) + 1

    def snapshot(self) -> bytes:
        """All of it, cumulative since the start, for `core.lending.Counters`."""
        cpu_s, rss_bytes = own_usage()
        return _encode(
            Reading(
                process=self._process,
                series=[(SeriesLabels(*key), series) for key, series in self._series.items()],
                refusals=self._refusals,
                faults=self._faults,
                gauges=self.gauges,
                journal_bytes=self.journal_bytes,
                log_dropped=self.log_dropped,
                cpu_s=cpu_s,
                rss_bytes=rss_bytes,
            )
        )

    def _new(self, labels: SeriesLabels) -> Series:
        if len(self._series) >= MAX_SERIES:
            labels = labels._replace(model=OTHER, endpoint=OTHER, group=OTHER)
        return self._series.setdefault(labels, Series.empty())


class _Kept(msgspec.Struct, array_like=True):
    """What outlives the control process: the last readings of workers not known to be dead, and the dead's counts."""

    alive: dict[WorkerId, Reading]
    retired: list[Reading]


class Totals:
    """The sum over all workers, on the control side: what the dead had counted stays counted.

    `kept` is what an earlier life of the control process left (see `keep`), so that its own restart does not make a
    counter go back either. Raises msgspec.DecodeError if these bytes are something else.
    """

    def __init__(self, kept: bytes = b"") -> None:
        self._alive: dict[WorkerId, Reading] = {}
        self._retired: dict[str, Reading] = {}
        if kept:
            earlier = msgspec.msgpack.decode(kept, type=_Kept)
            for reading in earlier.retired:
                self._retire(reading)
            self._alive = earlier.alive
            for worker in earlier.alive:
                self.silent(worker)

    @property
    def workers(self) -> set[WorkerId]:
        """Whose readings are here and who is not gone."""
        return set(self._alive)

    def merge(self, worker: WorkerId, body: bytes) -> None:
        """Take a worker's latest reading; raises msgspec.DecodeError if the bytes are none."""
        self._alive[worker] = _decode(body)

    def silent(self, worker: WorkerId) -> None:
        """The worker is out of reach: what it has counted stands, how things are now is not known."""
        reading = self._alive.get(worker)
        if reading is not None:
            self._alive[worker] = msgspec.structs.replace(reading, gauges=Gauges(), rss_bytes=0)

    def gone(self, worker: WorkerId) -> None:
        """The worker is dead for good (not merely out of reach): keep its counts, forget its gauges."""
        reading = self._alive.pop(worker, None)
        if reading is not None:
            self._retire(reading)

    def keep(self) -> bytes:
        """All that is counted, to be kept beside the state."""
        return msgspec.msgpack.encode(_Kept(self._alive, list(self._retired.values())))

    def readings(self) -> list[Reading]:
        """One reading per living worker, and one per process name for all its dead lives."""
        return [*self._alive.values(), *self._retired.values()]

    def _retire(self, reading: Reading) -> None:
        base = self._retired.get(reading.process)
        if base is None:
            base = self._retired[reading.process] = Reading(reading.process, [], {}, {}, Gauges())
        base.series = list(merge_series([base.series, reading.series], MAX_SERIES).items())
        _add(base.refusals, reading.refusals)
        _add(base.faults, reading.faults)
        base.journal_bytes += reading.journal_bytes
        base.log_dropped += reading.log_dropped
        base.cpu_s += reading.cpu_s


def merge_series(parts: Iterable[list[tuple[SeriesLabels, Series]]], limit: int) -> dict[SeriesLabels, Series]:
    """The sum of several lists of series by label set; label sets beyond the limit are summed as "other"."""
    merged: dict[SeriesLabels, Series] = {}
    for part in parts:
        for labels, series in part:
            if labels not in merged and len(merged) >= limit:
                labels = labels._replace(model=OTHER, endpoint=OTHER, group=OTHER)
            merged.setdefault(labels, Series.empty()).add(series)
    return merged


def _more(usage: Usage) -> dict[str, int]:
    """What was used beyond plain tokens."""
    return {name: number for name in (*MORE_TOKENS, *PIECES) if (number := getattr(usage, name))}


def _add(into: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        into[name] = into.get(name, 0) + count
