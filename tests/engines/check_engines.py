"""A gateway before a real engine: what it says and counts, how it stops, and what becomes of callers when it dies."""

import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import anthropic
import openai
import pytest
import pytest_asyncio
from engines_world import START_S, Engine, end, engines_world
from serving_world import KEY, Row, Serving
from supervised import eventually

ASKED = [{"role": "user", "content": "hello world"}]
MANY = 1_900

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(START_S + 120)]


class Stage(NamedTuple):
    serving: Serving
    engines: dict[str, Engine]
    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic
    direct: openai.AsyncOpenAI

    async def row(self, request: str) -> Row:
        """A request as the ledger has it, once it is closed."""
        found: list[Row] = []

        async def closed() -> bool:
            row = (await self.serving.ledger()).get(request)
            found[:] = [row] if row is not None and row.outcome else []
            return bool(found)

        await eventually(closed, 10)
        return found[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with engines_world(tmp_path_factory.mktemp("world")) as (serving, engines):
        url = f"http://127.0.0.1:{serving.data}"
        async with (
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as chat,
            anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as messages,
            openai.AsyncOpenAI(base_url=engines["one"].url, api_key="none", max_retries=0) as direct,
        ):
            yield Stage(serving, engines, chat, messages, direct)


async def truth(stage: Stage, tokens: int) -> Any:
    """What the engine answers when it is asked without the gateway."""
    model = stage.engines["one"].model
    return await stage.direct.chat.completions.create(model=model, messages=ASKED, max_tokens=tokens)


async def test_a_chat_says_and_counts_what_the_engine_does(stage: Stage) -> None:
    asked = {"model": "tiny", "messages": ASKED, "max_tokens": 20}
    raw = await stage.openai.chat.completions.with_raw_response.create(**asked)
    answer, alone = raw.parse(), await truth(stage, 20)
    assert answer.choices[0].message.content == alone.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage == alone.usage
    row = await stage.row(raw.headers["x-request-id"])
    assert (row.outcome, row.prompt, row.completion, row.estimated) == ("served", alone.usage.prompt_tokens, 20, False)
    assert row.cost_nano == row.prompt * 1_000 + row.completion * 2_000


async def test_a_stream_is_whole_and_counts_what_the_engine_counts(stage: Stage) -> None:
    raw = await stage.openai.chat.completions.with_raw_response.create(
        model="tiny", messages=ASKED, max_tokens=20, stream=True
    )
    chunks = [chunk async for chunk in raw.parse()]
    alone = await truth(stage, 20)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.rstrip("\N{REPLACEMENT CHARACTER}") == alone.choices[0].message.content.rstrip(
        "\N{REPLACEMENT CHARACTER}"
    )
    row = await stage.row(raw.headers["x-request-id"])
    assert (row.outcome, row.prompt, row.completion, row.estimated) == ("served", alone.usage.prompt_tokens, 20, False)


async def test_clients_of_anthropic_are_served_by_it(stage: Stage) -> None:
    alone = await truth(stage, 20)
    asked: dict[str, Any] = {"model": "tiny", "messages": ASKED, "max_tokens": 20}
    whole = await stage.anthropic.messages.create(**asked)
    async with stage.anthropic.messages.stream(**asked) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    for told in (whole, final):
        assert (told.usage.input_tokens, told.usage.output_tokens) == (alone.usage.prompt_tokens, 20)
        assert told.stop_reason == "max_tokens"
    assert text and whole.content[0].text == alone.choices[0].message.content


@pytest.mark.parametrize("model", ["tiny", "tiny-responses"])
async def test_clients_of_responses_are_served_by_it(stage: Stage, model: str) -> None:
    """Through translation, and as they are where the engine speaks Responses itself."""
    alone = await truth(stage, 20)
    asked: dict[str, Any] = {"model": model, "input": ASKED[0]["content"], "max_output_tokens": 20, "store": False}
    whole = await stage.openai.responses.create(**asked, stream=False)  # left out it means true to this engine
    *_, last = [event async for event in await stage.openai.responses.create(**asked, stream=True)]
    assert last.type == ("response.incomplete" if model == "tiny" else "response.completed")
    for told in (whole, last.response):
        assert told.usage is not None
        assert (told.usage.input_tokens, told.usage.output_tokens) == (alone.usage.prompt_tokens, 20)
    assert whole.output_text == alone.choices[0].message.content


async def test_what_the_engine_refuses_is_told_in_the_callers_own_way(stage: Stage) -> None:
    with pytest.raises(openai.BadRequestError, match="pinned"):
        await stage.openai.chat.completions.create(model="tiny-wrong", messages=ASKED)
    with pytest.raises(anthropic.BadRequestError, match="pinned"):
        await stage.anthropic.messages.create(model="tiny-wrong", messages=ASKED, max_tokens=5)


async def test_the_engine_stops_when_a_caller_leaves(stage: Stage) -> None:
    """Its one thread is free at once for the next request, where the whole answer would have kept it busy."""
    begun = time.monotonic()
    await truth(stage, MANY)
    whole_s = time.monotonic() - begun
    raw = await stage.openai.chat.completions.with_raw_response.create(
        model="tiny", messages=ASKED, max_tokens=MANY, stream=True
    )
    stream = raw.parse()
    await anext(stream)
    await stream.close()
    name = (await stage.row(raw.headers["x-request-id"])).endpoint
    engine = stage.engines[name]
    begun = time.monotonic()
    async with openai.AsyncOpenAI(base_url=engine.url, api_key="none", max_retries=0) as direct:
        await direct.chat.completions.create(model=engine.model, messages=ASKED, max_tokens=1)
    assert time.monotonic() - begun < whole_s / 3
    row = await stage.row(raw.headers["x-request-id"])
    assert row.outcome == "left" and 0 < row.completion < MANY / 3


async def test_another_engine_answers_when_one_is_killed(stage: Stage) -> None:
    """Run last. The stream that was under way ends with an error; nobody else notices."""
    raw = await stage.openai.chat.completions.with_raw_response.create(
        model="tiny", messages=ASKED, max_tokens=MANY, stream=True
    )
    stream = raw.parse()
    await anext(stream)
    dead = raw.headers["x-intertie-endpoint"]
    end(stage.engines[dead].process)
    with pytest.raises(openai.APIError) as cut:
        async for _ in stream:
            pass
    assert cut.value.code == "upstream_cut"
    for _ in range(10):
        raw = await stage.openai.chat.completions.with_raw_response.create(model="tiny", messages=ASKED, max_tokens=5)
        assert raw.headers["x-intertie-endpoint"] != dead
        assert raw.parse().usage is not None
