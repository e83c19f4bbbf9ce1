"""An answer that breaks is never told as whole: an error event in a stream that has begun, else an error with a status.

The endpoint is blamed and paid for what it delivered; another one is tried only while the caller has seen nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from rawcaller import ask
from scripted import (
    DONE,
    EVENTS,
    JSON,
    Script,
    Scripted,
    Visit,
    closing,
    completion,
    event,
    hang,
    says,
    scripted,
    spoken,
    streams,
    token,
)
from world import PRICE, World, endpoint, gateway, snapshot

from intertie.config.snapshot import UpstreamLimits
from intertie.core.usage import Usage

STREAM = {"stream": True}
ERROR = {"error": {"message": "no more", "type": "server_error", "param": None, "code": None}}
HURRIED = UpstreamLimits(first_byte_timeout_s=0.3, idle_stream_timeout_s=0.3, answer_timeout_s=0.6)


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(hang) as endpoint:
        yield endpoint


@pytest.fixture
async def other() -> AsyncIterator[Scripted]:
    async with scripted(streams(token("Other."), closing(), DONE)) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], upstream=HURRIED)) as world:
        yield world


def then(*last: bytes, end: str = "end") -> Script:
    """Two tokens, then this, then the end of the message, a cut, or silence."""

    async def script(visit: Visit) -> None:
        await spoken(visit, token("Hel"), token("lo"), *last)
        await over(visit, end)

    return script


def only(*parts: bytes, end: str = "end", headers: bytes = EVENTS) -> Script:
    """Nothing but this."""

    async def script(visit: Visit) -> None:
        visit.begin(200, headers)
        for part in parts:
            visit.say(part)
            await asyncio.sleep(0.003)
        await over(visit, end)

    return script


async def over(visit: Visit, end: str) -> None:
    if end == "end":
        visit.end()
    elif end == "cut":
        visit.cut()
    elif end == "reset":
        visit.reset()
    else:
        await visit.line.lost.wait()


async def garbled(visit: Visit) -> None:
    visit.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


BEGUN = {
    "no end": (then(), "upstream_cut"),
    "no end behind the reason": (then(closing()), "upstream_cut"),
    "an event cut in two": (then(b'data: {"choices":[{"del'), "upstream_cut"),
    "cut": (then(end="cut"), "upstream_cut"),
    "reset": (then(end="reset"), "upstream_cut"),
    "silence": (then(end="silence"), "upstream_stalled"),
    "half a chunk as an event": (
        then(b'data: {"choices":[{"index":0,"del\n\n', token("!"), DONE),
        "upstream_malformed",
    ),
    "no JSON object": (then(b"data: [1]\n\n", DONE), "upstream_malformed"),
    "no JSON": (then(b"data: bye\n\n", DONE), "upstream_malformed"),
    "a web page": (then(b"<html>\n\n", DONE), "upstream_malformed"),
    "an endless event": (then(b"data: " + b"x" * 1_100_000), "upstream_malformed"),
    "an error event": (then(event(ERROR), DONE), "upstream_error"),
    "an error event and silence": (then(event(ERROR), end="silence"), "upstream_error"),
    "a named error event": (then(b"event: error\n" + event(ERROR), DONE), "upstream_error"),
    "an error of words": (then(event({"error": "no more"}), DONE), "upstream_error"),
}

SILENT_SO_FAR = {
    "nothing": (only(), "upstream_cut"),
    "only a role and cut": (only(b'data: {"choices":[{"del', end="cut"), "upstream_cut"),
    "half an event": (only(b'data: {"choices":[{"del'), "upstream_cut"),
    "garbage first": (only(b"data: {]\n\n", DONE), "upstream_malformed"),
    "a web page": (only(b"<html>\n\n<p>hi</html>", headers=b"content-type: text/html\r\n"), "upstream_malformed"),
    "a short web page": (only(b"<html>hi</html>", headers=b"content-type: text/html\r\n"), "upstream_malformed"),
    "a whole answer": (says(200, completion()), "upstream_malformed"),
    "an error first": (streams(event(ERROR), DONE), "upstream_error"),
    "an error as a whole answer": (says(200, json.dumps(ERROR).encode()), "upstream_error"),
    "silence": (hang, "upstream_timeout"),
    "a head and silence": (only(end="silence"), "upstream_stalled"),
    "a redirect": (says(307, b"", b"location: http://127.0.0.1/\r\n"), "upstream_malformed"),
    "no HTTP": (garbled, "upstream_malformed"),
}

BROKEN_WHOLE = {
    "a web page": (says(200, b"<html>hi</html>", b"content-type: text/html\r\n"), "upstream_malformed"),
    "half of it": (says(200, completion()[:50]), "upstream_malformed"),
    "nothing": (says(200, b""), "upstream_malformed"),
    "no content": (says(204, b""), "upstream_malformed"),
    "an error under 200": (says(200, json.dumps(ERROR).encode()), "upstream_error"),
    "a stream": (streams(token("Hi"), DONE), "upstream_malformed"),
    "cut": (only(completion()[:50], end="cut", headers=JSON), "upstream_cut"),
    "silence": (hang, "upstream_timeout"),
    "silence within": (only(completion()[:50], end="silence", headers=JSON), "upstream_stalled"),
}


@pytest.mark.parametrize("name", BEGUN)
async def test_a_stream_that_breaks_ends_with_an_error_event(world: World, upstream: Scripted, name: str) -> None:
    """Wire facts 1 and 16: the SDK takes a missing end for a short answer, so there must be an error and no finish."""
    upstream.script, code = BEGUN[name]
    told = await ask(world.url, STREAM)
    assert told.status == 200
    start, error, rest = told.body.rpartition(b'data: {"error":')
    assert start.startswith(token("Hel") + token("lo"))
    assert json.loads(b'{"error":' + rest)["error"]["code"] == code, error
    assert b"[DONE]" not in told.body
    row = await world.ended()
    assert (row.outcome, row.fault, row.attempts) == ("cut", code, 1)
    assert row.usage.estimated
    assert 2 <= row.usage.completion <= 3
    assert row.cost_nano == PRICE.of(row.usage)
    assert len(upstream.visits) == 1
    assert world.live.states["a"].latency_penalty > 0


async def test_a_last_chunk_that_tells_reason_and_usage_is_an_end(world: World, upstream: Scripted) -> None:
    """`transformers serve` never says `[DONE]`; it is said in its place. What comes behind such a chunk undoes it."""
    last = json.loads(closing()[6:]) | {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
    upstream.script = then(event(last))
    told = await ask(world.url, STREAM)
    assert told.body.endswith(event(last) + DONE)
    row = await world.ended()
    assert (row.outcome, row.usage) == ("served", Usage(9, 2))
    for script in (then(event(last), end="cut"), then(event(last), token("!")), then(event(last), b"data: {")):
        upstream.script = script
        assert b'"code":"upstream_cut"' in (await ask(world.url, STREAM)).body
    upstream.script = then(event(last))
    assert b'"code":"upstream_cut"' in (await ask(world.url, STREAM | {"n": 2})).body


async def test_the_client_raises_where_a_stream_breaks(world: World, upstream: Scripted) -> None:
    """Wire fact 1."""
    upstream.script = then(closing())
    async with world.sdk() as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            async for _ in stream:
                pass
    assert caught.value.code == "upstream_cut"


@pytest.mark.parametrize("name", SILENT_SO_FAR)
async def test_a_stream_that_breaks_before_its_first_event_is_an_error_with_a_status(
    world: World, upstream: Scripted, name: str
) -> None:
    """Wire fact 18: what is known before the first byte decides the status."""
    upstream.script, code = SILENT_SO_FAR[name]
    told = await ask(world.url, STREAM)
    assert (told.status, told.error["code"]) == (504 if code in ("upstream_timeout", "upstream_stalled") else 502, code)
    row = await world.ended()
    assert (row.outcome, row.fault, row.cost_nano, row.usage) == ("failed", code, 0, Usage())
    assert world.live.states["a"].latency_penalty > 0


@pytest.mark.parametrize("name", BROKEN_WHOLE)
async def test_an_answer_that_breaks_is_an_error_with_a_status(world: World, upstream: Scripted, name: str) -> None:
    upstream.script, code = BROKEN_WHOLE[name]
    told = await ask(world.url)
    assert (told.status, told.error["code"]) == (504 if code in ("upstream_timeout", "upstream_stalled") else 502, code)
    row = await world.ended()
    assert (row.outcome, row.fault, row.cost_nano, row.usage) == ("failed", code, 0, Usage())
    assert world.live.states["a"].latency_penalty > 0


@pytest.mark.parametrize("name", [name for name in SILENT_SO_FAR if "silence" not in name])
async def test_another_endpoint_is_tried_while_the_caller_has_seen_nothing(
    tmp_path: Path, upstream: Scripted, other: Scripted, name: str
) -> None:
    """Wire fact 16."""
    upstream.script = SILENT_SO_FAR[name][0]
    places = [endpoint("a", upstream.port), endpoint("b", other.port, price=dear())]
    async with gateway(tmp_path, snapshot(places, upstream=HURRIED)) as world:
        told = await ask(world.url, STREAM)
        assert told.body == token("Other.") + closing() + DONE
        assert (told.headers["x-intertie-endpoint"], told.headers["x-intertie-attempts"]) == ("b", "2")
        row = await world.ended()
        assert (row.outcome, row.endpoint, row.attempts) == ("served", "b", 2)


async def test_a_keep_alive_comment_is_a_first_byte(tmp_path: Path, upstream: Scripted, other: Scripted) -> None:
    """Wire facts 4 and 16: once the caller has been sent anything, no other endpoint may answer."""
    upstream.script = only(b": processing\n\n", end="cut")
    places = [endpoint("a", upstream.port), endpoint("b", other.port, price=dear())]
    async with gateway(tmp_path, snapshot(places)) as world:
        told = await ask(world.url, STREAM)
        assert told.body.startswith(b': processing\n\ndata: {"error":')
        assert (await world.ended()).outcome == "cut"
    assert not other.visits


async def test_an_error_under_200_that_names_a_callers_mistake_blames_nobody_else(
    world: World, upstream: Scripted
) -> None:
    """Wire fact 13: some endpoints put the status they mean into a numeric `code`."""
    upstream.script = says(200, b'{"error": {"code": 400, "message": "too long"}}')
    told = await ask(world.url)
    assert (told.status, told.error) == (400, {"code": 400, "message": "too long"})
    assert world.live.states["a"].latency_penalty == 0


async def test_an_answer_that_comes_whole_may_take_longer_than_the_first_byte_of_a_stream(
    world: World, upstream: Scripted
) -> None:
    """An engine that does not stream is silent until all of it is generated."""

    async def script(visit: Visit) -> None:
        await asyncio.sleep(0.4)
        visit.answer(200, completion())

    upstream.script = script
    assert (await ask(world.url)).status == 200


async def test_an_answer_may_not_be_larger_than_allowed(tmp_path: Path, upstream: Scripted) -> None:
    upstream.script = says(200, completion("x" * 5000))
    limits = UpstreamLimits(max_answer_bytes=4096)
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], upstream=limits)) as world:
        assert (await ask(world.url)).error["code"] == "upstream_malformed"


def dear() -> object:
    """A price that makes an endpoint the second choice."""
    return type(PRICE)(input=PRICE.input * 90, output=PRICE.output * 90, cached=PRICE.cached * 90)
