"""Spans in the real thing: the caller's trace goes on through the gateway to the endpoint, if a collector wants it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from serving_world import Engines, Serving, ask, chat, config
from supervised import eventually

_TRACE, _CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_PARENT = f"00-{_TRACE}-{_CALLER}-01"
_ANSWER = json.dumps({
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}).encode()  # fmt: skip


class Listener:
    """An endpoint and a collector at once: it keeps the trace context of each request, and every span it is sent."""

    def __init__(self) -> None:
        self.contexts: list[str] = []
        self.spans: list[Span] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
                self._keep(head, headers, await reader.readexactly(int(headers["content-length"])))
                told = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(_ANSWER)}\r\n\r\n"
                writer.write(told.encode() + _ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _keep(self, head: str, headers: dict[str, str], body: bytes) -> None:
        if not head.startswith("POST /v1/traces"):
            self.contexts.append(headers["traceparent"])
            return
        told = ExportTraceServiceRequest.FromString(
            gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        )
        self.spans += [span for each in told.resource_spans for scope in each.scope_spans for span in scope.spans]


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[Listener, int]]:
    taker = Listener()
    server = await asyncio.start_server(taker.take, "127.0.0.1", 0)
    async with server:
        yield taker, server.sockets[0].getsockname()[1]


async def test_our_span_stands_between_the_callers_and_the_endpoints_as_soon_as_a_collector_is_configured(
    tmp_path: Path,
) -> None:
    async with listener() as (taker, port):
        quiet = config(Engines({"near": port}, {}), gateway={"workers": 1})
        async with Serving(tmp_path, quiet) as gateway:
            await gateway.until("ready")
            assert (await ask(gateway.data, traceparent=_PARENT)).status == 200
            assert taker.contexts == [_PARENT], "without a collector the gateway is a bystander"
            gateway.write({**quiet, "telemetry": {"otlp_endpoint": f"http://127.0.0.1:{port}"}})

            async def takes_part() -> bool:
                answer = await ask(gateway.data, traceparent=_PARENT)
                return answer.status == 200 and taker.contexts[-1] != _PARENT

            await eventually(takes_part)
            answer = await ask(gateway.data, chat(), traceparent=_PARENT)
            assert await gateway.stop() == 0
    span = taker.spans[-1]
    ours = taker.contexts[-1].split("-")
    assert ours[1] == _TRACE == span.trace_id.hex() and span.parent_span_id.hex() == _CALLER
    assert ours[2] == span.span_id.hex() and len(taker.spans) == 2
    facts = {fact.key: fact.value for fact in span.attributes}
    assert facts["intertie.request"].string_value == answer.id
    assert facts["gen_ai.usage.output_tokens"].int_value == 2 and facts["intertie.endpoint"].string_value == "near"
    assert 0 <= span.end_time_unix_nano - span.start_time_unix_nano < 10**9
