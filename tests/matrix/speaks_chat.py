"""OpenAI's SDK, chat completions."""

import json
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

import openai
from matrix_words import Ask, Broken, Called, Past, Refused, Told
from openai import AsyncOpenAI

from recordings import data_url

STOPS = {"stop": "end", "length": "length", "tool_calls": "tool"}


@contextmanager
def openai_faults() -> Any:
    """What the SDK raises, in our words."""
    try:
        yield
    except openai.APIStatusError as fault:
        after = fault.response.headers.get("retry-after", "")
        raise Refused(fault.status_code, fault.message, fault.param or "", after, fault.type or "") from None
    except openai.APIError as fault:
        raise Broken(str(fault)) from None


class SpeaksChat:
    name, dialect = "openai SDK", "openai_chat"

    def __init__(self, url: str, key: str) -> None:
        self._sdk = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    async def close(self) -> None:
        await self._sdk.close()

    async def ask(self, asked: Ask, past: Past | None = None) -> Told:
        with openai_faults():
            if asked.stream:
                return await self._streamed(self._body(asked, past))
            answer = await self._sdk.chat.completions.with_raw_response.create(**self._body(asked, past))
        return _told(answer.headers["x-request-id"], answer.parse())

    async def pieces(self, asked: Ask) -> AsyncIterator[str]:
        stream: Any = await self._sdk.chat.completions.create(**self._body(asked), stream=True)
        async with stream:
            yield stream.response.headers["x-request-id"]
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    def _body(self, asked: Ask, past: Past | None = None) -> dict[str, Any]:
        messages: list[Any] = [{"role": "user", "content": _content(past.asked if past else asked)}]
        if asked.system:
            messages.insert(0, {"role": "developer", "content": asked.system})
        if past:
            messages.append(past.told.turn)
            for call, result in zip(past.told.calls, past.results, strict=True):
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        body: dict[str, Any] = {"model": asked.model, "messages": messages, "max_completion_tokens": asked.limit}
        if asked.tools:
            functions = [{"name": tool.name, "parameters": tool.schema} for tool in asked.tools]
            body["tools"] = [{"type": "function", "function": function} for function in functions]
        if asked.schema is not None:
            form = {"name": "place", "schema": asked.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body | ({"reasoning_effort": "low"} if asked.thinks else {}) | asked.more

    async def _streamed(self, body: dict[str, Any]) -> Told:
        """What most callers keep of a stream: words, calls, why it ends; thoughts are shown, and forgotten."""
        stream: Any = await self._sdk.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        )
        told, calls = Told(stream.response.headers["x-request-id"]), dict[int, Any]()
        async for chunk in stream:
            for choice in chunk.choices:
                _grow(told, calls, choice)
            if chunk.usage is not None:
                _count(told, chunk.usage)
        made = [calls[index] for index in sorted(calls)]
        told.calls = [Called(call["id"], call["name"], json.loads(call["arguments"])) for call in made]
        told.turn = {"role": "assistant", "content": told.text or None}
        if made:
            told.turn["tool_calls"] = [{"id": call.pop("id"), "type": "function", "function": call} for call in made]
        return told


def _content(asked: Ask) -> str | list[Any]:
    if not asked.images:
        return asked.text
    seen = [{"type": "image_url", "image_url": {"url": data_url("image/png", image)}} for image in asked.images]
    return [*seen, {"type": "text", "text": asked.text}]


def _grow(told: Told, calls: dict[int, Any], choice: Any) -> None:
    delta = choice.delta
    told.text += delta.content or ""
    told.thoughts += getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None) or ""
    for piece in delta.tool_calls or ():
        call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = call["id"] or piece.id
        call["name"] = call["name"] or piece.function.name
        call["arguments"] += piece.function.arguments or ""
    if choice.finish_reason:
        told.stop = STOPS[choice.finish_reason]


def _told(request: str, chat: Any) -> Told:
    choice = chat.choices[0]
    message = choice.message
    told = Told(request, message.content or "", stop=STOPS[choice.finish_reason], choices=len(chat.choices))
    told.chances = len((choice.logprobs and choice.logprobs.content) or ())
    told.thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
    told.calls = [
        Called(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
    ]
    told.turn = message.model_dump(exclude_none=True)
    _count(told, chat.usage)
    return told


def _count(told: Told, usage: Any) -> None:
    told.prompt, told.completion = usage.prompt_tokens, usage.completion_tokens
    told.cached = (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
