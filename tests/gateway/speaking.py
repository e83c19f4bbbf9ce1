"""An endpoint that answers in the dialect it is asked in, and the keys of three callers, two of whom share."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from scripted import Script, Visit, completion, event
from world import KEY, PEPPER

from intertie.core.principal import Principal
from intertie.policy.keys import digest

OTHER, COLLEAGUE = "itk_other", "itk_colleague"
KEYS = {
    digest(PEPPER, KEY.encode()): Principal(key_id="k1", name="dev", group="devs"),
    digest(PEPPER, COLLEAGUE.encode()): Principal(key_id="k2", name="dev2", group="devs"),
    digest(PEPPER, OTHER.encode()): Principal(key_id="k3", name="ops", group="ops"),
}


def response(text: str = "Hello.", **more: Any) -> dict[str, Any]:
    """A whole answer of an endpoint that speaks Responses and calls it by a name of its own."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    frame = {"id": "resp_theirs", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
    echo = {"previous_response_id": None, "store": False, "tools": [], "parallel_tool_calls": True}
    return {**frame, **echo, "output": [message], "usage": usage, **more}


def typed(kind: str, **content: Any) -> bytes:
    """One typed event."""
    return f"event: {kind}\n".encode() + event({"type": kind, **content})


def streamed(*words: str) -> list[bytes]:
    """The events of an answer of these words."""
    running = response(status="in_progress", output=[], usage=None)
    told = [typed("response.created", response=running, sequence_number=0)]
    for number, word in enumerate(words, 1):
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        told.append(typed("response.output_text.delta", delta=word, sequence_number=number, **place))
    whole = response("".join(words))
    return [*told, typed("response.completed", response=whole, sequence_number=len(words) + 1)]


def chunked(*words: str) -> list[bytes]:
    """The same as chunks of a chat."""
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in words]
    said.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return [*(event({**frame, "choices": [choice]}) for choice in said), b"data: [DONE]\n\n"]


def speaks(*words: str, pause_s: float = 0.0, gate: asyncio.Event | None = None) -> Script:
    """A script that says these words (or how many messages it was sent), whole or streamed, and then ends.

    It waits at the gate before its answer, or, when it streams, behind its first word.
    """

    async def script(visit: Visit) -> None:
        typed_ones = b"/responses" in visit.head
        items = visit.asked["input" if typed_ones else "messages"]
        said = words or (f"{1 if isinstance(items, str) else len(items)} said",)
        if visit.asked.get("stream"):
            await _stream(visit, streamed(*said) if typed_ones else chunked(*said), pause_s, gate)
            return
        if gate is not None:
            await gate.wait()
        text = "".join(said)
        visit.answer(200, json.dumps(response(text)).encode() if typed_ones else completion(text))

    return script


async def _stream(visit: Visit, told: Sequence[bytes], pause_s: float, gate: asyncio.Event | None) -> None:
    visit.begin()
    for number, one in enumerate(told):
        visit.say(one)
        await asyncio.sleep(pause_s)
        if number == 1 and gate is not None:
            await gate.wait()
    visit.end()
