"""What a request asks of the choice, over the wire: by header, in the body's own object, and in OpenRouter's way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from rawcaller import CHAT, ask
from scripted import Scripted, completion, says, scripted
from world import KEY, PEPPER, World, endpoint, gateway, snapshot

from intertie.config.snapshot import Route, Snapshot
from intertie.core.money import Price
from intertie.core.principal import Meter
from intertie.core.record import Admitted
from intertie.policy.keys import digest

DEAR = Price(input=10**12, output=10**12, cached=10**12, source="test")
BUDGET = Meter("budget", "usd", 10**15, "group devs")
OF_N = Meter("of-n", "usd", 10**15, "model n", model="n")
OF_M = Meter("of-m", "usd", 10**15, "model m", model="m")
CLAUDE = {
    "type": "message", "id": "msg_1", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 1},
}  # fmt: skip


def places(port: int) -> list:
    """Model m at a and b, of which b keeps nothing; n is another's, dearer."""
    return [
        endpoint("a", port, names=("Groq",)),
        endpoint("b", port, names=("own",), retains=False),
        endpoint("n", port, model="n", upstream_model="theirs", price=DEAR),
    ]


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    meters = [BUDGET, OF_N, OF_M]
    async with gateway(tmp_path, snapshot(places(upstream.port), meters)) as world:
        yield world


@pytest.mark.parametrize(
    ("line", "served"),
    [
        ("x-intertie-only: own, other", "b"),
        ("x-intertie-only: b-site", "b"),
        ("x-intertie-ignore: groq", "b"),
        ("x-intertie-no-retention: 1", "b"),
        ("x-intertie-order: b", "b"),
        ("x-intertie-order: a,b", "a"),
        ("x-intertie-max-price: prompt=.15, completion=.6", ""),
        ("x-intertie-fallbacks: 0", ""),
        ("x-intertie-strict: yes", ""),
    ],
)
async def test_a_header_says_where(world: World, line: str, served: str) -> None:
    for _ in range(4):
        told = await ask(world.url, {"max_tokens": 5}, CHAT, line)
        assert told.status == 200
        assert told.headers["x-intertie-endpoint"] in (served or "ab")


async def test_openrouters_way_is_enforced_and_not_passed_on(world: World, upstream: Scripted) -> None:
    said = {"provider": {"order": ["groq", "own"], "data_collection": "deny"}, "models": ["m", "n"], "max_tokens": 5}
    told = await ask(world.url, said)
    assert (told.status, told.headers["x-intertie-endpoint"]) == (200, "b")
    assert upstream.visits[0].asked.keys() == {"model", "messages", "max_tokens"}
    told = await ask(world.url, {"provider": {"only": ["own"]}, "max_tokens": 5}, CHAT, "x-intertie-only: a")
    assert told.headers["x-intertie-endpoint"] == "a"


async def test_what_leaves_nothing_is_refused_before_anybody_is_asked(world: World, upstream: Scripted) -> None:
    for said in (
        {"provider": {"only": ["azure"]}},
        {"intertie": {"ignore": ["own", "groq"]}},
        {"provider": {"max_price": {"prompt": 0.1}}},
    ):
        told = await ask(world.url, {**said, "max_tokens": 5})
        assert (told.status, told.error["code"]) == (400, "nothing_allowed")
    assert not upstream.visits
    assert world.room(BUDGET) == BUDGET.cap


@pytest.mark.parametrize(
    ("line", "param", "words"),
    [
        ("x-intertie-onyl: a", "x-intertie-onyl", "the nearest is 'x-intertie-only'"),
        ("x-intertie-max-gco2-g: 1", "x-intertie-max-gco2-g", "'x-intertie-max-gco2'"),
        ("x-intertie-no_retention: 1", "x-intertie-no_retention", "'x-intertie-no-retention'"),
        (f"x-intertie-{'x' * 500}: 1", f"x-intertie-{'x' * 53}", "the nearest is"),
        ("x-intertie-: 1", "x-intertie-", "the nearest is"),
        ("x-intertie-only: ,", "x-intertie-only", "names nothing"),
        ("x-intertie-models:", "x-intertie-models", "names nothing"),
        ("x-intertie-strict: perhaps", "x-intertie-strict", "1 or 0"),
        ("x-intertie-max-price: 5", "x-intertie-max-price", "prompt=0.5"),
        ("x-intertie-max-price: image=5", "x-intertie-max-price", "prompt=0.5"),
        ("x-intertie-max-price: prompt=cheap", "intertie.max_price.prompt", "not an amount"),
        (f"x-intertie-only: {'x' * 257}", "intertie.only", "64 words of 256 characters"),
        (f"x-intertie-ignore: {','.join('x' * 65)}", "intertie.ignore", "64 words"),
        (f"x-intertie-order: {','.join('x' * 65)}", "intertie.order", "64 words"),
        (f"x-intertie-models: {','.join('x' * 17)}", "intertie.models", "16 words"),
    ],
)
async def test_what_is_asked_wrongly_is_refused_by_name(
    world: World, upstream: Scripted, line: str, param: str, words: str
) -> None:
    told = await ask(world.url, None, CHAT, line)
    assert (told.status, told.error["param"]) == (400, param)
    assert words in str(told.error["message"])
    assert not upstream.visits


async def test_the_reasons_name_what_was_excluded_with_a_code(world: World) -> None:
    told = await ask(world.url, {"max_tokens": 5}, CHAT, "x-intertie-ignore: groq", "x-intertie-explain: 1")
    why = json.loads(told.headers["x-intertie-explain"])
    assert why["dropped"] == [{"endpoints": ["a"], "code": "ignore", "reason": "ignore: groq not wanted"}]


async def test_another_model_serves_when_the_first_cannot_and_alone_is_charged(
    world: World, upstream: Scripted
) -> None:
    told = await ask(world.url, {"models": ["n"], "max_tokens": 5, "intertie": {"only": ["n"]}})
    assert (told.status, told.headers["x-intertie-model"]) == (200, "n")
    assert upstream.visits[0].asked["model"] == "theirs"
    row = await world.ended()
    assert {charge.account for charge in row.charges} == {"budget@total", "of-n@total"}
    assert {charge.amount for charge in row.charges} == {row.cost_nano}
    assert world.room(OF_M) == OF_M.cap


async def test_the_hold_covers_the_dearest_model_that_is_named_and_all_its_meters(world: World) -> None:
    for said in ({}, {"models": ["n"]}):
        await ask(world.url, {**said, "max_tokens": 5})
    plain, more = (row for row in world.rows() if isinstance(row, Admitted))
    assert {charge.account for charge in plain.holds} == {"budget@total", "of-m@total"}
    assert {charge.account for charge in more.holds} == {"budget@total", "of-m@total", "of-n@total"}
    assert more.holds[0].amount > 100 * plain.holds[0].amount
    assert {charge.account for charge in (await world.ended(2)).charges} == {"budget@total", "of-m@total"}


async def test_a_route_that_is_named_beside_the_model_is_charged_as_a_route(tmp_path: Path, upstream: Scripted) -> None:
    of_route = Meter("of-r", "usd", 10**15, "route r", model="r")
    whole = snapshot(places(upstream.port), [of_route, OF_N, OF_M], routes={"r": Route("r", ("n",))})
    async with gateway(tmp_path, whole) as world:
        told = await ask(world.url, {"models": ["r"], "max_tokens": 5}, CHAT, "x-intertie-only: n")
        assert told.headers["x-intertie-model"] == "n"
        charged = {charge.account for charge in (await world.ended()).charges}
        assert charged == {"of-r@total", "of-n@total"}


def permitted(whole: Snapshot, *models: str) -> Snapshot:
    """The same for a caller who may use these alone."""
    (principal,) = whole.keys.values()
    mine = msgspec.structs.replace(principal, models=frozenset(models))
    return msgspec.structs.replace(whole, keys={digest(PEPPER, KEY.encode()): mine})


async def test_a_model_that_is_not_the_callers_does_not_exist(tmp_path: Path, upstream: Scripted) -> None:
    async with gateway(tmp_path, permitted(snapshot(places(upstream.port)), "m")) as world:
        for name in ("n", "nothing"):
            told = await ask(world.url, {"models": ["m", name], "max_tokens": 5})
            assert (told.status, told.error["code"], told.error["param"]) == (404, "model_not_found", "models")
            assert f"The model '{name}' does not exist or you do not have access to it." in str(told.error["message"])
        assert (await ask(world.url, {"models": ["m"], "max_tokens": 5})).status == 200
    assert len(upstream.visits) == 1


async def test_without_fallbacks_nobody_else_is_asked(world: World, upstream: Scripted) -> None:
    upstream.script = says(500, b"broken")
    assert (await ask(world.url, {"max_tokens": 5}, CHAT, "x-intertie-fallbacks: 0")).status == 502
    assert len(upstream.visits) == 1
    assert (await ask(world.url, {"max_tokens": 5})).status == 502
    assert len(upstream.visits) > 2


async def test_a_strict_call_goes_without_nothing_whatever_the_endpoint_says(tmp_path: Path) -> None:
    async with scripted(says(200, json.dumps(CLAUDE).encode())) as upstream:
        claude = endpoint("c", upstream.port, dialect="anthropic_messages", on_unsupported="drop", operations=("chat",))
        async with gateway(tmp_path, snapshot([claude])) as world:
            told = await ask(world.url, {"seed": 7, "max_tokens": 5})
            assert (told.status, told.headers["x-intertie-dropped"]) == (200, "seed")
            for said in ({"intertie": {"strict": True}}, {"provider": {"require_parameters": True}}):
                told = await ask(world.url, {"seed": 7, "max_tokens": 5, **said})
                assert (told.status, told.error["param"]) == (400, "seed")
            assert (await ask(world.url, {"max_tokens": 5, "intertie": {"strict": True}})).status == 200
    assert len(upstream.visits) == 2


async def test_the_name_of_a_dropped_field_ends_no_header_line(tmp_path: Path) -> None:
    async with scripted(says(200, json.dumps(CLAUDE).encode())) as upstream:
        claude = endpoint("c", upstream.port, dialect="anthropic_messages", on_unsupported="drop", operations=("chat",))
        async with gateway(tmp_path, snapshot([claude])) as world:
            told = await ask(world.url, {"max_tokens": 5, "odd\r\nset-cookie: a=b": 1})
            assert told.status == 200
            assert told.headers["x-intertie-dropped"] == "odd??set-cookie: a=b"
            assert "set-cookie" not in told.headers
