"""Each error reaches the real client as its exception class, with our stable code; and who may see which models."""

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from scripted import Scripted, completion, event, says, scripted, streams, token
from world import PEPPER, World, endpoint, gateway, snapshot

from intertie.core.principal import Principal
from intertie.policy.keys import digest

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    places = [
        endpoint("a", upstream.port),
        endpoint("b", upstream.port, model="org/other", upstream_model="org/other"),
        endpoint("s", upstream.port, model="sim", simulated=True),
    ]
    whole = snapshot(places)
    narrow = Principal(key_id="k2", name="narrow", models=frozenset({"m"}))
    whole.keys[digest(PEPPER, b"itk_narrow")] = narrow
    async with gateway(tmp_path, whole) as world:
        yield world


async def test_models_are_listed_and_told_one_by_one(world: World) -> None:
    async with world.sdk() as client:
        models = (await client.models.list()).data
        assert [(one.id, one.owned_by) for one in models] == [
            ("m", "intertie"),
            ("org/other", "intertie"),
            ("sim", "intertie-simulated"),
        ]
        assert (await client.models.retrieve("org/other")).id == "org/other"


async def test_a_key_sees_only_the_models_it_may_use(world: World) -> None:
    async with world.sdk("itk_narrow") as client:
        assert [one.id for one in (await client.models.list()).data] == ["m"]
        assert (await client.models.retrieve("m")).id == "m"
        with pytest.raises(openai.NotFoundError) as unseen:
            await client.models.retrieve("sim")
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.models.retrieve("nim")
    assert unseen.value.code == unknown.value.code == "model_not_found"
    assert str(unseen.value).replace("sim", "nim") == str(unknown.value)


async def test_a_forbidden_model_is_answered_like_an_unknown_one(world: World) -> None:
    """Nobody learns from a refusal that a model exists which is not theirs."""
    async with world.sdk("itk_narrow") as client:
        with pytest.raises(openai.NotFoundError) as unseen:
            await client.chat.completions.create(model="sim", messages=MESSAGES)
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="nim", messages=MESSAGES)
    assert unseen.value.code == "model_not_found"
    assert unseen.value.param == "model"
    assert str(unseen.value).replace("sim", "nim") == str(unknown.value)


async def test_an_unknown_model_is_refused_with_the_nearest_names(world: World) -> None:
    async with world.sdk() as client:
        with pytest.raises(openai.NotFoundError, match="Did you mean org/other"):
            await client.chat.completions.create(model="org/othre", messages=MESSAGES)


async def test_a_wrong_key_is_an_authentication_error(world: World) -> None:
    async with world.sdk("itk_wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES)
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "authentication_error")


async def test_a_wrong_field_is_a_bad_request_that_names_it(world: World) -> None:
    async with world.sdk() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=-1)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "max_tokens")


async def test_an_endpoint_at_its_limit_is_a_rate_limit_error(world: World, upstream: Scripted) -> None:
    upstream.script = says(429, b'{"error":{"message":"slow down"}}', b"retry-after: 3\r\n")
    async with world.sdk() as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.code == "upstream_busy"
    assert caught.value.response.headers["retry-after"] == "3"


async def test_a_failing_endpoint_is_an_internal_server_error(world: World, upstream: Scripted) -> None:
    upstream.script = says(500, b"oops", b"content-type: text/plain\r\n")
    async with world.sdk() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")
    assert caught.value.response.headers["x-request-id"].startswith("req_w1_")


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_what_the_endpoint_refuses_is_passed_on_as_it_came(world: World, upstream: Scripted, status: int) -> None:
    """Wire fact 13: the shape is the caller's own dialect, so the endpoint's words need no translation."""
    upstream.script = says(status, b'{"error": {"message": "too hot", "code": 17, "param": null}}')
    async with world.sdk() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.status_code == status
    assert caught.value.response.content == b'{"error": {"message": "too hot", "code": 17, "param": null}}'
    assert len(upstream.visits) == 1
    assert world.live.states["a"].latency_penalty == 0


async def test_an_error_inside_a_stream_is_an_api_error(world: World, upstream: Scripted) -> None:
    """Wire fact 13: OpenRouter tells errors as a chunk with a top-level `error`, whose code is a number, under 200."""
    failing = {"id": "c1", "error": {"code": 502, "message": "no more"}, "choices": [{"finish_reason": "error"}]}
    upstream.script = streams(token("Hel"), token("lo"), event(failing))
    seen = ""
    async with world.sdk() as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError) as caught:
            async for chunk in stream:
                seen += chunk.choices[0].delta.content or ""
    assert seen == "Hello"
    assert caught.value.code == "upstream_error"
    assert "no more" not in str(caught.value)  # what an endpoint says of its own troubles is not for callers
    row = await world.ended()
    assert (row.outcome, row.fault) == ("cut", "upstream_error")
