"""The engine's Responses and Azure's paths as OpenAI's own SDK sees them."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry
from recordings import data_url, png

Journal = Callable[[int], Awaitable[list[Entry]]]
SEA = "Tell me about the sea."
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**CITY, "additionalProperties": False}
WEATHER: Any = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}
CLOCK: Any = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}


async def ask(client: AsyncOpenAI, given: Any = SEA, **more: Any) -> Any:
    return await client.responses.create(**{"model": "sim", "input": given, "store": False, **more})


async def stream(client: AsyncOpenAI, given: Any = SEA, **more: Any) -> tuple[list[Any], Any]:
    """All events, and the response that the SDK makes of them."""
    async with client.responses.stream(**{"model": "sim", "input": given, "store": False, **more}) as events:
        return [event async for event in events], await events.get_final_response()


async def test_the_same_response_comes_whole_and_streamed(client: AsyncOpenAI) -> None:
    whole, (events, streamed) = await ask(client), await stream(client)
    assert whole.output_text.startswith("Simulated answer.") and whole.status == "completed"
    assert streamed.output_text == whole.output_text and streamed.usage.output_tokens == whole.usage.output_tokens
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)) and events[0].type == "response.created"
    cut = await ask(client, max_output_tokens=16)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


async def test_tools_are_items_with_ids_of_their_own(client: AsyncOpenAI) -> None:
    both = "get_weather and get_time"
    whole, (_, streamed) = (
        await ask(client, both, tools=[WEATHER, CLOCK]),
        await stream(client, both, tools=[WEATHER, CLOCK]),
    )
    assert [item.name for item in whole.output] == ["get_weather", "get_time"]
    assert [item.arguments for item in streamed.output] == [item.arguments for item in whole.output]
    assert whole.output[0].call_id.startswith("call_") and whole.output[0].id.startswith("fc_")
    one = await ask(client, both, tools=[WEATHER, CLOCK], parallel_tool_calls=False)
    assert len(one.output) == 1
    allowed: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
    forced = await ask(client, tools=[WEATHER, CLOCK], tool_choice=allowed)
    assert forced.output[0].name == "get_time"


async def test_thoughts_are_sealed_and_must_be_followed_by_what_they_led_to(client: AsyncOpenAI) -> None:
    more: Any = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    _, first = await stream(client, "get_weather", tools=[WEATHER], **more)
    thought, call = (item.model_dump(exclude_none=True) for item in first.output)
    assert thought["summary"][0]["text"].startswith("Let me think") and thought["encrypted_content"]
    assert first.usage.output_tokens_details.reasoning_tokens == 24
    call = {name: call[name] for name in ("type", "id", "call_id", "name", "arguments")}
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sun"}
    said = {"role": "user", "content": "get_weather"}
    assert (await ask(client, [said, thought, call, result], tools=[WEATHER])).output_text
    for items, told in (
        ([said, result], "No tool call found for function call output"),
        ([said, thought, result], "without its required following item"),
        ([said, thought], "without its required following item"),
        ([said, call], "No tool output found for function call"),
        ([said, {**thought, "encrypted_content": "Zm9yZ2Vk"}, call, result], "could not be verified"),
    ):
        with pytest.raises(openai.BadRequestError, match=told):
            await ask(client, items, tools=[WEATHER])
    del thought["encrypted_content"]
    with pytest.raises(openai.NotFoundError, match="not persisted"):
        await ask(client, [said, thought, call, result], tools=[WEATHER])


async def test_pictures_and_forms(client: AsyncOpenAI) -> None:
    part = {"type": "input_image", "detail": "auto", "image_url": data_url("image/png", png(8, 8))}
    seen = await ask(client, [{"role": "user", "content": [part, {"type": "input_text", "text": "What is it?"}]}])
    assert seen.output_text.startswith("Simulated answer to 1 image.")
    form = {"type": "json_schema", "name": "city", "strict": True, "schema": CLOSED}
    assert list(json.loads((await ask(client, text={"format": form})).output_text)) == ["city"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"extra_body": {"seed": 1}}, "unknown_parameter"),
        ({"max_output_tokens": 5}, "integer_below_min_value"),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found"),
        ({"text": {"format": {"type": "json_object"}}}, "invalid_value"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": CITY}}},
            "invalid_json_schema",
        ),
        ({"tools": [{**WEATHER, "strict": True}]}, "invalid_function_parameters"),
        ({"tool_choice": "required"}, "invalid_value"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "invalid_value"),
        ({"input": [{"type": "message", "role": "assistant", "id": "x", "content": "x"}]}, "invalid_type"),
    ],
)
async def test_what_is_forbidden_is_refused_as_openai_does(client: AsyncOpenAI, wrong: Any, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, **wrong)
    assert caught.value.code == code


async def test_an_error_in_a_stream_is_an_event_that_the_sdk_passes_on(client: AsyncOpenAI) -> None:
    events = [event async for event in await ask(client, "{{sim fault=error_in_200}}", stream=True)]
    assert [event.type for event in events] == ["error"] and "simulated fault" in events[0].message


async def test_azures_older_path_names_the_deployment_and_its_tier_is_told(
    engine: RunningEngine, journal: Journal
) -> None:
    address = engine.url.removesuffix("/v1")
    async with AsyncAzureOpenAI(
        azure_endpoint=address, api_key="none", api_version="2024-10-21", max_retries=0
    ) as azure:
        asked: Any = {"model": "sim", "messages": [{"role": "user", "content": SEA}]}
        answer = await azure.chat.completions.create(**asked, reasoning_effort="low", service_tier="flex")
        with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: top_k"):
            await azure.chat.completions.create(**asked, extra_body={"top_k": 3})
        with pytest.raises(openai.NotFoundError):
            await azure.chat.completions.create(**{**asked, "model": "other"})
    assert answer.usage.completion_tokens_details.reasoning_tokens == 24
    assert "reasoning" not in answer.choices[0].message.model_fields_set
    done = (await journal(3))[0]
    assert (answer.service_tier, done.tier, done.reasoning_tokens) == ("flex", "flex", 24)
