"""The engine's metrics under vLLM's names, so that whoever reads a vLLM can read this."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from intertie.sim.engine.answers import Generation
from intertie.sim.engine.batching import ContinuousBatch
from intertie.sim.engine.blocks import BLOCK_TOKENS

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_LABELS = ("model_name", "engine")
_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160)
_WHOLE_S = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480)
_BETWEEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)


class EngineMetrics(Collector):
    """Reads the batch when it is asked; only what has a distribution is noted per request."""

    def __init__(self, model: str, batch: ContinuousBatch[Generation]) -> None:
        self._names, self._batch = (model, "0"), batch
        self._registry = CollectorRegistry()
        self._registry.register(self)

        def histogram(name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
            family = Histogram(f"vllm:{name}", help_text, _LABELS, buckets=buckets, registry=self._registry)
            return family.labels(*self._names)

        self._first = histogram("time_to_first_token_seconds", "Time to first token (simulated).", _FIRST_TOKEN_S)
        self._queue = histogram("request_queue_time_seconds", "Time in the waiting queue (simulated).", _WHOLE_S)
        self._whole = histogram("e2e_request_latency_seconds", "Time from arrival to last token (simulated).", _WHOLE_S)
        self._between = histogram(
            "request_time_per_output_token_seconds", "Mean time between tokens (simulated).", _BETWEEN_S
        )
        self._success = Counter(
            "vllm:request_success",
            "Finished requests (simulated).",
            (*_LABELS, "finished_reason"),
            registry=self._registry,
        )

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)

    def finished(self, generation: Generation, now: float, reason: str) -> None:
        """Note a sequence that has all its tokens; `now` in the batch's clock."""
        first, admitted = generation.first_token_at or now, generation.admitted_at or now
        self._first.observe(first - generation.submitted_at)
        self._queue.observe(admitted - generation.submitted_at)
        self._whole.observe(now - generation.submitted_at)
        if generation.produced > 1:
            self._between.observe((now - first) / (generation.produced - 1))
        self._success.labels(*self._names, reason).inc()

    def collect(self) -> Iterator[Metric]:
        """What the batch knows by itself."""
        batch = self._batch
        gauges = {
            "num_requests_running": ("Requests in the batch (simulated).", batch.running),
            "num_requests_waiting": ("Requests that wait (simulated).", batch.waiting),
            "kv_cache_usage_perc": ("Share of the KV cache in use, 1 is all (simulated).", batch.pool.usage),
        }
        counters = {
            "prompt_tokens": ("Prompt tokens (simulated).", batch.prompt_tokens),
            "generation_tokens": ("Generated tokens (simulated).", batch.generated_tokens),
            "prefix_cache_queries": ("Prompt tokens looked up in the prefix cache (simulated).", batch.prefix_queries),
            "prefix_cache_hits": ("Prompt tokens found in the prefix cache (simulated).", batch.prefix_hits),
            "num_preemptions": ("Sequences that gave way to older ones (simulated).", batch.preemptions),
        }
        for name, (help_text, value) in gauges.items():
            gauge = GaugeMetricFamily(f"vllm:{name}", help_text, labels=_LABELS)
            gauge.add_metric(self._names, value)
            yield gauge
        for name, (help_text, value) in counters.items():
            counter = CounterMetricFamily(f"vllm:{name}", help_text, labels=_LABELS)
            counter.add_metric(self._names, value)
            yield counter
        sizes = {"block_size": str(BLOCK_TOKENS), "num_gpu_blocks": str(batch.pool.total)}
        info = GaugeMetricFamily(
            "vllm:cache_config_info", "Size of the KV cache (simulated).", labels=(*_LABELS, *sizes)
        )
        info.add_metric((*self._names, *sizes.values()), 1)
        yield info
