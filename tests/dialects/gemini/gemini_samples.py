"""What the tests of the Gemini dialect share: endpoints of both doors, calls, and chunks as Google sends them."""

import json
from typing import Any

from intertie.core.call import Call
from intertie.core.chat import Chat
from intertie.core.endpoint import Endpoint, Origin
from intertie.dialects.dialect import Cannot
from intertie.dialects.gemini.call_to_chat import call_to_chat
from intertie.dialects.gemini.chat_to_body import chat_to_body
from intertie.dialects.gemini.peek import peek

HELLO: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def endpoint(model: str = "gemini-3-flash", dialect: str = "gemini") -> Endpoint:
    return Endpoint(
        "e", "s", "public", model, Origin("https", "h", 443, "/v1"), dialect=dialect, project="p", region="eu"
    )


def called(body: dict[str, Any] | None = None, tail: str = "public:generateContent") -> Call:
    return peek("chat", json.dumps(HELLO if body is None else body).encode(), tail)


def chatted(**fields: Any) -> Chat:
    return call_to_chat(called({**HELLO, **fields}))


def written(chat: Chat, to: Endpoint | None = None, *, drop: bool = False) -> dict[str, Any]:
    to = to or endpoint()
    return json.loads(chat_to_body(chat, to, Cannot(to.dialect, chat.spelling, drop=drop)))


def chunk(*parts: dict[str, Any], finish: str = "", index: int = 0, **more: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    body = {"candidates": [candidate], "modelVersion": "gemini-3-flash", "responseId": "r1", **more}
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


def usage(prompt: int, candidates: int, **more: Any) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": candidates, **more}}
