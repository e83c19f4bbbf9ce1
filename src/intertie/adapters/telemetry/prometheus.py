"""The metrics page: what all workers together have counted, in Prometheus' names (base units, `_total`).

For the control process only. The same names stand in `deploy/grafana` and `deploy/prometheus`; a test compares them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from intertie.adapters.telemetry.counters import (
    DURATION_BOUNDS,
    PIECES,
    TTFT_BOUNDS,
    Reading,
    Series,
    SeriesLabels,
    Totals,
    merge_series,
    own_usage,
)
from intertie.core.money import NANO_PER_USD, Nano

_ALL_SERIES = 100_000  # each worker bounds its own; a lower bound here would let a counter go back

_TOKEN_TYPES = {
    "reasoning": "reasoning",
    "written": "cache_write",
    "written_1h": "cache_write_1h",
    "audio_in": "input_audio",
    "audio_out": "output_audio",
    "image_in": "input_image",
    "image_out": "output_image",
}

Labels = tuple[str, ...]


class BudgetLeft(NamedTuple):
    """What one budget still has to spend in its current period; negative if it was overspent."""

    meter: str
    owner: str
    remaining: Nano


class MetricsPage:
    """Renders `/metrics`. `budgets` gives what is left of each budget now."""

    def __init__(self, totals: Totals, budgets: Callable[[], Iterable[BudgetLeft]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Collected(totals, budgets))

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body in the format that the `Accept` header asks for (Prometheus text or OpenMetrics)."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)


class _Collected(Collector):
    def __init__(self, totals: Totals, budgets: Callable[[], Iterable[BudgetLeft]]) -> None:
        self._totals, self._budgets = totals, budgets

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is known before the first request

    def collect(self) -> Iterator[Metric]:
        readings = self._totals.readings()
        series = merge_series((reading.series for reading in readings), _ALL_SERIES)
        yield from _requests(series)
        yield from _consumption(series)
        yield _histogram(
            "intertie_request_duration_seconds",
            "From the first byte of a request to the last of its answer",
            ("model", "endpoint", "operation"),
            {
                key: (one.duration, one.duration_sum)
                for key, one in _by(series, "model", "endpoint", "operation").items()
            },
            DURATION_BOUNDS,
        )
        yield _histogram(
            "intertie_time_to_first_token_seconds",
            "From sending a request to an endpoint to the first byte of its answer",
            ("model", "endpoint"),
            {key: (one.ttft, one.ttft_sum) for key, one in _by(series, "model", "endpoint").items()},
            TTFT_BOUNDS,
        )
        yield from _codes(readings)
        yield from _now(readings)
        yield from _processes(readings, own_usage())
        left = GaugeMetricFamily("intertie_budget_remaining_usd", "What a budget still has", labels=("meter", "owner"))
        for budget in self._budgets():
            left.add_metric((budget.meter, budget.owner), budget.remaining / NANO_PER_USD)
        yield left


def _requests(series: dict[SeriesLabels, Series]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "intertie_requests", "Requests that ended", labels=("model", "endpoint", "operation", "outcome", "status")
    )
    by_outcome = _by(series, "model", "endpoint", "operation", "outcome", "status_class")
    for (model, endpoint, operation, outcome, status), one in by_outcome.items():
        requests.add_metric((model, endpoint, operation, outcome, f"{status}xx"), one.requests)
    yield requests
    streams = CounterMetricFamily("intertie_streams", "Of these, streams", labels=("model", "endpoint"))
    retries = CounterMetricFamily("intertie_retries", "Attempts after the first", labels=("model", "endpoint"))
    for key, one in _by(series, "model", "endpoint").items():
        streams.add_metric(key, one.streams)
        retries.add_metric(key, one.retries)
    yield streams
    yield retries


def _consumption(series: dict[SeriesLabels, Series]) -> Iterator[Metric]:
    tokens = CounterMetricFamily(
        "intertie_tokens",
        "Tokens; input includes cached, cache_write, input_audio and input_image, output includes the others",
        labels=("model", "endpoint", "type"),
    )
    units = CounterMetricFamily(
        "intertie_units", "What is sold by the piece; audio in seconds", labels=("model", "endpoint", "unit")
    )
    for key, one in _by(series, "model", "endpoint").items():
        tokens.add_metric((*key, "input"), one.input_tokens)
        tokens.add_metric((*key, "cached"), one.cached_tokens)
        tokens.add_metric((*key, "output"), one.output_tokens)
        for name, number in one.more.items():
            if name == "audio_ms":
                units.add_metric((*key, "audio_seconds"), number / 1_000)
            elif name in PIECES:
                units.add_metric((*key, name), number)
            else:
                tokens.add_metric((*key, _TOKEN_TYPES.get(name, name)), number)
    yield tokens
    yield units
    cost = CounterMetricFamily(
        "intertie_cost_usd", "Cost where a price is known", labels=("model", "endpoint", "group")
    )
    for key, one in _by(series, "model", "endpoint", "group").items():
        cost.add_metric(key, one.cost_nano / NANO_PER_USD)
    yield cost


def _codes(readings: list[Reading]) -> Iterator[Metric]:
    refusals = CounterMetricFamily("intertie_refusals", "Refused before any endpoint was called", labels=("code",))
    faults = CounterMetricFamily("intertie_faults", "Went wrong after admission", labels=("code",))
    for family, counts in ((refusals, [r.refusals for r in readings]), (faults, [r.faults for r in readings])):
        summed: defaultdict[str, int] = defaultdict(int)
        for count in counts:
            for code, number in count.items():
                summed[code] += number
        for code, number in summed.items():
            family.add_metric((code,), number)
        yield family


def _now(readings: list[Reading]) -> Iterator[Metric]:
    gauges = [reading.gauges for reading in readings]
    yield GaugeMetricFamily("intertie_requests_in_flight", "Open requests", sum(one.in_flight for one in gauges))
    yield GaugeMetricFamily("intertie_streams_in_flight", "Open streams", sum(one.streams for one in gauges))
    yield GaugeMetricFamily(
        "intertie_connections", "Open connections of callers", sum(one.connections for one in gauges)
    )
    queues = GaugeMetricFamily("intertie_queue_depth", "Requests that wait for a connection", labels=("endpoint",))
    summed: defaultdict[str, int] = defaultdict(int)
    for one in gauges:
        for endpoint, depth in one.queued.items():
            summed[endpoint] += depth
    for endpoint, depth in summed.items():
        queues.add_metric((endpoint,), depth)
    yield queues


def _processes(readings: list[Reading], own: tuple[float, int]) -> Iterator[Metric]:
    journal, dropped = sum(one.journal_bytes for one in readings), sum(one.log_dropped for one in readings)
    yield CounterMetricFamily("intertie_journal_bytes", "Bytes written to the journals", journal)
    yield CounterMetricFamily("intertie_request_log_dropped", "Lines of the request log that nobody read", dropped)
    cpu = CounterMetricFamily("intertie_process_cpu_seconds", "CPU time, user and system", labels=("process",))
    memory = GaugeMetricFamily("intertie_process_resident_memory_bytes", "Resident memory", labels=("process",))
    used: defaultdict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0), control=own)
    for one in readings:
        cpu_s, rss_bytes = used[one.process]
        used[one.process] = cpu_s + one.cpu_s, rss_bytes + one.rss_bytes
    for process, (cpu_s, rss_bytes) in used.items():
        cpu.add_metric((process,), cpu_s)
        memory.add_metric((process,), rss_bytes)
    yield cpu
    yield memory
    build = GaugeMetricFamily("intertie_build_info", "Always 1; the version is in the label", labels=("version",))
    build.add_metric((version("intertie"),), 1)
    yield build


def _by(series: dict[SeriesLabels, Series], *names: str) -> dict[Labels, Series]:
    places = [SeriesLabels._fields.index(name) for name in names]
    summed: dict[Labels, Series] = {}
    for labels, one in series.items():
        summed.setdefault(tuple(str(labels[place]) for place in places), Series.empty()).add(one)
    return summed


def _histogram(
    name: str,
    says: str,
    labels: Labels,
    counted: dict[Labels, tuple[list[int], float]],
    bounds: tuple[float, ...],
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, says, labels=labels)
    edges = [*(str(bound) for bound in bounds), "+Inf"]
    for key, (buckets, total) in counted.items():
        family.add_metric(key, list(zip(edges, accumulate(buckets), strict=True)), total)
    return family
