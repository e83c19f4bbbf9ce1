"""Gemini as its documentation shows it: JSON over HTTP."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from matrix_words import Ask, Broken, Called, Past, Refused, Told

STOPS = {"STOP": "end", "MAX_TOKENS": "length"}


class SpeaksGemini:
    name, dialect = "HTTP", "gemini"

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url, headers={"x-goog-api-key": key}, timeout=30)

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, asked: Ask, past: Past | None = None) -> Told:
        if asked.stream:
            try:
                return await self._streamed(asked, past)
            except httpx2.HTTPError as fault:
                raise Broken(str(fault)) from None
        answer = await self._http.post(f"/v1beta/models/{asked.model}:generateContent", json=_body(asked, past))
        _check(answer.status_code, answer.headers, answer.content)
        return _told(answer.headers["x-request-id"], [answer.json()])

    async def pieces(self, asked: Ask) -> AsyncIterator[str]:
        async with self._opened(asked) as answer:
            yield answer.headers["x-request-id"]
            async for chunk in _chunks(answer):
                for part in _parts(chunk):
                    if part.get("text"):
                        yield part["text"]

    @asynccontextmanager
    async def _opened(self, asked: Ask, past: Past | None = None) -> AsyncIterator[httpx2.Response]:
        path = f"/v1beta/models/{asked.model}:streamGenerateContent?alt=sse"
        async with self._http.stream("POST", path, json=_body(asked, past)) as answer:
            if answer.status_code != 200:
                _check(answer.status_code, answer.headers, await answer.aread())
            yield answer

    async def _streamed(self, asked: Ask, past: Past | None) -> Told:
        async with self._opened(asked, past) as answer:
            chunks = [chunk async for chunk in _chunks(answer)]
        if not any("finishReason" in one for chunk in chunks for one in chunk.get("candidates", ())):
            raise Broken("the stream ended before its end")
        return _told(answer.headers["x-request-id"], chunks)


async def _chunks(answer: httpx2.Response) -> AsyncIterator[Any]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            chunk = json.loads(line.removeprefix("data:"))
            if "error" in chunk:
                raise Broken(chunk["error"]["message"])
            yield chunk


def _check(status: int, headers: Any, body: bytes) -> None:
    if status != 200:
        error = json.loads(body)["error"]
        assert error["code"] == status, error
        raise Refused(status, error["message"], _field(error), headers.get("retry-after", ""), error["status"])


def _field(error: Any) -> str:
    """Where Google names fields: in the details (google.rpc.BadRequest)."""
    for detail in error.get("details", ()):
        for violation in detail.get("fieldViolations", ()):
            return violation["field"]
    return ""


def _body(asked: Ask, past: Past | None) -> dict[str, Any]:
    first = past.asked if past else asked
    seen = [
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(image).decode()}} for image in first.images
    ]
    contents: list[Any] = [{"role": "user", "parts": [*seen, {"text": first.text}]}]
    if past:
        contents.append({"role": "model", "parts": past.told.turn})
        results = [
            {
                "functionResponse": {"name": call.name, "response": {"output": result}}
                | ({"id": call.id} if call.id else {})
            }
            for call, result in zip(past.told.calls, past.results, strict=True)
        ]
        contents.append({"role": "user", "parts": results})
    config: dict[str, Any] = {"maxOutputTokens": asked.limit}
    body: dict[str, Any] = {"contents": contents, "generationConfig": config}
    if asked.system:
        body["systemInstruction"] = {"parts": [{"text": asked.system}]}
    if asked.tools:
        declared = [{"name": tool.name, "parametersJsonSchema": tool.schema} for tool in asked.tools]
        body["tools"] = [{"functionDeclarations": declared}]
    if asked.schema is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": asked.schema}
    if asked.thinks:
        config["thinkingConfig"] = {"includeThoughts": True, "thinkingLevel": "LOW"}
    config |= asked.more.get("generationConfig", {})
    return body | {name: value for name, value in asked.more.items() if name != "generationConfig"}


def _parts(chunk: Any) -> list[Any]:
    return [part for one in chunk.get("candidates", ())[:1] for part in one.get("content", {}).get("parts", ())]


def _told(request: str, chunks: list[Any]) -> Told:
    told, turn = Told(request, choices=len(chunks[0]["candidates"])), list[Any]()
    told.chances = len(chunks[0]["candidates"][0].get("logprobsResult", {}).get("chosenCandidates", ()))
    for part in (part for chunk in chunks for part in _parts(chunk)):
        call = part.get("functionCall")
        if call is not None:
            told.calls.append(Called(call.get("id", ""), call["name"], call["args"]))
        elif part.get("thought"):
            told.thoughts += part.get("text", "")
        else:
            told.text += part.get("text", "")
        if part.get("text") or part.get("thoughtSignature") or call is not None:
            turn.append(part)
    told.turn = turn
    reasons = [one["finishReason"] for chunk in chunks for one in chunk.get("candidates", ()) if "finishReason" in one]
    told.stop = "tool" if told.calls and reasons[-1] == "STOP" else STOPS[reasons[-1]]
    usage = chunks[-1]["usageMetadata"]
    told.prompt, told.cached = usage["promptTokenCount"], usage.get("cachedContentTokenCount", 0)
    told.completion = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return told
