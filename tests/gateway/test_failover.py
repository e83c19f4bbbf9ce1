"""Another endpoint answers where the first cannot, while the caller has seen nothing; what is ill is left alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rawcaller import CHAT, RawCaller, ask
from scripted import (
    DONE,
    Script,
    Scripted,
    Visit,
    closing,
    completion,
    free_port,
    hang,
    says,
    scripted,
    spoken,
    streams,
    token,
    until,
)
from world import PRICE, World, endpoint, gateway, snapshot

from intertie.config.snapshot import BreakerPolicy, RetryPolicy, UpstreamLimits
from intertie.core.endpoint import Endpoint
from intertie.core.money import Price

DEAR = Price(PRICE.input * 90, PRICE.output * 90, PRICE.cached * 90)
HURRIED = UpstreamLimits(connect_timeout_s=0.3, first_byte_timeout_s=0.3, answer_timeout_s=0.3)
STREAM = {"stream": True}
WELL = says(200, completion())
ILL = says(500, b"oops")


async def reset(visit: Visit) -> None:
    visit.reset()


async def close(visit: Visit) -> None:
    visit.cut()


FAILING: dict[str, Script] = {
    "reset": reset,
    "closed": close,
    "silent": hang,
    "500": says(500, b"oops"),
    "503": says(503, b"full"),
    "529": says(529, b"overloaded"),
    "429": says(429, b"{}", b"retry-after: 1\r\n"),
    "our key is wrong": says(401, b'{"error":{"message":"sk-wrong"}}'),
    "our account is empty": says(402, b"{}"),
    "we may not": says(403, b"{}"),
    "no such model there": says(404, b"{}"),
    "no such path there": says(405, b"{}"),
    "it waited for us": says(408, b"{}"),
}


@pytest.fixture
async def first() -> AsyncIterator[Scripted]:
    async with scripted(WELL) as endpoint:
        yield endpoint


@pytest.fixture
async def second() -> AsyncIterator[Scripted]:
    async with scripted(WELL) as endpoint:
        yield endpoint


def two(first: Scripted, second: Scripted) -> list[Endpoint]:
    """The first is so much cheaper that it is always chosen first."""
    return [endpoint("a", first.port), endpoint("b", second.port, price=DEAR)]


@pytest.fixture
async def world(tmp_path: Path, first: Scripted, second: Scripted) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot(two(first, second), upstream=HURRIED)) as world:
        yield world


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("stream", [False, True])
async def test_another_endpoint_answers(
    world: World, first: Scripted, second: Scripted, name: str, stream: bool
) -> None:
    """Wire fact 16: only before the first byte, so that nothing is said or billed twice."""
    first.script = FAILING[name]
    second.script = streams(token("Hi"), closing(), DONE) if stream else WELL
    told = await ask(world.url, {"stream": stream})
    assert told.status == 200
    assert (told.headers["x-intertie-endpoint"], told.headers["x-intertie-attempts"]) == ("b", "2")
    assert len(first.visits) == len(second.visits) == 1
    row = await world.ended()
    assert (row.outcome, row.endpoint, row.attempts, row.fault) == ("served", "b", 2, "")
    assert row.cost_nano == DEAR.of(row.usage)
    busy = name in ("429", "529")
    assert (world.live.states["a"].latency_penalty > 0) != busy
    assert (world.live.states["a"].busy_until > 0) == busy


async def test_an_endpoint_nobody_listens_at_is_passed_over(tmp_path: Path, second: Scripted) -> None:
    places = [endpoint("a", free_port()), endpoint("b", second.port, price=DEAR)]
    async with gateway(tmp_path, snapshot(places)) as world:
        told = await ask(world.url)
    assert (told.headers["x-intertie-endpoint"], told.headers["x-intertie-attempts"]) == ("b", "2")


async def test_an_address_that_is_not_allowed_is_passed_over_and_not_paid(tmp_path: Path, second: Scripted) -> None:
    places = [endpoint("a", 1, allow_private=False), endpoint("b", second.port, price=DEAR)]
    async with gateway(tmp_path, snapshot(places)) as world:
        assert (await ask(world.url)).headers["x-intertie-endpoint"] == "b"
        world.live.adopt(snapshot(places[:1], version=2))
        told = await ask(world.url)
        assert (told.status, told.error["code"]) == (502, "egress_refused")
        assert (await world.ended(2)).cost_nano == 0


async def test_what_the_first_endpoint_refuses_is_asked_of_no_other(
    world: World, first: Scripted, second: Scripted
) -> None:
    first.script = says(422, b"too hot for you", b"content-type: text/html\r\n")
    told = await ask(world.url)
    assert (told.status, told.body) == (422, b"too hot for you")
    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    assert not second.visits
    row = await world.ended()
    assert (row.outcome, row.fault, row.cost_nano) == ("failed", "upstream_refused", 0)
    assert world.live.states["a"].latency_penalty == 0


async def test_a_refusal_in_another_shape_takes_the_callers(world: World, first: Scripted) -> None:
    """Wire fact 13; `transformers serve` refuses as FastAPI does."""
    first.script = says(400, b'{"detail":"too hot for you"}')
    told = await ask(world.url)
    assert (told.status, told.error["message"], told.error["code"]) == (400, "too hot for you", "upstream_refused")
    own = b'{"error":{"message":"too hot for you","type":"x"}}'
    first.script = says(400, own)
    assert (await ask(world.url)).body == own


async def test_after_the_first_byte_no_other_endpoint_is_asked(world: World, first: Scripted, second: Scripted) -> None:
    """Wire fact 16."""

    async def script(visit: Visit) -> None:
        await spoken(visit, token("Hel"))
        visit.cut()

    first.script = script
    told = await ask(world.url, STREAM)
    assert told.body.startswith(token("Hel"))
    assert told.headers["x-intertie-attempts"] == "1"
    assert not second.visits


async def test_the_last_fault_is_told_where_all_fail(world: World, first: Scripted, second: Scripted) -> None:
    first.script, second.script = hang, says(503, b"{}", b"retry-after: 7\r\n")
    told = await ask(world.url)
    assert (told.status, told.error["code"]) == (503, "upstream_busy")
    assert (told.headers["retry-after"], told.headers["x-intertie-attempts"]) == ("7", "2")
    row = await world.ended()
    assert (row.outcome, row.fault, row.attempts, row.cost_nano) == ("failed", "upstream_busy", 2, 0)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [(ILL, 502, "upstream_error"), (close, 502, "upstream_unreachable"), (hang, 504, "upstream_timeout")],
)
async def test_where_all_are_down_the_status_says_how(
    world: World, first: Scripted, second: Scripted, script: Script, status: int, code: str
) -> None:
    first.script = second.script = script
    told = await ask(world.url)
    assert (told.status, told.error["code"]) == (status, code)


@pytest.mark.parametrize(("status", "hint"), [(401, "credential"), (403, "credential"), (404, "upstream_model")])
async def test_the_log_says_what_to_look_at_but_not_what_the_endpoint_said(
    world: World, first: Scripted, second: Scripted, status: int, hint: str
) -> None:
    first.script = second.script = says(status, b'{"error": {"message": "a prompt"}}')
    assert (await ask(world.url)).status == 502
    why = str((await world.logged())[0]["why"])
    assert why.startswith(f"status {status} (") and hint in why and "prompt" not in why


async def test_no_more_endpoints_are_tried_than_allowed(tmp_path: Path, first: Scripted, second: Scripted) -> None:
    first.script = ILL
    places = [endpoint(name, first.port) for name in "abc"] + [endpoint("d", second.port, price=DEAR)]
    async with gateway(tmp_path, snapshot(places, retry=RetryPolicy(max_attempts=2))) as world:
        assert (await ask(world.url)).status == 502
    assert len(first.visits) == 2


async def test_retries_stay_within_their_budget(tmp_path: Path, first: Scripted, second: Scripted) -> None:
    """When everything fails, retries would make it worse."""
    first.script = second.script = ILL
    policy = RetryPolicy(budget_share=0.0, budget_floor=2)
    breaker = BreakerPolicy(failures=100)
    async with gateway(tmp_path, snapshot(two(first, second), retry=policy, breaker=breaker)) as world:
        attempts = [(await ask(world.url)).headers["x-intertie-attempts"] for _ in range(5)]
    assert attempts == ["2", "2", "1", "1", "1"]


async def test_a_busy_endpoint_is_left_alone_as_long_as_it_asked(
    world: World, first: Scripted, second: Scripted
) -> None:
    first.script = says(429, b"{}", b"retry-after-ms: 200\r\n")
    assert (await ask(world.url)).headers["x-intertie-attempts"] == "2"
    first.script = WELL
    assert (await ask(world.url)).headers["x-intertie-endpoint"] == "b"
    await asyncio.sleep(0.26)
    assert (await ask(world.url)).headers["x-intertie-endpoint"] == "a"


async def test_a_failure_weighs_as_long_latency(world: World, first: Scripted) -> None:
    """What fails fast must not look fast: the dear one is chosen until the failure fades."""
    first.script = ILL
    assert (await ask(world.url, None, CHAT, "x-intertie-weights: ttft=1,cost=0")).status == 200
    first.script = WELL
    told = await ask(world.url, None, CHAT, "x-intertie-weights: ttft=1,cost=0")
    assert (told.headers["x-intertie-endpoint"], told.headers["x-intertie-attempts"]) == ("b", "1")


async def test_a_breaker_opens_and_good_probes_close_it(tmp_path: Path, first: Scripted) -> None:
    first.script = ILL
    policy = BreakerPolicy(failures=2, open_s=0.3, close_after=2)
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)], breaker=policy)) as world:
        assert [(await ask(world.url)).status for _ in range(2)] == [502, 502]
        told = await ask(world.url)
        assert (told.status, told.error["code"]) == (503, "no_candidate")
        assert (told.headers["retry-after"], told.headers["x-should-retry"]) == ("1", "true")
        assert int(told.headers["retry-after-ms"]) <= 360
        assert len(first.visits) == 2
        await asyncio.sleep(0.4)
        assert (await ask(world.url)).status == 502  # a bad probe: open again, for twice as long
        assert (await ask(world.url)).status == 503
        await asyncio.sleep(0.75)
        first.script = WELL
        assert [(await ask(world.url)).status for _ in range(3)] == [200, 200, 200]
        assert world.live.states["a"].breaker.closed


async def test_a_half_open_endpoint_gets_one_probe_at_a_time(tmp_path: Path, first: Scripted) -> None:
    first.script = ILL
    policy = BreakerPolicy(failures=1, open_s=0.1, close_after=1)
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)], breaker=policy)) as world:
        await ask(world.url)
        await asyncio.sleep(0.15)
        first.script = hang
        async with RawCaller(world.url) as probe:
            probe.post()
            await first.visited(2)
            told = [await ask(world.url) for _ in range(3)]
            assert [(one.status, one.error["code"]) for one in told] == [(503, "no_candidate")] * 3
        await until(lambda: world.live.in_flight == 0)
        first.script = WELL
        assert (await ask(world.url)).status == 200  # a probe that was left told nothing, so another may go


async def test_a_callers_mistakes_open_no_breaker(tmp_path: Path, first: Scripted) -> None:
    first.script = says(400, b'{"error":{"message":"no"}}')
    async with gateway(tmp_path, snapshot([endpoint("a", first.port)], breaker=BreakerPolicy(failures=1))) as world:
        assert [(await ask(world.url)).status for _ in range(4)] == [400] * 4


@pytest.mark.parametrize("stream", [False, True])
async def test_a_kept_connection_that_died_is_replaced_and_counts_for_nothing(
    world: World, first: Scripted, second: Scripted, stream: bool
) -> None:
    """The endpoint had closed it; the request that finds out is sent again on a new one."""
    whole = says(200, completion())

    async def only_once_a_line(visit: Visit) -> None:
        seen = [one for one in first.visits if one.line is visit.line]
        if len(seen) > 1:
            visit.cut()
        elif visit.asked.get("stream"):
            await streams(token("Hi"), DONE)(visit)
        else:
            await whole(visit)

    first.script = only_once_a_line
    for count in range(1, 4):
        told = await ask(world.url, {"stream": stream})
        assert (told.status, told.headers["x-intertie-attempts"]) == (200, "1")
        assert len(first.lines) == count
    assert not second.visits
    assert world.live.states["a"].latency_penalty == 0
    assert world.live.states["a"].breaker.closed


async def test_connections_are_kept_and_bounded(tmp_path: Path, first: Scripted) -> None:
    async def slowly(visit: Visit) -> None:
        await asyncio.sleep(0.02)
        visit.answer(200, completion())

    first.script = slowly
    async with gateway(tmp_path, snapshot([endpoint("a", first.port, max_connections=3)])) as world:
        told = await asyncio.gather(*[ask(world.url) for _ in range(12)])
    assert [one.status for one in told] == [200] * 12
    assert len(first.lines) == 3


async def test_no_free_connection_in_time_is_busy(tmp_path: Path, first: Scripted, second: Scripted) -> None:
    first.script = hang
    places = [endpoint("a", first.port, max_connections=1), endpoint("b", second.port, price=DEAR)]
    limits = UpstreamLimits(connect_timeout_s=0.1)
    async with gateway(tmp_path, snapshot(places, upstream=limits)) as world, RawCaller(world.url) as holding:
        holding.post()
        await first.visited()
        told = await ask(world.url, None, CHAT, "x-intertie-weights: cost=1,ttft=0")
        assert (told.headers["x-intertie-endpoint"], told.headers["x-intertie-attempts"]) == ("b", "2")
        assert world.live.states["a"].latency_penalty == 0
