"""The engine's Converse as botocore sees it: its signatures, its shapes, its event streams."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from botocore.session import Session

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry
from recordings import png

Start = Callable[..., Awaitable[RunningEngine]]
Journal = Callable[[int], Awaitable[list[Entry]]]
MODEL = "anthropic.claude-sim-v1:0"


def said(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": one} if isinstance(one, str) else one for one in content]}


SEA = [said("Tell me about the sea.")]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {
    "tools": [
        {"toolSpec": {"name": "get_weather", "inputSchema": {"json": CITY}}},
        {"toolSpec": {"name": "get_time", "inputSchema": {"json": {"type": "object"}}}},
    ]
}


class Aws:
    """botocore's client, in a thread of its own for every call."""

    def __init__(self, engine: RunningEngine, secret: str) -> None:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=10)
        self._client: Any = Session().create_client(
            "bedrock-runtime", region_name="eu-central-1", config=config, aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key=secret, endpoint_url=engine.url.removesuffix("/v1"),
        )  # fmt: skip

    async def converse(self, messages: Any = SEA, **more: object) -> Any:
        return await asyncio.to_thread(self._client.converse, modelId=MODEL, messages=messages, **more)

    async def stream(self, messages: Any = SEA, **more: object) -> list[Any]:
        def events() -> list[Any]:
            return list(self._client.converse_stream(modelId=MODEL, messages=messages, **more)["stream"])

        return await asyncio.to_thread(events)

    async def refused(self, messages: Any = SEA, **more: object) -> str:
        with pytest.raises(ClientError) as caught:
            await self.converse(messages, **more)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return caught.value.response["Error"]["Message"]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
async def aws(start: Start):
    aws = Aws(await start(model=(MODEL,), api_key="secret"), "secret")
    yield aws
    aws.close()


def deltas(events: list[Any], kind: str) -> list[Any]:
    return [
        delta[kind]
        for event in events
        if (delta := event.get("contentBlockDelta", {}).get("delta", {})) and kind in delta
    ]


async def test_the_same_answer_comes_whole_and_streamed(aws: Aws, journal: Journal) -> None:
    whole, events = await aws.converse(), await aws.stream()
    text = whole["output"]["message"]["content"][0]["text"]
    assert text.startswith("Simulated answer.") and "".join(deltas(events, "text")) == text
    assert whole["stopReason"] == "end_turn" and events[0] == {"messageStart": {"role": "assistant"}}
    assert [next(iter(event)) for event in events[-3:]] == ["contentBlockStop", "messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == whole["usage"]["outputTokens"]
    assert (await journal(1))[0].completion_tokens == whole["usage"]["outputTokens"]
    cut = await aws.converse(inferenceConfig={"maxTokens": 2})
    assert cut["stopReason"] == "max_tokens"


async def test_tools_are_called_and_their_results_answered(aws: Aws) -> None:
    both = [said("get_weather and get_time")]
    whole, events = await aws.converse(both, toolConfig=TOOLS), await aws.stream(both, toolConfig=TOOLS)
    uses = [block["toolUse"] for block in whole["output"]["message"]["content"]]
    assert [use["name"] for use in uses] == ["get_weather", "get_time"] and whole["stopReason"] == "tool_use"
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert [start["start"]["toolUse"]["toolUseId"] for start in starts] == [use["toolUseId"] for use in uses]
    results = [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "x"}]}} for use in uses]
    loop = [*both, whole["output"]["message"], said(*results)]
    assert (await aws.converse(loop, toolConfig=TOOLS))["output"]["message"]["content"][0]["text"]
    for turns, more, told in (
        (loop, {}, "toolConfig field must be defined"),
        ([*both, whole["output"]["message"], said(results[0])], {"toolConfig": TOOLS}, "Expected toolResult blocks"),
        ([said(results[0])], {"toolConfig": TOOLS}, "exceeds the number of toolUse blocks"),
        ([*both, *both], {}, "must alternate between user and assistant"),
        ([said("x", role="assistant")], {}, "must start with a user message"),
        ([said(" ")], {}, "is blank"),
        ([said()], {}, "is empty"),
    ):
        assert told in await aws.refused(turns, **more)


async def test_a_claude_thinks_signs_and_marks_what_it_keeps(aws: Aws, journal: Journal) -> None:
    more: Any = {"inferenceConfig": {"maxTokens": 4_000}}
    more["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
    events = await aws.stream(**more)
    thoughts = deltas(events, "reasoningContent")
    text, signature = "".join(one.get("text", "") for one in thoughts), thoughts[-1]["signature"]
    assert text.startswith("Let me think")
    block = {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
    assert await aws.converse([*SEA, said(block, "Yes.", role="assistant"), said("And?")], **more)
    block["reasoningContent"]["reasoningText"]["signature"] = "Zm9yZ2Vk"
    assert "signature" in await aws.refused([*SEA, said(block, role="assistant"), said("And?")], **more)
    kept = [{"text": "word " * 400}, {"cachePoint": {"type": "default"}}]
    first, second = (await aws.converse(system=kept))["usage"], (await aws.converse(system=kept))["usage"]
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] > 400
    assert first["cacheDetails"] == [{"ttl": "5m", "inputTokens": first["cacheWriteInputTokens"]}]
    assert first["totalTokens"] == first["inputTokens"] + first["outputTokens"] + first["cacheWriteInputTokens"]
    done = (await journal(4))[-2]
    assert done.written_tokens == first["cacheWriteInputTokens"]


async def test_pictures_forms_and_stops(aws: Aws) -> None:
    seen = await aws.converse([said({"image": {"format": "png", "source": {"bytes": png(8, 8)}}}, "What is it?")])
    assert seen["output"]["message"]["content"][0]["text"].startswith("Simulated answer to 1 image.")
    wrong = [said({"image": {"format": "jpeg", "source": {"bytes": png(8, 8)}}})]
    assert "Could not process image" in await aws.refused(wrong)
    structure = {"jsonSchema": {"schema": '{"type":"object","properties":{},"additionalProperties":false}'}}
    formed = await aws.converse(outputConfig={"textFormat": {"type": "json_schema", "structure": structure}})
    assert formed["output"]["message"]["content"][0]["text"].startswith("{")
    stopped = await aws.converse(
        inferenceConfig={"stopSequences": ["answer"]}, additionalModelResponseFieldPaths=["/stop_sequence"]
    )
    assert stopped["stopReason"] == "stop_sequence"
    assert stopped["additionalModelResponseFields"] == {"stop_sequence": "answer"}
    assert "extraneous key [seed]" in await aws.refused(additionalModelRequestFields={"seed": 1})


async def test_errors_are_botocores_exceptions(aws: Aws) -> None:
    def saying(fault: str) -> list[Any]:
        return [said(f"{{{{sim fault={fault} tokens=20}}}}")]

    for fault, code in (("status:429", "ThrottlingException"), ("status:500", "InternalServerException")):
        with pytest.raises(ClientError) as caught:
            await aws.converse(saying(fault))
        assert caught.value.response["Error"]["Code"] == code
    for fault, told in (("error_in_200", "internalServerException"), ("malformed:2", "Checksum")):
        with pytest.raises(Exception, match=told) as broken:
            await aws.stream(saying(fault))
        assert fault != "error_in_200" or isinstance(broken.value, EventStreamError)


async def test_another_secret_signs_nothing(start: Start) -> None:
    aws = Aws(await start(model=(MODEL,), api_key="secret"), "wrong")
    with pytest.raises(ClientError) as caught:
        await aws.converse()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    aws.close()
