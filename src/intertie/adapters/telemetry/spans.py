"""Spans: one per request, handed over when it has ended. What carries them away is loaded only when it is wanted."""

import importlib
from typing import Protocol

from intertie.adapters.telemetry.traceparent import TraceContext
from intertie.core.faults import ConfigFault
from intertie.core.record import Observation


class Spans(Protocol):
    """Where the spans of ended requests go."""

    def ended(self, trace: TraceContext, seen: Observation, begun: float, ended: float) -> None:
        """Take a span; `begun` and `ended` are epoch seconds. Returns at once."""
        ...

    def close(self) -> None:
        """Send what waits; blocks for seconds where nobody listens."""
        ...


class SpanList:
    """Keeps spans in memory; the fake that ships with `Spans`."""

    def __init__(self) -> None:
        self.spans: list[tuple[TraceContext, Observation, float, float]] = []

    def ended(self, trace: TraceContext, seen: Observation, begun: float, ended: float) -> None:
        """Keep it."""
        self.spans.append((trace, seen, begun, ended))

    def close(self) -> None:
        """Nothing waits."""


def open_spans(endpoint: str, process: str) -> Spans:
    """Spans to an OTLP/HTTP collector (`http://collector:4318`); `process` names this one (`worker-0`).

    Raises ConfigFault if the OpenTelemetry SDK is not installed. It is imported here and not above because it costs
    a worker some 20 MB, and most run without it.
    """
    try:
        otlp = importlib.import_module("intertie.adapters.telemetry.otlp")
    except ModuleNotFoundError as missing:
        raise ConfigFault(
            f"otlp_endpoint is set, but {missing.name} is missing", hint="pip install 'intertie[otlp]'"
        ) from None
    spans: Spans = otlp.OtlpSpans(endpoint, process)
    return spans


_: Spans = SpanList()
