"""Spans over OTLP/HTTP, batched and sent by the OpenTelemetry SDK's own thread. Loaded by `spans.open_spans` only."""

from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from intertie.adapters.telemetry.genai import attributes, span_name
from intertie.adapters.telemetry.spans import Spans
from intertie.adapters.telemetry.traceparent import TraceContext
from intertie.core.record import Observation

_TRACES = "/v1/traces"
_NANO = 1_000_000_000
_QUEUE = 4_096  # spans that may wait while the collector is slow; the SDK drops further ones and says so
_TIMEOUT_S = 3.0


class OtlpSpans:
    """Sends spans to a collector. Further headers (a token) come from the field's own `OTEL_EXPORTER_OTLP_HEADERS`."""

    def __init__(self, endpoint: str, process: str) -> None:
        address = endpoint.rstrip("/")
        exporter = OTLPSpanExporter(
            endpoint=address if address.endswith(_TRACES) else address + _TRACES, timeout=_TIMEOUT_S
        )
        self._batches = BatchSpanProcessor(exporter, max_queue_size=_QUEUE)
        self._resource = Resource.create({"service.name": "intertie", "service.instance.id": process})
        self._scope = InstrumentationScope("intertie", version("intertie"))

    def ended(self, trace: TraceContext, seen: Observation, begun: float, ended: float) -> None:
        """Queue a server span for the request, unless its trace is not recorded."""
        self._batches.on_end(
            ReadableSpan(
                name=span_name(seen),
                context=_context(trace, trace.span_id, is_remote=False),
                parent=_context(trace, trace.parent_id, is_remote=True) if trace.parent_id else None,
                resource=self._resource,
                attributes=attributes(seen),
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if seen.status >= 500 else StatusCode.UNSET),
                start_time=int(begun * _NANO),
                end_time=int(ended * _NANO),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what waits."""
        self._batches.shutdown()


def _context(trace: TraceContext, span_id: int, *, is_remote: bool) -> SpanContext:
    return SpanContext(trace.trace_id, span_id, is_remote, TraceFlags(trace.sampled))


_: type[Spans] = OtlpSpans
