"""OpenAI's SDK, Responses."""

import json
from collections.abc import AsyncIterator
from typing import Any

from matrix_words import Ask, Broken, Called, Past, Told
from openai import AsyncOpenAI
from speaks_chat import openai_faults

from recordings import data_url


class SpeaksResponses:
    name, dialect = "openai SDK", "openai_responses"

    def __init__(self, url: str, key: str) -> None:
        self._sdk = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    async def close(self) -> None:
        await self._sdk.close()

    async def ask(self, asked: Ask, past: Past | None = None) -> Told:
        with openai_faults():
            if asked.stream:
                return await self._streamed(self._body(asked, past))
            answer = await self._sdk.responses.with_raw_response.create(**self._body(asked, past))
        return _told(answer.headers["x-request-id"], answer.parse())

    async def pieces(self, asked: Ask) -> AsyncIterator[str]:
        stream: Any = await self._sdk.responses.create(**self._body(asked), stream=True)
        async with stream:
            yield stream.response.headers["x-request-id"]
            async for event in stream:
                if event.type == "response.output_text.delta":
                    yield event.delta

    def _body(self, asked: Ask, past: Past | None = None) -> dict[str, Any]:
        given: list[Any] = [{"role": "user", "content": _content(past.asked if past else asked)}]
        if past:
            given += past.told.turn
            for call, result in zip(past.told.calls, past.results, strict=True):
                given.append({"type": "function_call_output", "call_id": call.id, "output": result})
        body: dict[str, Any] = {"model": asked.model, "input": given, "max_output_tokens": asked.limit, "store": False}
        if asked.system:
            body["instructions"] = asked.system
        if asked.tools:
            body["tools"] = [
                {"type": "function", "name": tool.name, "parameters": tool.schema, "strict": False}
                for tool in asked.tools
            ]
        if asked.schema is not None:
            form = {"type": "json_schema", "name": "place", "schema": asked.schema, "strict": True}
            body["text"] = {"format": form}
        if asked.thinks:
            body |= {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        return body | asked.more

    async def _streamed(self, body: dict[str, Any]) -> Told:
        """As the SDK's own accumulator has it. An `error` event is passed on as such, and `failed` tells another."""
        stream: Any = await self._sdk.responses.create(**body, stream=True)
        request, last, pieces = stream.response.headers["x-request-id"], None, ""
        async for event in stream:
            if event.type in ("error", "response.failed"):
                raise Broken(str(event))
            if event.type == "response.output_text.delta":
                pieces += event.delta
            if event.type in ("response.completed", "response.incomplete"):
                last = event.response
        if last is None:
            raise Broken("the stream ended before its end")
        assert pieces == last.output_text
        return _told(request, last)


def _content(asked: Ask) -> list[Any]:
    seen = [
        {"type": "input_image", "detail": "auto", "image_url": data_url("image/png", image)} for image in asked.images
    ]
    return [*seen, {"type": "input_text", "text": asked.text}]


def _told(request: str, response: Any) -> Told:
    told = Told(request, response.output_text)
    told.stop = "length" if response.status == "incomplete" else "end"
    for item in response.output:
        if item.type == "function_call":
            told.calls.append(Called(item.call_id, item.name, json.loads(item.arguments)))
            told.stop = "tool"
        elif item.type == "message":
            told.chances += sum(len(part.logprobs or ()) for part in item.content)
        elif item.type == "reasoning":
            told.thoughts += "".join(part.text for part in [*item.summary, *(item.content or ())])
    told.turn = [item.model_dump(exclude_none=True) for item in response.output]
    usage = response.usage
    told.prompt, told.completion = usage.input_tokens, usage.output_tokens
    told.cached = usage.input_tokens_details.cached_tokens
    return told
