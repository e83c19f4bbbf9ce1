"""Spans: where a request stands in its caller's trace, and what a collector gets to see of it."""

import gzip
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from intertie.adapters.telemetry import spans
from intertie.adapters.telemetry.spans import SpanList, open_spans
from intertie.adapters.telemetry.traceparent import TraceContext, begin
from intertie.core.faults import ConfigFault
from intertie.core.record import Observation

_PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class _Collector(ThreadingHTTPServer):
    """A stand-in OTLP collector."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.taken: list[tuple[str, ExportTraceServiceRequest]] = []


class _Take(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Quiet."""


@pytest.fixture
def collector() -> Iterator[_Collector]:
    server = _Collector()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _seen(**more: object) -> Observation:
    seen = Observation(
        at="2026-12-01T10:00:00Z", request="req_w_1", outcome="served", status=200, operation="completions"
    )
    for name, value in more.items():
        setattr(seen, name, value)
    return seen


def test_our_span_hangs_under_the_callers_and_is_the_parent_upstream() -> None:
    trace = begin(_PARENT, b"vendor=1", random.Random(7))
    assert f"{trace.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"{trace.parent_id:016x}" == "00f067aa0ba902b7" and trace.sampled
    upstream = f"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{trace.span_id:016x}-01\r\ntracestate: vendor=1\r\n"
    assert trace.headers() == upstream.encode()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"nonsense",
        _PARENT.upper(),
        _PARENT + b"-more",
        b"ff" + _PARENT[2:],
        _PARENT.replace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"0" * 32),
        _PARENT.replace(b"00f067aa0ba902b7", b"0" * 16),
    ],
)
def test_a_parent_that_cannot_be_read_begins_a_new_trace(header: bytes) -> None:
    trace = begin(header, b"vendor=1", random.Random(7))
    assert trace.parent_id == 0 and trace.trace_id and trace.sampled and not trace.state


def test_a_later_version_is_read_as_far_as_it_is_known_and_an_unsampled_trace_stays_so() -> None:
    trace = begin(b"01" + _PARENT[2:-2] + b"00-more", b"", random.Random(7))
    assert trace.parent_id == 0x00F067AA0BA902B7 and not trace.sampled


@given(st.binary(max_size=80), st.integers())
def test_whatever_arrives_what_leaves_is_well_formed(header: bytes, seed: int) -> None:
    sent = begin(header, b"", random.Random(seed)).headers().removeprefix(b"traceparent: ").removesuffix(b"\r\n")
    assert begin(sent, b"", random.Random(seed)).parent_id != 0


def test_a_collector_gets_one_server_span_per_request_with_the_fields_own_names(collector: _Collector) -> None:
    sink = open_spans(f"http://127.0.0.1:{collector.server_port}", "worker-0")
    trace = begin(_PARENT, b"", random.Random(7))
    sink.ended(
        trace,
        _seen(model="chat", prompt_tokens=10, ttft_ms=120.0, endpoint="qwen-fra", reasoning_tokens=4, tier="flex"),
        1_790_000_000.0,
        1_790_000_001.5,
    )
    sink.ended(TraceContext(1, 2, 0, sampled=False), _seen(), 1.0, 2.0)
    sink.close()
    ((path, told),) = collector.taken
    assert path == "/v1/traces"
    ((resource),) = told.resource_spans
    ((span),) = resource.scope_spans[0].spans
    assert span.name == "text_completion chat" and span.kind == span.SPAN_KIND_SERVER
    assert span.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736" and span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000
    facts = {fact.key: fact.value for fact in span.attributes}
    assert facts["gen_ai.operation.name"].string_value == "text_completion"
    assert facts["gen_ai.request.model"].string_value == "chat"
    assert facts["gen_ai.usage.input_tokens"].int_value == 10
    assert facts["gen_ai.response.time_to_first_chunk"].double_value == 0.12
    assert facts["intertie.endpoint"].string_value == "qwen-fra"
    assert facts["gen_ai.usage.reasoning.output_tokens"].int_value == 4
    assert facts["intertie.service_tier"].string_value == "flex"
    assert "user.id" not in facts and "gen_ai.usage.cache_creation.input_tokens" not in facts


def test_a_server_error_marks_the_span_and_names_its_type(collector: _Collector) -> None:
    sink = open_spans(f"http://127.0.0.1:{collector.server_port}/v1/traces", "worker-0")
    sink.ended(begin(b"", b"", random.Random(1)), _seen(status=502, outcome="cut", code="upstream_cut"), 1.0, 2.0)
    sink.close()
    span = collector.taken[0][1].resource_spans[0].scope_spans[0].spans[0]
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert {fact.key: fact.value.string_value for fact in span.attributes}["error.type"] == "upstream_cut"


def test_a_collector_that_is_away_costs_seconds_at_the_end_only(caplog: pytest.LogCaptureFixture) -> None:
    sink = open_spans("http://127.0.0.1:9", "worker-0")
    begun = time.monotonic()
    sink.ended(begin(b"", b"", random.Random(1)), _seen(), 1.0, 2.0)
    assert time.monotonic() - begun < 0.05
    sink.close()
    assert time.monotonic() - begun < 8


def test_without_the_sdk_the_setting_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="opentelemetry")

    monkeypatch.setattr(spans.importlib, "import_module", missing)
    with pytest.raises(ConfigFault, match=r"opentelemetry is missing .*pip install"):
        open_spans("http://127.0.0.1:4318", "worker-0")


def test_a_worker_without_spans_imports_neither_the_sdk_nor_the_metrics_page() -> None:
    lean = ("counters", "requestlog", "spans", "traceparent")
    code = "import sys\n" + "".join(f"import intertie.adapters.telemetry.{name}\n" for name in lean)
    code += "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus', 'requests'))])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_fake_keeps_what_it_is_given() -> None:
    fake = SpanList()
    fake.ended(begin(b"", b"", random.Random(1)), _seen(), 1.0, 2.0)
    fake.close()
    assert [seen.request for _, seen, _, _ in fake.spans] == ["req_w_1"]
