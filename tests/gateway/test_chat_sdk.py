"""The real `openai` client against the gateway, with a simulated engine behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import APIError, AsyncOpenAI, OpenAI
from pydantic import BaseModel
from world import KEY, World, endpoint, gateway, snapshot

from intertie.config.snapshot import UpstreamLimits
from intertie.core.principal import Meter
from intertie.sim.engine.batching import EngineSpeed
from intertie.sim.engine.fleet import running_engine
from intertie.sim.engine.options import EngineOptions

MESSAGES = [{"role": "user", "content": "Tell me about the sea and get_weather."}]
SPEED = EngineSpeed(prefill_tps=1_000_000, step_s=0.001, sequence_s=0.0, overhead_s=0.0)
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
OTHER_TOOL = {"type": "function", "function": {**TOOL["function"], "name": "the"}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    options = EngineOptions(port=0, model=("m",), speed=SPEED, allow_faults=True)
    async with running_engine(options) as engine, gateway(tmp_path, snapshot([endpoint("a", engine.port)])) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncOpenAI]:
    async with world.sdk() as sdk:
        yield sdk


async def test_a_chat_is_answered_and_its_books_are_right(world: World, client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content
    row = await world.ended()
    assert answer.usage is not None
    assert (row.outcome, row.status, row.endpoint, row.attempts) == ("served", 200, "a", 1)
    assert (row.usage.prompt, row.usage.completion) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row.cost_nano == world.live.lanes["a"].endpoint.price.of(row.usage)


async def test_the_synchronous_client_works_too(world: World) -> None:
    def talk() -> list[str]:
        with OpenAI(base_url=f"{world.url}/v1", api_key=KEY, max_retries=0) as sdk:
            whole = sdk.chat.completions.create(model="m", messages=MESSAGES, seed=1)
            pieces = sdk.chat.completions.create(model="m", messages=MESSAGES, seed=1, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces)
        return [whole.choices[0].message.content or "", text]

    whole, streamed = await asyncio.to_thread(talk)
    assert whole == streamed != ""


async def test_the_usage_chunk_is_hidden_from_who_did_not_ask(world: World, client: AsyncOpenAI) -> None:
    """Wire fact 7: code that does `choices[0]` on every chunk must not meet the usage chunk."""
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    row = await world.ended()
    assert row.usage.completion > 0
    assert not row.usage.estimated


async def test_the_usage_chunk_is_passed_on_to_who_asked(world: World, client: AsyncOpenAI) -> None:
    """Wire fact 7: one extra chunk without choices, just before the end."""
    stream = await client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = [chunk async for chunk in stream]
    assert all(chunk.choices for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    row = await world.ended()
    assert (row.usage.prompt, row.usage.completion) == (last.usage.prompt_tokens, last.usage.completion_tokens)


async def test_parallel_tool_calls_arrive_whole_in_streams_and_answers(world: World, client: AsyncOpenAI) -> None:
    """Wire fact 10: fragments are keyed by `index`; id, type and name come only in the first."""
    asked = {"model": "m", "messages": MESSAGES, "tools": [TOOL, OTHER_TOOL], "seed": 4}
    whole = await client.chat.completions.create(**asked)
    stream = await client.chat.completions.create(**asked, stream=True)
    calls: dict[int, dict[str, str]] = {}
    async for chunk in stream:
        for piece in chunk.choices[0].delta.tool_calls or ():
            call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
    made = whole.choices[0].message.tool_calls
    assert [call["name"] for call in calls.values()] == [call.function.name for call in made] == ["get_weather", "the"]
    assert [call["arguments"] for call in calls.values()] == [call.function.arguments for call in made]
    assert "city" in json.loads(calls[0]["arguments"])
    assert chunk.choices[0].finish_reason == "tool_calls"


class City(BaseModel):
    name: str
    people: int


async def test_answers_follow_a_json_schema(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(model="m", messages=MESSAGES, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


async def test_several_choices_are_streamed_side_by_side(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, n=3, max_tokens=5)
    texts = ["", "", ""]
    async for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert all(texts)


async def test_completions_are_answered_whole_and_as_a_stream(world: World, client: AsyncOpenAI) -> None:
    whole = await client.completions.create(model="m", prompt="Once upon a time", max_tokens=20, seed=2)
    stream = await client.completions.create(model="m", prompt="Once upon a time", max_tokens=20, seed=2, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == whole.choices[0].text != ""
    row = await world.ended(2)
    assert row.usage.completion == 20


async def test_embeddings_are_answered_in_the_clients_own_encoding(world: World, client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="m", input=["one", "two"])
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) > 10
    row = await world.ended()
    assert row.usage.completion == 0
    assert row.usage.prompt == answer.usage.prompt_tokens


async def test_each_answer_names_its_request(world: World, client: AsyncOpenAI) -> None:
    """Wire fact 22: one id shared by answer, log and books."""
    raw = await client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    row = await world.ended()
    assert raw.headers["x-request-id"] == f"req_w1_{row.sequence}"
    assert raw.headers["x-intertie-endpoint"] == "a"
    assert raw.headers["x-intertie-site"] == "a-site"
    assert raw.headers["x-intertie-model"] == "m"
    assert raw.headers["x-intertie-attempts"] == "1"
    assert float(raw.headers["x-intertie-cost-usd"]) == row.cost_nano / 1e9
    assert (await world.logged())[0]["request"] == raw.headers["x-request-id"]


FAULTS = ["cut:3", "malformed:3", "hang_stream:3", "no_done", "html", "error_in_200", "rst", "status:429", "status:500"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_no_fault_of_an_engine_looks_like_an_answer(tmp_path: Path, fault: str, stream: bool) -> None:
    """Wire fact 1: whatever goes wrong in the engine, the client raises."""
    options = EngineOptions(port=0, model=("m",), speed=SPEED, fault=(fault,))
    limits = UpstreamLimits(idle_stream_timeout_s=0.2)
    asked = {"model": "m", "messages": MESSAGES, "stream": stream, "extra_body": {"intertie_sim": {"output_tokens": 9}}}
    async with (
        running_engine(options) as engine,
        gateway(tmp_path, snapshot([endpoint("a", engine.port)], upstream=limits)) as world,
        world.sdk() as client,
    ):
        if not stream and fault == "no_done":
            assert await client.chat.completions.create(**asked)
            return
        with pytest.raises(APIError) as caught:
            answer = await client.chat.completions.create(**asked)
            async for _ in answer:
                pass
        assert str(caught.value.code).startswith("upstream_")
        row = await world.ended()
        assert row.outcome in ("cut", "failed")
        assert row.fault == caught.value.code


async def test_the_client_tries_again_what_is_worth_it(tmp_path: Path) -> None:
    """Wire fact 14: it reads `retry-after-ms` and obeys `x-should-retry`."""
    options = EngineOptions(port=0, model=("m",), speed=SPEED, allow_faults=True)
    limit = Meter("calls", "concurrent", 1, "user ada")
    async with (
        running_engine(options) as engine,
        gateway(tmp_path, snapshot([endpoint("a", engine.port)], [limit])) as world,
        world.sdk(retries=3) as client,
    ):
        slow = {"extra_body": {"intertie_sim": {"output_tokens": 300}}}
        both = await asyncio.gather(
            *[client.chat.completions.create(model="m", messages=MESSAGES, **slow) for _ in range(2)]
        )
        assert all(answer.choices for answer in both)
        lines = await world.logged(3)
    assert [line["code"] for line in lines if "code" in line] == ["rate_limit_exceeded"]
    assert lines[-1]["retry"] == "1"
