"""Limits and budgets at the door: what does not fit is refused in words, nothing leaks, and the worst case is held."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import openai
import pytest
from rawcaller import ASK, CHAT, RawCaller, ask
from scripted import DONE, Scripted, Visit, completion, hang, says, scripted, spoken, streams, token, until
from world import KEY, PEPPER, PRICE, World, endpoint, gateway, snapshot

from intertie.config.snapshot import Snapshot
from intertie.core.money import Price
from intertie.core.principal import Meter
from intertie.core.record import Admitted, Charge
from intertie.policy.keys import digest

MONTHLY = Meter("budget", "usd", 10**9, "group devs", period="month", zone="Europe/Berlin")
CALLS = Meter("calls", "concurrent", 1, "user ada")
RPM = Meter("rpm", "requests", 2, "key k1")
TPM = Meter("tpm", "tokens", 200, "group devs")
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


def world_of(tmp_path: Path, upstream: Scripted, *meters: Meter, **changes: object) -> object:
    """A gateway with one endpoint and these meters."""
    return gateway(tmp_path, snapshot([endpoint("a", upstream.port, **changes)], list(meters)))


def admitted(world: World) -> Admitted:
    """The last admission in the journal."""
    return [row for row in world.rows() if isinstance(row, Admitted)][-1]


async def test_a_spent_budget_says_whose_how_much_and_until_when(tmp_path: Path, upstream: Scripted) -> None:
    """Wire facts 14 and 18: decided before anything is sent, and no client tries it again."""
    budget = msgspec.structs.replace(MONTHLY, cap=45_000)
    async with world_of(tmp_path, upstream, budget) as world, world.sdk(retries=2) as client:
        await client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=50)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=50, stream=True)
        assert (caught.value.code, caught.value.type) == ("budget_exhausted", "insufficient_quota")
        assert caught.value.response.headers["x-should-retry"] == "false"
        words = str(caught.value)
        for part in ("group devs", "0.000045 USD a month", "this call may cost", "starts anew on", "(Europe/Berlin)"):
            assert part in words
        assert len(await world.logged(2)) == 2
        assert len(world.settled()) == 1
    assert len(upstream.visits) == 1


async def test_a_reserved_budget_may_be_tried_again_soon(tmp_path: Path, upstream: Scripted) -> None:
    upstream.script = hang
    budget = msgspec.structs.replace(MONTHLY, cap=60_000)
    async with world_of(tmp_path, upstream, budget) as world, RawCaller(world.url) as first:
        first.post({"max_tokens": 50})
        await upstream.visited()
        world.lender.settled = dict.fromkeys(world.lender.granted, 0)
        told = await ask(world.url, {"max_tokens": 50})
        assert (told.status, told.error["code"]) == (429, "budget_reserved")
        assert (told.headers["x-should-retry"], told.headers["retry-after"]) == ("true", "1")
        first.leave()
        await until(lambda: world.live.in_flight == 0)
        upstream.script = says(200, completion())
        assert (await ask(world.url, {"max_tokens": 50})).status == 200


async def test_a_limit_of_requests_says_when_and_how_many_are_left(tmp_path: Path, upstream: Scripted) -> None:
    async with world_of(tmp_path, upstream, RPM) as world:
        first, second, third = [await ask(world.url) for _ in range(3)]
        assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == (
            "2",
            "1",
        )
        assert second.headers["x-ratelimit-remaining-requests"] == "0"
        assert (third.status, third.error["code"], third.error["type"]) == (
            429, "rate_limit_exceeded", "rate_limit_error",
        )  # fmt: skip
        assert 55 <= int(third.headers["retry-after"]) <= 61
        assert third.headers["x-ratelimit-limit-requests"] == "2"
        assert third.headers["x-ratelimit-remaining-requests"] == "0"
        assert 55 <= int(third.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 61
        assert "key k1 may use 2 requests in any 60 seconds" in str(third.error["message"])


async def test_a_limit_of_tokens_counts_what_was_used_and_not_what_was_held(tmp_path: Path, upstream: Scripted) -> None:
    async with world_of(tmp_path, upstream, TPM) as world:
        told = await ask(world.url, {"max_tokens": 100})
        assert int(told.headers["x-ratelimit-remaining-tokens"]) == 200 - 14
        assert (await ask(world.url, {"max_tokens": 100})).status == 200
        assert world.room(TPM) == 200 - 28
        told = await ask(world.url, {"max_tokens": 500})
        assert (told.status, told.headers["x-should-retry"]) == (429, "false")  # it never fits
        assert world.room(TPM) == 200 - 28


async def test_a_limit_of_concurrent_calls_is_free_when_a_call_ends(tmp_path: Path, upstream: Scripted) -> None:
    upstream.script = hang
    async with world_of(tmp_path, upstream, CALLS) as world, RawCaller(world.url) as first:
        first.post()
        await upstream.visited()
        told = await ask(world.url)
        assert (told.status, told.error["code"], told.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
        assert "user ada may use 1 call at once" in str(told.error["message"])
        first.leave()
        await until(lambda: world.live.in_flight == 0)
        upstream.script = says(200, completion())
        assert (await ask(world.url)).status == 200
        assert (await ask(world.url)).status == 200


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
async def test_a_request_must_fit_all_and_takes_nothing_where_one_refuses(
    tmp_path: Path, upstream: Scripted, order: tuple[int, ...]
) -> None:
    one = msgspec.structs.replace(RPM, cap=1)
    meters = (MONTHLY, CALLS, one)
    async with world_of(tmp_path, upstream, *[meters[place] for place in order]) as world:
        assert (await ask(world.url)).status == 200
        left = world.room(MONTHLY)
        for _ in range(3):
            assert (await ask(world.url)).error["code"] == "rate_limit_exceeded"
        assert (world.room(MONTHLY), world.room(CALLS)) == (left, 1)
        assert len(world.rows()) == 2


async def test_a_limit_on_one_model_leaves_others_alone(tmp_path: Path, upstream: Scripted) -> None:
    only_m = msgspec.structs.replace(RPM, cap=1, model="m")
    places = [endpoint("a", upstream.port), endpoint("b", upstream.port, model="n")]
    async with gateway(tmp_path, snapshot(places, [only_m])) as world:
        assert [(await ask(world.url)).status for _ in range(2)] == [200, 429]
        assert [(await ask(world.url, {"model": "n"})).status for _ in range(2)] == [200, 200]


def lenient(whole: Snapshot) -> Snapshot:
    """The same world, whose principal may use models without a price."""
    name = digest(PEPPER, KEY.encode())
    whole.keys[name] = msgspec.structs.replace(whole.keys[name], allow_unpriced=True)
    return whole


async def test_unknown_is_not_zero_unless_told_otherwise(tmp_path: Path, upstream: Scripted) -> None:
    whole = snapshot([endpoint("a", upstream.port, price=None, max_output=99)], [MONTHLY])
    async with gateway(tmp_path, whole) as world:
        told = await ask(world.url)
        assert (told.status, told.error["code"], told.error["param"]) == (400, "model_unpriced", "model")
        assert "group devs" in str(told.error["message"])
        assert world.room(MONTHLY) == MONTHLY.cap
        world.live.adopt(lenient(snapshot([endpoint("a", upstream.port, price=None, max_output=99)], [MONTHLY])))
        assert (await ask(world.url)).status == 200
        row = await world.ended()
        assert (row.cost_nano, row.charges) == (None, (Charge(admitted(world).holds[0].account, 0),))
        assert upstream.visits[0].asked["max_completion_tokens"] == 99


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [(CHAT, ASK, "max_completion_tokens"), ("/v1/completions", {"model": "m", "prompt": "x"}, "max_tokens")],
)
async def test_output_is_bounded_where_a_budget_pays_and_the_caller_names_no_bound(
    tmp_path: Path, upstream: Scripted, path: str, body: dict[str, object], field: str
) -> None:
    async with world_of(tmp_path, upstream, MONTHLY, max_output=77) as world:
        await ask(world.url, msgspec.json.encode(body), path)
        await ask(world.url, msgspec.json.encode({**body, "max_tokens": 5}), path)
        world.live.adopt(snapshot([endpoint("a", upstream.port, max_output=77)], version=2))
        await ask(world.url, msgspec.json.encode(body), path)
    bounded, named, free = [visit.asked for visit in upstream.visits]
    assert bounded == {**body, field: 77}
    assert named == {**body, "max_tokens": 5}
    assert free == body


@pytest.mark.parametrize(
    ("path", "body", "answers"),
    [
        (CHAT, {**ASK, "max_tokens": 10, "n": 3}, 3),
        ("/v1/completions", {"model": "m", "max_tokens": 10, "prompt": ["a", "b"], "n": 2}, 4),
        ("/v1/completions", {"model": "m", "max_tokens": 10, "prompt": [[1, 2], [3]], "best_of": 4}, 8),
        ("/v1/completions", {"model": "m", "max_tokens": 10, "prompt": [1, 2, 3]}, 1),
        (CHAT, {**ASK, "max_tokens": 10, "max_completion_tokens": 30}, 3),
    ],
)
async def test_the_worst_case_at_the_dearest_place_is_held(
    tmp_path: Path, upstream: Scripted, path: str, body: dict[str, object], answers: int
) -> None:
    """All prompts, all answers, and whichever limit is the larger."""
    dear = Price(input=10**9, output=5 * 10**9, cached=10**9)
    places = [endpoint("a", upstream.port), endpoint("b", upstream.port, price=dear)]
    sent = msgspec.json.encode(body)
    async with gateway(tmp_path, snapshot(places, [MONTHLY])) as world:
        assert (await ask(world.url, sent, path)).status == 200
        row = await world.ended()
        assert [hold.amount for hold in admitted(world).holds] == [dear.worst(len(sent), 10 * answers)]
        assert [charge.amount for charge in row.charges] == [PRICE.of(row.usage)]
        assert world.room(MONTHLY) == MONTHLY.cap - PRICE.of(row.usage)


async def test_cached_tokens_have_their_own_price(tmp_path: Path, upstream: Scripted) -> None:
    """Wire fact 9: prompt tokens include the cached ones."""
    counts = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 80}}
    upstream.script = says(200, completion(usage=counts))
    async with world_of(tmp_path, upstream, MONTHLY) as world:
        told = await ask(world.url, {"max_tokens": 20})
        assert (await world.ended()).cost_nano == 20 * 150 + 80 * 75 + 10 * 600
        assert told.headers["x-intertie-cost-usd"] == "0.000015000"


async def test_what_an_endpoint_produced_beyond_its_bound_is_paid_all_the_same(
    tmp_path: Path, upstream: Scripted
) -> None:
    counts = {"prompt_tokens": 9, "completion_tokens": 5_000}
    upstream.script = says(200, completion(usage=counts))
    async with world_of(tmp_path, upstream, MONTHLY) as world:
        await ask(world.url, {"max_tokens": 10})
        row = await world.ended()
        assert row.cost_nano == PRICE.of(row.usage) > admitted(world).holds[0].amount
        assert world.room(MONTHLY) == MONTHLY.cap - PRICE.of(row.usage)


async def test_the_gateways_own_guess_never_costs_more_than_was_held(tmp_path: Path, upstream: Scripted) -> None:
    """Wire fact 19: without usage the gateway counts by itself."""
    upstream.script = streams(*[token("x")] * 60, DONE)
    async with world_of(tmp_path, upstream, MONTHLY) as world:
        await ask(world.url, {"stream": True, "max_tokens": 5})
        row = await world.ended()
        assert row.usage.estimated
        assert row.cost_nano == admitted(world).holds[0].amount < PRICE.of(row.usage)


def fill_disk(world: World) -> None:
    """From now on the journal's file takes nothing more."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, world.live.journal._fd)
    os.close(full)


async def test_where_no_admission_can_be_written_nothing_is_sent_and_nothing_held(
    tmp_path: Path, upstream: Scripted
) -> None:
    async with world_of(tmp_path, upstream, MONTHLY, CALLS) as world:
        fill_disk(world)
        for _ in range(2):
            told = await ask(world.url)
            assert (told.status, told.error["code"]) == (503, "store_unavailable")
        assert (world.room(MONTHLY), world.room(CALLS)) == (MONTHLY.cap, 1)
    assert not upstream.visits


@pytest.mark.parametrize("stream", [False, True])
async def test_where_no_settlement_can_be_written_the_hold_is_forfeit_and_the_answer_is_not_whole(
    tmp_path: Path, upstream: Scripted, stream: bool
) -> None:
    """Whoever folds the journal will find the admission alone, and charge all of its hold."""

    async def script(visit: Visit) -> None:
        fill_disk(world)
        if stream:
            await spoken(visit, token("Hi"), DONE)
            visit.end()
        else:
            visit.answer(200, completion())

    upstream.script = script
    async with world_of(tmp_path, upstream, MONTHLY, CALLS) as world:
        told = await ask(world.url, {"max_tokens": 50, "stream": stream})
        assert b'"code":"store_unavailable"' in told.body
        assert b"[DONE]" not in told.body
        assert told.status == (200 if stream else 503)
        assert (world.room(MONTHLY), world.room(CALLS)) == (MONTHLY.cap - admitted(world).holds[0].amount, 1)


async def test_what_the_endpoints_own_tools_may_find_is_held_too(tmp_path: Path, upstream: Scripted) -> None:
    async with world_of(tmp_path, upstream, MONTHLY, context=1_000, max_output=10) as world:
        own = {"type": "function", "function": {"name": "web_search", "parameters": {}}}
        asked = {"model": "m", "max_tokens": 10, "messages": MESSAGES}
        await ask(world.url, {**asked, "tools": [own]})
        (plain,) = admitted(world).holds
        await ask(world.url, {**asked, "tools": [{"type": "web_search"}]})
        (hosted,) = admitted(world).holds
        assert plain.amount < 10 * PRICE.output // 10**6 + 400 * PRICE.input // 10**6
        assert hosted.amount == PRICE.worst(1_000, 10)
