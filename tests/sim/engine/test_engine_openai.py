"""The engine as the real OpenAI SDK sees it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry

Start = Callable[..., Awaitable[RunningEngine]]
SEA: list[Any] = [{"role": "user", "content": "Tell me about the sea."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: Any = {"type": "function", "function": {"name": "get_time"}}


async def test_a_chat_is_answered_and_says_that_it_is_simulated(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.with_raw_response.create(model="sim", messages=SEA, max_tokens=20)
    chat = answer.parse()
    assert answer.headers["server"] == "intertie-simulated-engine"
    assert chat.system_fingerprint == "simulated"
    assert chat.choices[0].message.content.startswith("Simulated answer.")
    assert (chat.choices[0].finish_reason, chat.usage.completion_tokens) == ("length", 20)
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + 20


async def test_the_same_question_gets_the_same_answer_streamed_or_not(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="sim", messages=SEA)
    stream = await client.chat.completions.create(model="sim", messages=SEA, stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content == ""
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert all(chunk.usage is None and chunk.id == chunks[0].id for chunk in chunks)


async def test_usage_comes_in_one_more_chunk_when_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="sim", messages=SEA, stream=True, max_tokens=7, stream_options={"include_usage": True}
    )
    *chunks, last = [chunk async for chunk in stream]
    assert last.choices == [] and last.usage.completion_tokens == 7
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert len(chunks) == 1 + 7 + 1


async def test_a_repeated_prompt_is_found_in_the_cache(client: AsyncOpenAI) -> None:
    long: list[Any] = [{"role": "user", "content": "word " * 400}]
    first = await client.chat.completions.create(model="sim", messages=long, max_tokens=2)
    second = await client.chat.completions.create(model="sim", messages=long, max_tokens=2)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached % 16 == 0 and 0 < second.usage.prompt_tokens - cached <= 17


async def test_several_choices_differ_and_their_prompt_counts_once(client: AsyncOpenAI) -> None:
    one = await client.chat.completions.create(model="sim", messages=SEA, max_tokens=5)
    three = await client.chat.completions.create(model="sim", messages=SEA, n=3, max_tokens=16)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in three.choices}) == 3
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    stream = await client.chat.completions.create(model="sim", messages=SEA, n=3, max_tokens=16, stream=True)
    texts = ["", "", ""]
    async for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [choice.message.content for choice in three.choices]


async def test_named_required_and_mentioned_tools_are_called(client: AsyncOpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    mention: list[Any] = [{"role": "user", "content": "Use get_time and get_weather please."}]
    for messages, choice, called in (
        (SEA, named, ["get_weather"]),
        (SEA, "required", ["get_weather"]),
        (mention, "auto", ["get_weather", "get_time"]),
        (mention, "none", []),
        (SEA, "auto", []),
    ):
        chat = await client.chat.completions.create(
            model="sim", messages=messages, tools=[WEATHER, CLOCK], tool_choice=choice
        )
        calls = chat.choices[0].message.tool_calls or []
        assert [call.function.name for call in calls] == called
        assert chat.choices[0].finish_reason == ("tool_calls" if called else "stop")
        if called:
            assert isinstance(json.loads(calls[0].function.arguments)["city"], str)


async def test_tool_calls_stream_by_index_with_id_and_name_only_once(client: AsyncOpenAI) -> None:
    mention: list[Any] = [{"role": "user", "content": "get_weather, then get_time"}]
    request: Any = {"model": "sim", "messages": mention, "tools": [WEATHER, CLOCK]}
    whole = await client.chat.completions.create(**request)
    stream = await client.chat.completions.create(**request, stream=True)
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    async for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            if call.id is not None:
                assert call.index not in names and call.type == "function"
                names[call.index], arguments[call.index] = call.function.name, call.function.arguments
            else:
                assert call.function.name is None and call.type is None
                arguments[call.index] += call.function.arguments
        last = chunk
    assert last.choices[0].finish_reason == "tool_calls"
    expected = [(call.function.name, call.function.arguments) for call in whole.choices[0].message.tool_calls]
    assert list(zip(names.values(), arguments.values(), strict=True)) == expected


async def test_a_tool_result_is_answered_with_text(client: AsyncOpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history: list[Any] = [
        {"role": "user", "content": "get_weather"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
    ]
    chat = await client.chat.completions.create(model="sim", messages=history, tools=[WEATHER])
    assert chat.choices[0].message.content and not chat.choices[0].message.tool_calls


class Place(BaseModel):
    name: str
    height_m: int
    tags: list[str]
    parent: "Place | None" = None


async def test_structured_output_is_valid_for_its_schema(client: AsyncOpenAI) -> None:
    chat = await client.chat.completions.parse(model="sim", messages=SEA, response_format=Place)
    assert isinstance(chat.choices[0].message.parsed, Place)
    plain = await client.chat.completions.create(model="sim", messages=SEA, response_format={"type": "json_object"})
    assert isinstance(json.loads(plain.choices[0].message.content), dict)


async def test_log_probabilities_cover_the_text(client: AsyncOpenAI) -> None:
    request: Any = {"model": "sim", "messages": SEA, "max_tokens": 6, "logprobs": True, "top_logprobs": 2}
    chat = await client.chat.completions.create(**request)
    entries = chat.choices[0].logprobs.content
    assert "".join(entry.token for entry in entries) == chat.choices[0].message.content
    assert all(len(entry.top_logprobs) == 2 for entry in entries)
    stream = await client.chat.completions.create(**request, stream=True)
    streamed = [chunk.choices[0].logprobs.content[0] async for chunk in stream if chunk.choices[0].logprobs]
    assert streamed == entries


async def test_completions_take_texts_and_token_ids(client: AsyncOpenAI) -> None:
    several = await client.completions.create(model="sim", prompt=["one", "two"], n=2, max_tokens=4, logprobs=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert several.object == "text_completion" and several.choices[0].logprobs.text_offset == [0, 4, 8, 12]
    tokens = await client.completions.create(model="sim", prompt=[1, 2, 3], max_tokens=9)
    assert tokens.usage.prompt_tokens == 3
    stream = await client.completions.create(model="sim", prompt=[1, 2, 3], max_tokens=9, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == tokens.choices[0].text


async def test_embeddings_are_unit_vectors_in_both_encodings(client: AsyncOpenAI) -> None:
    packed = await client.embeddings.create(model="sim", input=["a red house", "the sea"], dimensions=64)
    plain = await client.embeddings.create(model="sim", input="a red house", dimensions=64, encoding_format="float")
    assert [len(each.embedding) for each in packed.data] == [64, 64]
    assert sum(value * value for value in packed.data[0].embedding) == pytest.approx(1.0, abs=1e-6)
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == 3 + 2
    assert len((await client.embeddings.create(model="sim", input=[[5, 6], [7]])).data[0].embedding) == 384


async def test_models_are_listed_as_simulated(client: AsyncOpenAI) -> None:
    models = [model async for model in client.models.list()]
    assert [(model.id, model.owned_by) for model in models] == [
        ("sim", "intertie-simulated"),
        ("alias", "intertie-simulated"),
    ]
    assert (await client.models.retrieve("alias")).id == "alias"


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="other", messages=SEA)
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("other")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"tools": [WEATHER], "tool_choice": CLOCK}, "tool_choice"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(client: AsyncOpenAI, wrong: Any, field: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**{"model": "sim", "messages": SEA, **wrong})
    assert refused.value.param == field


async def test_completions_and_embeddings_name_what_is_wrong_too(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="echo"):
        await client.completions.create(model="sim", prompt="x", echo=True)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.embeddings.create(model="sim", input=["a", 1])
    assert refused.value.param == "input"


async def test_a_prompt_beyond_the_context_is_refused(start: Start) -> None:
    engine = await start(context=100)
    async with AsyncOpenAI(base_url=engine.url, api_key="none", max_retries=0) as sdk:
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.chat.completions.create(model="sim", messages=[{"role": "user", "content": "x" * 800}])
        assert refused.value.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError):
            await sdk.chat.completions.create(model="sim", messages=SEA, max_tokens=99)


async def test_a_key_is_asked_for_where_one_is_set(start: Start) -> None:
    engine = await start(api_key="secret")
    for key, welcome in (("wrong", False), ("secret", True)):
        async with AsyncOpenAI(base_url=engine.url, api_key=key, max_retries=0) as sdk:
            if welcome:
                await sdk.models.list()
                continue
            with pytest.raises(openai.AuthenticationError):
                await sdk.chat.completions.create(model="sim", messages=SEA)


async def test_the_journal_says_what_was_done(
    client: AsyncOpenAI, journal: Callable[[int], Awaitable[list[Entry]]]
) -> None:
    answer = await client.chat.completions.with_raw_response.create(
        model="sim", messages=SEA, max_tokens=12, extra_headers={"x-request-id": "req_w_7"}
    )
    assert answer.headers["x-request-id"] == "req_w_7"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="other", messages=SEA)
    done, refused = await journal(2)
    assert (done.request_id, done.status, done.completion_tokens, done.aborted_at) == ("req_w_7", 200, 12, None)
    assert done.prompt_tokens > 0 and done.started < done.ended
    assert (refused.status, refused.completion_tokens) == (404, 0)
