"""A stream leaves the gateway as the endpoint wrote it, byte for byte, less a usage chunk that nobody asked for."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rawcaller import RawCaller, ask
from scripted import DONE, Scripted, Visit, closing, event, says, scripted, spoken, streams, token, usage
from world import KEY, World, endpoint, gateway, snapshot

from intertie.core.usage import Usage

OPENING = event({"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], "usage": None})
PIECES = (
    b": OPENROUTER PROCESSING\n\n",
    OPENING,
    token("Grüße, "),
    b": ping\n\n",
    token("data: [DONE] ", usage=None, obfuscation="a8Xz"),
    b'event: chunk\nid: 7\nretry: 10\ndata: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"}}]}\n\n',
    token('"usage": {"prompt_tokens": 1}, "error": {}'),
    token("", reasoning_content="…"),
    closing(),
)
WHOLE = b"".join(PIECES)
STREAM = {"stream": True}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(streams(*PIECES, usage(), DONE)) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)])) as world:
        yield world


async def test_a_stream_is_passed_on_as_it_came_less_the_usage_chunk(world: World, upstream: Scripted) -> None:
    """Wire facts 4, 6, 7: comments stay, obfuscation and `usage: null` are not touched, the usage chunk is hidden."""
    told = await ask(world.url, STREAM)
    assert told.body == WHOLE + DONE
    assert upstream.visits[0].asked["stream_options"] == {"include_usage": True}
    assert (await world.ended()).usage == Usage(9, 5)


async def test_who_asked_for_usage_gets_all_of_it(world: World, upstream: Scripted) -> None:
    """Wire fact 7."""
    told = await ask(world.url, WITH_USAGE)
    assert told.body == WHOLE + usage() + DONE
    assert (await world.ended()).usage == Usage(9, 5)


async def test_usage_in_a_chunk_with_choices_is_read_and_passed_on(world: World, upstream: Scripted) -> None:
    last = token("!", usage={"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}})
    upstream.script = streams(token("Hi"), last, DONE)
    assert (await ask(world.url, STREAM)).body == token("Hi") + last + DONE
    assert (await world.ended()).usage == Usage(3, 2, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]), cuts=st.lists(st.floats(0, 1), max_size=8))
async def test_any_split_of_the_bytes_and_any_line_end_gives_the_same(
    world: World, upstream: Scripted, line_end: bytes, cuts: list[float]
) -> None:
    """Wire fact 4: frames split anywhere, also within UTF-8 and within a line end."""
    stream = (WHOLE + usage() + DONE).replace(b"\n", line_end)
    ends = sorted({int(cut * len(stream)) for cut in cuts} - {0, len(stream)})
    upstream.script = streams(*[stream[start:end] for start, end in pairwise([0, *ends, len(stream)])])
    assert (await ask(world.url, WITH_USAGE)).body == stream
    assert _lines((await ask(world.url, STREAM)).body) == _lines(WHOLE + DONE)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_a_split_within_the_end_loses_nothing(world: World, upstream: Scripted, line_end: bytes) -> None:
    stream = (token("Hi") + DONE).replace(b"\n", line_end)
    for back in range(1, 20):
        upstream.script = streams(stream[:-back], stream[-back:])
        assert (await ask(world.url, WITH_USAGE)).body == stream


def _lines(stream: bytes) -> list[bytes]:
    return [line for line in stream.splitlines() if line]


async def test_each_event_leaves_at_once_and_nothing_may_buffer_it(world: World, upstream: Scripted) -> None:
    """Wire fact 5: flushed event by event; no cache, no proxy buffering, no compression."""
    read = asyncio.Event()

    async def script(visit: Visit) -> None:
        visit.begin()
        for piece in PIECES:
            visit.say(piece)
            await asyncio.wait_for(read.wait(), 2)
            read.clear()
        visit.say(DONE)
        visit.end()

    upstream.script = script
    async with RawCaller(world.url) as caller:
        caller.post(STREAM, "/v1/chat/completions", "accept-encoding: gzip, br")
        head = await caller.head()
        for piece in PIECES:
            assert await caller.chunk() == piece
            read.set()
        assert await caller.chunk() == DONE
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert head.headers["cache-control"] == "no-cache"
    assert head.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in head.headers
    assert upstream.visits[0].headers[b"accept-encoding"] == b"identity"


async def test_tool_call_fragments_are_not_touched(world: World, upstream: Scripted) -> None:
    """Wire fact 10: interleaved, empty, whole in one chunk, or together with the name."""
    deltas = [
        [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "y", "type": "function", "function": {"name": "g", "arguments": '{"a":1}'}}],
        [{"index": 0, "function": {"arguments": '{"b"'}}, {"index": 1, "function": {"arguments": ""}}],
        [{"index": 0, "function": {"arguments": ":2}"}}],
    ]
    pieces = [event({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}) for calls in deltas]
    upstream.script = streams(*pieces, closing("tool_calls"), DONE)
    assert (await ask(world.url, STREAM)).body == b"".join(pieces) + closing("tool_calls") + DONE
    row = await world.ended()
    assert row.usage.estimated
    assert 4 <= row.usage.completion <= 5


async def test_an_answer_that_is_no_stream_is_passed_on_as_it_came(world: World, upstream: Scripted) -> None:
    body = b'{ "id":"c1", "choices" : [],\n "unheard_of": {"x": 1.50}, "usage": null}'
    upstream.script = says(200, body)
    assert (await ask(world.url)).body == body


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\n\n", DONE + b": bye\n\n"])
async def test_the_end_is_recognised_however_it_is_written(world: World, upstream: Scripted, tail: bytes) -> None:
    """Wire fact 1: clients look for data that starts with `[DONE]`."""
    upstream.script = streams(token("Hi"), tail)
    assert (await ask(world.url, STREAM)).body == token("Hi") + tail
    assert (await world.ended()).outcome == "served"


async def test_a_connection_cut_behind_the_end_harms_nobody(world: World, upstream: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("Hi"), usage(), DONE)
        visit.cut()

    upstream.script = script
    told = await ask(world.url, STREAM)
    assert told.body == token("Hi") + DONE
    assert (await world.ended()).outcome == "served"
    assert world.live.states["a"].latency_penalty == 0


async def test_an_endpoint_that_goes_on_behind_the_end_is_cut_off(world: World, upstream: Scripted) -> None:
    async def script(visit: Visit) -> None:
        await spoken(visit, token("Hi"), DONE)
        for _ in range(100):
            visit.say(b": " + b"x" * 4096 + b"\n\n")
        await visit.line.lost.wait()

    upstream.script = script
    assert (await ask(world.url, STREAM)).body.startswith(token("Hi") + DONE)
    assert (await world.ended()).outcome == "served"


async def test_a_stream_of_nothing_is_still_a_stream(world: World, upstream: Scripted) -> None:
    upstream.script = streams(usage(3, 0), DONE)
    told = await ask(world.url, STREAM)
    assert (told.status, told.body) == (200, DONE)
    assert told.headers["content-type"].startswith("text/event-stream")
    assert (await world.ended()).usage == Usage(3, 0)


async def test_a_caller_of_http_1_0_gets_the_stream_without_chunks(world: World) -> None:
    async with RawCaller(world.url) as caller:
        caller.post(STREAM)
        sent = json.dumps({"model": "m", "messages": [], **STREAM}).encode()
        await caller.answer()
        head = f"POST /v1/chat/completions HTTP/1.0\r\nx-api-key: {KEY}\r\ncontent-length: {len(sent)}\r\n\r\n"
        caller.writer.write(head.encode() + sent)
        told = await caller.head()
        assert await caller.reader.read() == WHOLE + DONE
    assert "transfer-encoding" not in told.headers
