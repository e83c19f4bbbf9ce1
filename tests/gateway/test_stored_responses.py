"""Responses that are kept, with OpenAI's client: calls go on from them, and nobody else finds them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError
from scripted import EVENTS, Scripted, Visit, says, scripted
from speaking import COLLEAGUE, KEYS, OTHER, response, speaks, streamed
from world import World, endpoint, gateway, snapshot

from intertie.config.snapshot import ResponsePolicy
from intertie.core.principal import Meter
from intertie.gateway.archive import MOST_KEPT


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(speaks()) as one:
        yield one


@pytest.fixture(params=["openai_responses", "openai_chat"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    """A gateway in front of an endpoint of either dialect."""
    one = endpoint("a", upstream.port, dialect=request.param, retains=False)
    async with gateway(tmp_path, snapshot([one], keys=KEYS)) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncOpenAI]:
    async with world.sdk() as sdk:
        yield sdk


async def test_a_conversation_goes_on_whichever_dialect_answers(
    world: World, client: AsyncOpenAI, upstream: Scripted
) -> None:
    one = await client.responses.create(model="m", input="first", store=True)
    two = await client.responses.create(model="m", input="second", previous_response_id=one.id)
    three = await client.responses.create(model="m", input="third", previous_response_id=two.id, store=False)
    assert [answer.output_text for answer in (one, two, three)] == ["1 said", "3 said", "5 said"]
    assert (one.id, two.id) == ("resp_w1_1", "resp_w1_2") and three.id != "resp_w1_3"
    assert [answer.previous_response_id for answer in (one, two, three)] == [None, one.id, two.id]
    assert [answer.model_extra["store"] for answer in (one, two, three)] == [True, True, False]
    assert set(world.shelf.kept) == {one.id, two.id}
    for visit in upstream.visits:
        assert not {"previous_response_id", "background"} & set(visit.asked) and not visit.asked.get("store")
    assert "first" in upstream.visits[2].body.decode() and "1 said" in upstream.visits[2].body.decode()


async def test_what_is_kept_can_be_read_listed_and_deleted(world: World, client: AsyncOpenAI) -> None:
    one = await client.responses.create(model="m", input="first", store=True)
    two = await client.responses.create(model="m", input="second", previous_response_id=one.id)
    assert (await client.responses.retrieve(two.id)).to_dict() == two.to_dict()
    items = [item async for item in client.responses.input_items.list(two.id, order="asc")]
    assert [item.content[0].text for item in items] == ["first", "1 said", "second"]
    await client.responses.delete(one.id)
    for gone in (client.responses.retrieve(one.id), client.responses.delete(one.id)):
        with pytest.raises(NotFoundError):
            await gone
    assert (await client.responses.retrieve(two.id)).id == two.id
    with pytest.raises(BadRequestError) as caught:  # what it builds on is gone
        await client.responses.create(model="m", input="third", previous_response_id=two.id)
    assert caught.value.code == "previous_response_not_found"


async def test_nobody_else_finds_what_is_kept(world: World, client: AsyncOpenAI) -> None:
    one = await client.responses.create(model="m", input="first", store=True)
    async with world.sdk(COLLEAGUE) as colleague, world.sdk(OTHER) as stranger:
        assert (await colleague.responses.retrieve(one.id)).id == one.id
        told: list[str] = []
        for name in (one.id, "resp_w1_999", "resp_theirs", "../x"):
            with pytest.raises(BadRequestError) as refused:
                await stranger.responses.create(model="m", input="x", previous_response_id=name)
            told.append(str(refused.value).replace(name, "NAME"))
            visits = (
                stranger.responses.retrieve(name), stranger.responses.delete(name), stranger.responses.cancel(name),
                stranger.responses.retrieve(name, stream=True),
            )  # fmt: skip
            for visit in visits:
                with pytest.raises(NotFoundError):
                    await visit
            with pytest.raises(NotFoundError):
                await stranger.responses.input_items.list(name)
        assert len(set(told)) == 1
    assert set(world.shelf.kept) == {one.id}


async def test_a_streamed_response_is_kept_before_its_end_leaves(world: World, client: AsyncOpenAI) -> None:
    one = await client.responses.create(model="m", input="first", store=True)
    seen: list[Any] = []
    asked = {"model": "m", "input": "second", "previous_response_id": one.id}
    async with await client.responses.create(**asked, stream=True) as stream:
        async for told in stream:
            if told.type == "response.completed":
                assert "resp_w1_2" in world.shelf.kept
            seen.append(told)
    states = [told.response for told in seen if hasattr(told, "response")]
    assert {(state.id, state.previous_response_id, state.model_extra["store"]) for state in states} == {
        ("resp_w1_2", one.id, True)
    }
    assert (await client.responses.retrieve("resp_w1_2")).output_text == states[-1].output_text == "3 said"


async def test_what_nobody_asked_to_be_kept_is_not(world: World, client: AsyncOpenAI) -> None:
    raw = await client.responses.with_raw_response.create(model="m", input="first")
    assert "x-intertie-stored" not in raw.headers and raw.http_response.json()["store"] is False
    quiet = {"intertie": {"no_retention": True}}
    raw = await client.responses.with_raw_response.create(model="m", input="first", store=True, extra_body=quiet)
    assert raw.headers["x-intertie-stored"] == "0" and raw.http_response.json()["store"] is False
    raw = await client.responses.with_raw_response.create(model="m", input="first", store=True)
    assert raw.headers["x-intertie-stored"] == "1" and raw.http_response.json()["store"] is True
    assert len(world.shelf.kept) == 1


@pytest.mark.parametrize(("keep", "said", "kept"), [
    ("never", True, False), ("never", None, False), ("always", None, True), ("always", False, False),
])  # fmt: skip
async def test_the_operator_says_what_is_kept(
    tmp_path: Path, upstream: Scripted, keep: Any, said: bool | None, kept: bool
) -> None:
    whole = snapshot([endpoint("a", upstream.port)], responses=ResponsePolicy(keep), keys=KEYS)
    async with gateway(tmp_path, whole) as world, world.sdk() as client:
        raw = await client.responses.with_raw_response.create(model="m", input="first", store=said)
        assert (raw.http_response.json()["store"], bool(world.shelf.kept)) == (kept, kept)
        with pytest.raises(BadRequestError, match="keeps no responses" if keep == "never" else "Responses are kept"):
            await client.responses.create(model="m", input="x", previous_response_id="resp_1_1")
        if keep == "never":
            with pytest.raises(BadRequestError) as caught:
                await client.responses.create(model="m", input="x", background=True)
            assert caught.value.param == "background"


async def test_while_nobody_keeps_answers_say_so_and_nothing_goes_on(
    world: World, client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.gateway.archive.PATIENCE_S", 0.05)
    one = await client.responses.create(model="m", input="first", store=True)
    world.live.archive.on_link(False)
    raw = await client.responses.with_raw_response.create(model="m", input="second", store=True)
    assert raw.headers["x-intertie-stored"] == "0" and raw.http_response.json()["store"] is False
    assert raw.http_response.json()["output"]
    waits = (
        client.responses.create(model="m", input="x", previous_response_id=one.id), client.responses.retrieve(one.id),
        client.responses.create(model="m", input="x", background=True),
    )  # fmt: skip
    for wait in waits:
        with pytest.raises(InternalServerError) as caught:
            await wait
        assert (caught.value.status_code, caught.value.code) == (503, "store_unavailable")
    world.live.archive.on_link(True)
    two = await client.responses.create(model="m", input="third", previous_response_id=one.id)
    assert two.output_text == "3 said"


async def test_what_is_too_large_is_answered_and_not_kept(tmp_path: Path) -> None:
    large = "x" * MOST_KEPT

    async def script(visit: Visit) -> None:
        if visit.asked.get("stream"):
            visit.answer(200, b"".join(streamed(large)), EVENTS)
        else:
            visit.answer(200, json.dumps(response(large)).encode())

    async with scripted(script) as upstream:
        one = endpoint("a", upstream.port, dialect="openai_responses")
        async with gateway(tmp_path, snapshot([one])) as world, world.sdk() as client:
            raw = await client.responses.with_raw_response.create(model="m", input="first", store=True)
            assert raw.headers["x-intertie-stored"] == "0" and raw.http_response.json()["store"] is False
            stream = await client.responses.create(model="m", input="first", store=True, stream=True)
            last = [one async for one in stream][-1]
            assert last.response.model_extra["store"] is False and last.response.output_text == large
            assert not world.shelf.kept


async def test_what_a_call_builds_on_is_paid_for_and_held(tmp_path: Path, upstream: Scripted) -> None:
    budget = Meter("b", "usd", 10_000_000, "group devs")
    one = endpoint("a", upstream.port, dialect="openai_responses")
    async with gateway(tmp_path, snapshot([one], [budget])) as world, world.sdk() as client:
        long = await client.responses.create(model="m", input="x " * 8_000, store=True, max_output_tokens=10)
        asked = {"model": "m", "input": "and?", "max_output_tokens": 10}
        await client.responses.create(**asked)
        await client.responses.create(**asked, previous_response_id=long.id)
        held = [row.holds[0].amount for row in world.rows() if hasattr(row, "holds")]
        assert held[2] > held[0] > 10 * held[1]


async def test_other_methods_and_pages_are_refused(world: World, client: AsyncOpenAI) -> None:
    one = await client.responses.create(model="m", input="first", store=True)
    for method, path, status in (
        ("POST", f"/responses/{one.id}", 405), ("GET", f"/responses/{one.id}/cancel", 405),
        ("GET", f"/responses/{one.id}/else", 404), ("GET", "/responses/", 404), ("GET", "/responses", 405),
        ("POST", f"/responses/{one.id}/cancel", 400), ("GET", f"/responses/{one.id}?stream=true", 400),
        ("GET", f"/responses/{one.id}?stream=true&starting_after=x", 400),
        ("GET", f"/responses/{one.id}/input_items?limit=0", 400),
    ):  # fmt: skip
        answer = await client._client.request(method, f"{world.url}/v1{path}", headers=client.auth_headers)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.json()["error"]["message"] and answer.headers["x-request-id"]
    answer = await client._client.request("GET", f"{world.url}/v1/responses/{one.id}")
    assert answer.status_code == 401


async def test_a_conversation_survives_the_endpoint_that_began_it(tmp_path: Path, upstream: Scripted) -> None:
    async with scripted(speaks()) as other:
        first = endpoint("a", upstream.port, dialect="openai_responses")
        second = endpoint("b", other.port, model="m")
        whole = snapshot([first, second])
        async with gateway(tmp_path, whole) as world, world.sdk() as client:
            only = {"intertie": {"only": ["a"]}}
            one = await client.responses.create(model="m", input="first", store=True, extra_body=only)
            upstream.script = says(500, b"{}")
            asked = {"model": "m", "input": "second", "previous_response_id": one.id}
            two = await client.responses.create(**asked, extra_body={"intertie": {"order": ["a", "b"]}})
            assert two.output_text == "3 said" and len(upstream.visits) == 2 and len(other.visits) == 1
            assert (await client.responses.retrieve(two.id)).output_text == "3 said"
