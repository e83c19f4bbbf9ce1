"""The shared upstream of every measurement: a fixed OpenAI-like answer, given as fast as this machine can.

`POST` is answered with one chat completion of exactly 600 bytes, or, if the body asks for a stream, with `max_tokens`
chunks (one every `--interval-ms`, or all at once when it is 0), the usage chunk if asked for, and `[DONE]`.
`GET /stats` tells what was served; any other `GET` is answered with a list of one model, which satisfies health checks.

Run: python -m bench.upstream [--port 0] [--interval-ms 10]; it prints the port it listens on, as JSON.
"""

import argparse
import asyncio
import json
import re
from dataclasses import asdict, dataclass
from typing import cast

import httptools
import uvloop

MODEL = "bench-model"
ANSWER_BYTES = 600
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_MAX_TOKENS = re.compile(rb'"max_(?:completion_)?tokens"\s*:\s*(\d+)')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_TOKENS = {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260}


def completion() -> bytes:
    """A chat completion of exactly `ANSWER_BYTES`, usage included."""
    message = {"role": "assistant", "content": ""}
    answer: dict[str, object] = {"id": "chatcmpl-bench", "object": "chat.completion", "created": 1_790_000_000}
    answer |= {"model": MODEL, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": _TOKENS}
    message["content"] = "x" * (ANSWER_BYTES - len(json.dumps(answer)))
    return json.dumps(answer).encode()


def _head(content_type: str, extra: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{extra}".encode()


def _answer(body: bytes) -> bytes:
    return _head("application/json") + b"content-length: %d\r\n\r\n" % len(body) + body


def _event(payload: bytes) -> bytes:
    event = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    chunk: dict[str, object] = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_790_000_000}
    chunk |= {"model": MODEL, "choices": choices, "usage": usage}
    return _event(json.dumps(chunk).encode())


COMPLETION = _answer(completion())
MODELS = _answer(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode())
# nginx reads x-accel-buffering: it must relay each chunk at once, as the others do.
STREAM_HEAD = _head("text/event-stream", "transfer-encoding: chunked\r\nx-accel-buffering: no\r\n\r\n")
# LiteLLM takes the same text a hundred times over for a model gone astray, and cuts the stream: the words go round.
_WORDS = ("grid", "edge", "site", "road", "lake", "hill", "moon", "tree")
CHUNKS = tuple(_chunk([{"index": 0, "delta": {"content": f" {word}"}, "finish_reason": None}]) for word in _WORDS)
LAST = _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = _chunk([], _TOKENS)
END = _event(b"[DONE]") + b"0\r\n\r\n"


@dataclass(slots=True)
class Served:
    """What was served since the start; `left` counts streams that the other side did not let end."""

    answers: int = 0
    streams: int = 0
    chunks: int = 0
    left: int = 0


class UpstreamConnection(asyncio.Protocol):
    """One connection; requests on it are answered in turn, a stream by a timer of its own."""

    def __init__(self, served: Served, interval_s: float) -> None:
        self._served, self._interval = served, interval_s
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._url = b""
        self._body: list[bytes] = []
        self._left = 0
        self._ending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports inherit from none

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller left."""
        if self._timer is not None:
            self._timer.cancel()
            self._served.left += 1

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._body = b"", []

    def on_url(self, url: bytes) -> None:
        """A piece of the path."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it."""
        if self._parser.get_method() == b"GET":
            self._transport.write(self._stats() if self._url == b"/stats" else MODELS)
            return
        body = b"".join(self._body)
        at = body.find(b'"stream"')  # much faster than the pattern over a body of 100 KB
        if at >= 0 and _STREAM.match(body, at):
            self._stream(body)
        else:
            self._served.answers += 1
            self._transport.write(COMPLETION)

    def _stats(self) -> bytes:
        return _answer(json.dumps(asdict(self._served)).encode())

    def _stream(self, body: bytes) -> None:
        asked = _MAX_TOKENS.search(body)
        chunks = max(1, int(asked[1]) if asked else 1)
        self._ending = LAST + (USAGE if _USAGE.search(body) else b"") + END
        if self._interval:
            self._left = chunks
            self._transport.write(STREAM_HEAD)
            self._tick()
        else:
            self._served.chunks += chunks
            self._served.streams += 1
            pieces = (CHUNKS[index % len(CHUNKS)] for index in range(chunks))
            self._transport.write(b"".join((STREAM_HEAD, *pieces, self._ending)))

    def _tick(self) -> None:
        self._left -= 1
        self._served.chunks += 1
        chunk = CHUNKS[self._left % len(CHUNKS)]
        if self._left:
            self._timer = self._loop.call_later(self._interval, self._tick)
            self._transport.write(chunk)
        else:
            self._timer = None
            self._served.streams += 1
            self._transport.write(chunk + self._ending)


async def listen(host: str, port: int, interval_s: float = 0.0) -> asyncio.Server:
    """Start the upstream in the running loop."""
    served = Served()
    return await asyncio.get_running_loop().create_server(
        lambda: UpstreamConnection(served, interval_s), host, port, backlog=1024
    )


async def _serve(port: int, interval_s: float) -> None:
    server = await listen("127.0.0.1", port, interval_s)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--interval-ms", type=float, default=10.0)
    asked = parser.parse_args()
    uvloop.run(_serve(asked.port, asked.interval_ms / 1000))
