"""How a session is entered: keys in three ways, ephemeral keys, refusals in HTTP, endpoints one after another."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rawcaller import RawCaller, Told, ask, page
from scripted import free_port, until
from socketcaller import SocketCaller
from test_realtime import PATH, place
from voice import Voice, voice
from world import KEY, World, gateway, snapshot

from intertie.core.principal import Meter

SECRETS = "/v1/realtime/client_secrets"
CALLS = Meter("calls", "concurrent", 1, "group devs")


@pytest.fixture
async def upstream() -> AsyncIterator[Voice]:
    async with voice() as one:
        yield one


@pytest.fixture
async def world(tmp_path: Path, upstream: Voice) -> AsyncIterator[World]:
    async with gateway(tmp_path, snapshot([place(upstream.port)])) as world:
        yield world


async def opened(world: World, path: str, *headers: str, key: str = "") -> Told:
    """What is answered to a handshake."""
    async with SocketCaller(world.url) as caller:
        return await caller.open(path, *headers, key=key)


async def minted(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """An ephemeral key, as it is answered."""
    async with RawCaller(world.url) as caller:
        caller.post(json.dumps(body).encode(), SECRETS)
        told = await caller.answer()
    assert told.status == 200, told.body
    return json.loads(told.body)


async def test_a_browser_sends_its_key_as_a_subprotocol(world: World, upstream: Voice) -> None:
    names = f"sec-websocket-protocol: realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1"
    told = await opened(world, PATH, names)
    assert told.status == 101 and told.headers["sec-websocket-protocol"] == "realtime"
    head = upstream.requests[0].headers
    assert head[b"openai-beta"] == b"realtime=v1" and head[b"authorization"] == b"Bearer secret"
    assert KEY.encode() not in b" ".join(head.values())
    assert (await opened(world, PATH, "sec-websocket-protocol: realtime, openai-insecure-api-key.wrong")).status == 401


async def test_azures_clients_send_theirs_in_a_header_and_the_model_otherwise(world: World, upstream: Voice) -> None:
    told = await opened(world, "/v1/realtime?api-version=2025-08-28&deployment=m", f"api-key: {KEY}")
    assert told.status == 101


async def test_an_ephemeral_key_opens_a_session_as_it_was_described(world: World, upstream: Voice) -> None:
    wish = {"type": "realtime", "model": "m", "instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}
    made = await minted(world, {"session": wish, "expires_after": {"anchor": "created_at", "seconds": 60}})
    assert made["value"].startswith("ek_") and KEY not in made["value"]
    assert 50 < made["expires_at"] - world.live.clock.wall() <= 60
    assert made["session"]["model"] == "m" and made["session"]["instructions"] == "Be brief."
    async with SocketCaller(world.url) as caller:
        names = f"sec-websocket-protocol: realtime, openai-insecure-api-key.{made['value']}"
        assert (await caller.open("/v1/realtime", names, key="")).status == 101
        update = (await upstream.heard(1))[0]
        assert update == {"type": "session.update", "session": {k: wish[k] for k in ("instructions", "audio")}}
        caller.tell({"type": "response.create"})
        assert (await caller.events("response.done"))[-1]["type"] == "response.done"
    assert (await world.logged(2))[0]["key"] == "k1"


async def test_an_ephemeral_key_is_for_one_model_and_for_sessions_alone(world: World) -> None:
    made = await minted(world, {"session": {"type": "realtime", "model": "m"}})
    assert (await opened(world, "/v1/realtime?model=other", key=made["value"])).error["param"] == "model"
    assert (await opened(world, PATH, key=made["value"])).status == 101
    assert (await ask(world.url, key=made["value"])).status == 401
    assert (await ask(world.url, {"session": {"model": "m"}}, SECRETS, key=made["value"])).status == 401
    assert (await page(world.url, "/v1/models", key=made["value"])).status == 401


async def test_an_ephemeral_key_is_worth_no_more_than_the_key(world: World, upstream: Voice) -> None:
    made = await minted(world, {"session": {"type": "realtime", "model": "m"}})
    world.live.adopt(snapshot([place(upstream.port)], version=2, keys={}))
    assert (await opened(world, PATH, key=made["value"])).status == 401
    for broken in (made["value"][:-1], made["value"][:-6] + "AAAAAA", "ek_", "ek_x"):
        assert (await opened(world, PATH, key=broken)).error["code"] == "key_expired"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "session"),
        ({"session": {}}, "model"),
        ({"session": {"model": "nothing"}}, "model"),
        ({"session": {"model": "m", "type": "transcription"}}, "type"),
        ({"session": {"model": "m"}, "expires_after": {"seconds": 5}}, "expires_after.seconds"),
        ({"session": {"model": "m", "instructions": "x" * 10_000}}, "session"),
    ],
)
async def test_a_badly_described_session_is_refused(world: World, body: dict[str, Any], param: str) -> None:
    async with RawCaller(world.url) as caller:
        caller.post(json.dumps(body).encode(), SECRETS)
        told = await caller.answer()
    assert told.status in (400, 404) and told.error["param"] == param


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/realtime", 400, "missing_required_parameter"),
        ("/v1/realtime?model=", 400, "missing_required_parameter"),
        ("/v1/realtime?model=m&model=x", 400, "duplicate_parameter"),
        ("/v1/realtime?model=m&intent=transcription", 400, "unknown_parameter"),
        ("/v1/realtime?model=m&call_id=c", 400, "unknown_parameter"),
        ("/v1/realtime?" + "&".join(f"a{n}=1" for n in range(40)), 400, "invalid_value"),
        ("/v1/realtime?model=nothing", 404, "model_not_found"),
    ],
)
async def test_a_wrong_question_is_refused_in_http(world: World, path: str, status: int, code: str) -> None:
    told = await opened(world, path, key=KEY)
    assert (told.status, told.error["code"]) == (status, code)
    assert told.headers["x-request-id"].startswith("req_")
    line = (await world.logged())[-1]
    assert (line["operation"], line["outcome"], line["code"]) == ("realtime", "refused", code)


async def test_without_an_upgrade_it_is_said_what_is_wanted(world: World) -> None:
    told = await page(world.url, PATH)
    assert told.status == 400 and "WebSocket" in str(told.error["message"])
    assert (await page(world.url, PATH, method="POST")).status == 404
    broken = ("connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 8")
    assert (await page(world.url, PATH, *broken)).status == 400
    await until(lambda: not world.live.in_flight)


async def test_a_model_without_sessions_is_no_candidate(tmp_path: Path, upstream: Voice) -> None:
    chats = place(upstream.port, operations=("chat",))
    gemini = place(upstream.port, "b", model="g", dialect="gemini")
    async with gateway(tmp_path, snapshot([chats, gemini])) as world:
        assert (await opened(world, PATH, key=KEY)).status == 400
        assert (await opened(world, "/v1/realtime?model=g", key=KEY)).error["code"] == "unsupported_parameter"
        assert not upstream.requests


async def test_sessions_at_once_are_limited_and_a_refused_one_holds_nothing(tmp_path: Path, upstream: Voice) -> None:
    async with gateway(tmp_path, snapshot([place(upstream.port)], [CALLS])) as world:
        async with SocketCaller(world.url) as caller:
            assert (await caller.open(PATH)).status == 101
            assert (await opened(world, PATH, key=KEY)).status == 429
        await until(lambda: not world.live.in_flight)
        assert (await opened(world, PATH, key=KEY)).status == 101


async def test_a_refusal_of_the_endpoint_is_the_callers_to_see(world: World, upstream: Voice) -> None:
    error = {"error": {"message": "no such voice", "type": "invalid_request_error", "code": "x", "param": None}}
    upstream.refusal = 400, b"content-type: application/json\r\n", json.dumps(error).encode()
    told = await opened(world, PATH, key=KEY)
    assert (told.status, told.error["message"]) == (400, "no such voice")


async def test_another_endpoint_opens_what_the_first_does_not(tmp_path: Path, upstream: Voice) -> None:
    async with voice() as broken:
        broken.refusal = 503, b"", b"ill"
        places = [place(broken.port, "broken"), place(free_port(), "gone"), place(upstream.port, "well")]
        async with gateway(tmp_path, snapshot(places)) as world:
            for _ in range(4):
                async with SocketCaller(world.url) as caller:
                    assert (await caller.open(PATH)).status == 101
                    caller.tell({"type": "response.create"})
                    await caller.events("response.done")
            await until(lambda: not world.live.in_flight)
            assert {row.endpoint for row in world.settled()} == {"well"}
            assert world.live.states["broken"].latency_penalty or world.live.states["gone"].latency_penalty


async def test_when_no_endpoint_opens_it_the_last_failure_is_told(tmp_path: Path) -> None:
    async with gateway(tmp_path, snapshot([place(free_port())], [CALLS])) as world:
        told = await opened(world, PATH, key=KEY)
        assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
        row = await world.ended()
        assert (row.outcome, row.cost_nano) == ("failed", 0) and world.room(CALLS) == 1


async def test_who_leaves_before_the_endpoint_answers_leaves_nothing(world: World, upstream: Voice) -> None:
    async with SocketCaller(world.url) as caller:
        caller.get(PATH, "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13")
        caller.leave()
    await until(lambda: not world.live.in_flight)
    await until(lambda: upstream.open == 0)
    assert world.live.lanes["a"].pool.in_flight == 0
