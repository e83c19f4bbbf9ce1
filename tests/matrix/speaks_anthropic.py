"""Anthropic's SDK, Messages."""

import base64
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
from anthropic import AsyncAnthropic
from matrix_words import Ask, Broken, Called, Past, Refused, Told

STOPS = {"end_turn": "end", "stop_sequence": "end", "max_tokens": "length", "tool_use": "tool"}


@contextmanager
def _faults() -> Any:
    try:
        yield
    except anthropic.APIStatusError as fault:
        if fault.response.status_code < 400:
            raise Broken(str(fault)) from None
        error: Any = fault.body["error"] if isinstance(fault.body, dict) else {"message": str(fault), "type": ""}
        after = fault.response.headers.get("retry-after", "")
        raise Refused(fault.status_code, error["message"], "", after, error["type"]) from None
    except (anthropic.APIError, httpx2.HTTPError) as fault:
        raise Broken(str(fault)) from None


class SpeaksAnthropic:
    name, dialect = "anthropic SDK", "anthropic_messages"

    def __init__(self, url: str, key: str) -> None:
        self._sdk = AsyncAnthropic(base_url=url, api_key=key, max_retries=0)

    async def close(self) -> None:
        await self._sdk.close()

    async def ask(self, asked: Ask, past: Past | None = None) -> Told:
        with _faults():
            if asked.stream:
                async with self._sdk.messages.stream(**self._body(asked, past)) as stream:
                    message = await stream.get_final_message()
                if message.stop_reason is None:
                    raise Broken("the stream ended before its end")
                return _told(stream.response.headers["x-request-id"], message)
            answer = await self._sdk.messages.with_raw_response.create(**self._body(asked, past))
        return _told(answer.headers["x-request-id"], await answer.parse())

    async def pieces(self, asked: Ask) -> AsyncIterator[str]:
        stream: Any = await self._sdk.messages.create(**self._body(asked), stream=True)
        async with stream:
            yield stream.response.headers["x-request-id"]
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

    def _body(self, asked: Ask, past: Past | None = None) -> dict[str, Any]:
        messages: list[Any] = [{"role": "user", "content": _content(past.asked if past else asked)}]
        if past:
            messages.append({"role": "assistant", "content": past.told.turn})
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": result}
                for call, result in zip(past.told.calls, past.results, strict=True)
            ]
            messages.append({"role": "user", "content": results})
        body: dict[str, Any] = {"model": asked.model, "messages": messages, "max_tokens": asked.limit}
        if asked.system:
            body["system"] = asked.system
        if asked.tools:
            body["tools"] = [{"name": tool.name, "input_schema": tool.schema} for tool in asked.tools]
        if asked.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": asked.schema}}
        if asked.thinks:
            body["thinking"] = {"type": "enabled", "budget_tokens": 1_024, "display": "summarized"}
        return body | asked.more


def _content(asked: Ask) -> list[Any]:
    def source(image: bytes) -> dict[str, str]:
        return {"type": "base64", "media_type": "image/png", "data": base64.b64encode(image).decode()}

    seen = [{"type": "image", "source": source(image)} for image in asked.images]
    return [*seen, {"type": "text", "text": asked.text}]


def _told(request: str, message: Any) -> Told:
    told = Told(request, stop=STOPS[message.stop_reason])
    for block in message.content:
        if block.type == "text":
            told.text += block.text
        elif block.type == "thinking":
            told.thoughts += block.thinking
        elif block.type == "tool_use":
            told.calls.append(Called(block.id, block.name, block.input))
    told.turn = [block.model_dump(exclude_none=True) for block in message.content]
    usage = message.usage
    told.cached = usage.cache_read_input_tokens or 0
    told.prompt = usage.input_tokens + told.cached + (usage.cache_creation_input_tokens or 0)
    told.completion = usage.output_tokens
    return told
