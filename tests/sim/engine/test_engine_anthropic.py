"""The engine as Anthropic's own SDK sees it."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry
from recordings import png

Start = Callable[..., Awaitable[RunningEngine]]
Journal = Callable[[int], Awaitable[list[Entry]]]
SEA: list[Any] = [{"role": "user", "content": "Tell me about the sea."}]
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: Any = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
THINK: Any = {"type": "enabled", "budget_tokens": 1_024}
CLOSED = {"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": False}


@pytest.fixture
async def claude(engine: RunningEngine) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=engine.url.removesuffix("/v1"), api_key="none", max_retries=0) as sdk:
        yield sdk


async def ask(claude: AsyncAnthropic, messages: list[Any] = SEA, **more: Any) -> Any:
    return await claude.messages.create(**{"model": "sim", "max_tokens": 2_000, "messages": messages, **more})


async def stream(claude: AsyncAnthropic, messages: list[Any] = SEA, **more: Any) -> tuple[list[str], Any]:
    """The kinds of events, and the message that the SDK makes of them."""
    asked: Any = {"model": "sim", "max_tokens": 2_000, "messages": messages, **more}
    async with claude.messages.stream(**asked) as events:
        return [event.type async for event in events], await events.get_final_message()


async def refused(claude: AsyncAnthropic, messages: list[Any] = SEA, **more: Any) -> str:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await ask(claude, messages, **more)
    body: Any = caught.value.body
    assert body["type"] == "error" and body["error"]["type"] == "invalid_request_error" and body["request_id"]
    return body["error"]["message"]


async def test_the_same_message_comes_whole_and_streamed(claude: AsyncAnthropic) -> None:
    whole, (_, streamed) = await ask(claude), await stream(claude)
    assert whole.content[0].text.startswith("Simulated answer.")
    assert (whole.stop_reason, whole.stop_sequence, whole.role) == ("end_turn", None, "assistant")
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert (await ask(claude, max_tokens=3)).stop_reason == "max_tokens"


async def test_a_stop_sequence_is_named(claude: AsyncAnthropic) -> None:
    message = await ask(claude, stop_sequences=["answer"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "answer")
    assert message.content[0].text == "Simulated "


async def test_tools_are_called_one_after_another(claude: AsyncAnthropic) -> None:
    both: list[Any] = [{"role": "user", "content": "get_weather and get_time"}]
    whole = await ask(claude, both, tools=[WEATHER, CLOCK])
    kinds, streamed = await stream(claude, both, tools=[WEATHER, CLOCK])
    assert [block.name for block in whole.content] == ["get_weather", "get_time"]
    assert whole.content[0].id.startswith("toolu_") and isinstance(whole.content[0].input["city"], str)
    assert [block.input for block in streamed.content] == [block.input for block in whole.content]
    assert whole.stop_reason == streamed.stop_reason == "tool_use" and kinds.count("content_block_stop") == 2
    alone = await ask(
        claude, both, tools=[WEATHER, CLOCK], tool_choice={"type": "auto", "disable_parallel_tool_use": True}
    )
    assert [block.name for block in alone.content] == ["get_weather"]
    forced = await ask(claude, tools=[CLOCK], tool_choice={"type": "tool", "name": "get_time"})
    assert forced.content[0].name == "get_time"


async def test_thoughts_are_signed_and_come_back_unchanged_or_not_at_all(claude: AsyncAnthropic) -> None:
    asked: list[Any] = [{"role": "user", "content": "get_weather"}]
    _, first = await stream(claude, asked, tools=[WEATHER], thinking=THINK)
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    assert first.usage.output_tokens_details.thinking_tokens == 32
    blocks = [block.model_dump(exclude_none=True) for block in first.content]
    result = {"type": "tool_result", "tool_use_id": blocks[1]["id"], "content": "sun"}
    loop: list[Any] = [*asked, {"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
    assert (await ask(claude, loop, tools=[WEATHER], thinking=THINK)).content[-1].type == "text"
    forged = [{**blocks[0], "thinking": "I was told to."}, blocks[1]]
    loop[1] = {"role": "assistant", "content": forged}
    assert "Invalid `signature`" in await refused(claude, loop, tools=[WEATHER], thinking=THINK)
    loop[1] = {"role": "assistant", "content": blocks[1:]}
    assert "must start with a thinking block" in await refused(claude, loop, tools=[WEATHER], thinking=THINK)
    hidden = await ask(claude, thinking={"type": "adaptive", "display": "omitted"})
    assert hidden.content[0].thinking == "" and hidden.content[0].signature


async def test_pictures_are_counted_and_looked_at(claude: AsyncAnthropic) -> None:
    def picture(kind: str, data: bytes) -> dict[str, object]:
        source = {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}
        return {"type": "image", "source": source}

    two = [picture("image/png", png(8, 8)), picture("image/png", png(9, 9)), {"type": "text", "text": "What is it?"}]
    message = await ask(claude, [{"role": "user", "content": two}])
    assert message.content[0].text.startswith("Simulated answer to 2 images.")
    wrong = [picture("image/jpeg", png(8, 8))]
    assert "media type" in await refused(claude, [{"role": "user", "content": wrong}])


async def test_structured_output_wants_a_closed_object(claude: AsyncAnthropic) -> None:
    message = await ask(claude, output_config={"format": {"type": "json_schema", "schema": CLOSED}})
    assert message.content[0].text.startswith('{"age":')
    open_one = {**CLOSED, "additionalProperties": True}
    told = await refused(claude, output_config={"format": {"type": "json_schema", "schema": open_one}})
    assert "'additionalProperties' must be explicitly set to false" in told


async def test_what_is_marked_is_written_and_then_read(claude: AsyncAnthropic, journal: Journal) -> None:
    long: Any = [{"type": "text", "text": "word " * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first = await ask(claude, system=long)
    second = await ask(claude, system=long)
    unmarked = await ask(claude, system="word " * 400)
    usage = first.usage
    assert usage.cache_read_input_tokens == 0 and usage.cache_creation_input_tokens % 16 == 0
    assert usage.cache_creation.ephemeral_1h_input_tokens == usage.cache_creation_input_tokens > 400
    assert second.usage.cache_read_input_tokens == usage.cache_creation_input_tokens
    assert second.usage.input_tokens == usage.input_tokens < 100
    assert (unmarked.usage.cache_read_input_tokens, unmarked.usage.cache_creation_input_tokens) == (0, 0)
    one, two, _ = await journal(3)
    assert (one.written_1h_tokens, one.cached_tokens) == (usage.cache_creation_input_tokens, 0)
    assert (two.written_1h_tokens, two.cached_tokens) == (0, usage.cache_creation_input_tokens)
    assert one.prompt_tokens == two.prompt_tokens == usage.cache_creation_input_tokens + usage.input_tokens


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"extra_body": {"max_tokens": None}}, "max_tokens: Expected `int`"),
        ({"extra_body": {"seed": 1}}, "seed: Extra inputs are not permitted"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "messages.0.content.0.text"),
        ({"extra_body": {"temperature": 0.5, "top_p": 0.5}}, "cannot both be specified"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "must be greater than `thinking.budget_tokens`"),
        ({"thinking": THINK, "tools": [CLOCK], "tool_choice": {"type": "any"}}, "when tool_choice forces tool use"),
        ({"tool_choice": {"type": "any"}}, "may only be specified while providing tools"),
        ({"tools": [{"name": "x", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
    ],
)
async def test_what_is_forbidden_is_refused_as_anthropic_does(claude: AsyncAnthropic, wrong: Any, told: str) -> None:
    assert told in await refused(claude, **wrong)


async def test_results_need_calls_and_calls_need_results(claude: AsyncAnthropic) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"}
    for turns, told in (
        ([("user", [result])], "unexpected `tool_use_id`"),
        ([("user", "x"), ("assistant", [call])], "without `tool_result` blocks immediately after: toolu_1"),
        ([("user", "x"), ("assistant", [call]), ("user", "y")], "messages.1: `tool_use` ids were found without"),
        ([("user", "x"), ("assistant", [call]), ("user", [{"type": "text", "text": "y"}, result])], "without"),
    ):
        messages = [{"role": role, "content": content} for role, content in turns]
        assert told in await refused(claude, messages, tools=[CLOCK])


async def test_faults_that_the_prompt_asks_for_come_in_anthropics_words(claude: AsyncAnthropic) -> None:
    def saying(fault: str) -> list[Any]:
        return [{"role": "user", "content": f"{{{{sim fault={fault} tokens=20}}}}"}]

    with pytest.raises(anthropic.RateLimitError) as busy:
        await ask(claude, saying("status:429;retry-after=2"))
    assert busy.value.response.headers["retry-after"] == "2"
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        await ask(claude, saying("status:529"))
    assert overloaded.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(anthropic.APIStatusError):
        await stream(claude, saying("error_in_200"))


async def test_a_key_and_a_version_are_asked_for(start: Start) -> None:
    engine = await start(api_key="secret")
    address = engine.url.removesuffix("/v1")
    async with AsyncAnthropic(base_url=address, api_key="wrong", max_retries=0) as sdk:
        with pytest.raises(anthropic.AuthenticationError):
            await ask(sdk)
    async with AsyncAnthropic(base_url=address, api_key="secret", max_retries=0) as sdk:
        await ask(sdk)
        with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
            await ask(sdk, extra_headers={"anthropic-version": anthropic.Omit()})
