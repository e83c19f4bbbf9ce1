"""Calls, answers and streams of Anthropic's dialect that several tests read."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.events import Event
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND
from intertie.dialects.dialect import Cannot

BODY: dict[str, Any] = {"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}]}

CLAUDE = Endpoint("e", "s", "m", "claude-opus-5", Origin("https", "api.example", 443, "/v1"), max_output=32_000)


def dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def called(**changes: Any) -> Call:
    return INBOUND.peek("chat", dumped({**BODY, **changes}), "")


def said(*messages: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in messages]


def refusing() -> Cannot:
    return Cannot("anthropic_messages", {}, drop=False)


def named_event(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), dumped({"type": name, **fields}))


def start(**usage: Any) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, **usage},
    }
    return named_event("message_start", message=message)


def block(index: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    grown = [named_event("content_block_delta", index=index, delta=delta) for delta in deltas]
    first = named_event("content_block_start", index=index, content_block=opening)
    return b"".join([first, *grown, named_event("content_block_stop", index=index)])


def text_block(index: int, *texts: str) -> bytes:
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    return block(index, {"type": "text", "text": ""}, *deltas)


def call_block(index: int, name: str, *fragments: str) -> bytes:
    deltas = [{"type": "input_json_delta", "partial_json": fragment} for fragment in fragments]
    opening = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    return block(index, opening, *deltas)


def thinking_block(index: int, signature: str, *texts: str) -> bytes:
    deltas = [{"type": "thinking_delta", "thinking": text} for text in texts]
    opening = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, opening, *deltas, {"type": "signature_delta", "signature": signature})


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return named_event("message_delta", delta=delta, usage={"output_tokens": 15, **usage}) + named_event("message_stop")


PING = b'event: ping\ndata: {"type": "ping"}\n\n'

WHOLE = b"".join(
    [
        start(cache_read_input_tokens=100, cache_creation_input_tokens=10),
        PING,
        thinking_block(0, "c2lnbmVk+/=", "Let me ", "look: 日本"),
        block(1, {"type": "redacted_thinking", "data": "c2VhbGVk"}),
        text_block(2, "I'll ", "check 🌦 — both."),
        call_block(3, "get_weather", "", '{"city": "Pa', 'ris"}'),
        call_block(4, "get_time"),
        end("tool_use", output_tokens=57),
    ]
)
"""Thoughts, words, two calls of tools."""


def events_of(stream: bytes, *cuts: int) -> list[Event]:
    assert OUTBOUND.reader is not None
    reader = OUTBOUND.reader()
    edges = [0, *sorted(cuts), len(stream)]
    told = [event for low, high in pairwise(edges) for event in reader.feed(stream[low:high])]
    return [*told, *reader.ended()]


def stream_of(events: Iterable[Event], call: Call | None = None) -> bytes:
    assert INBOUND.writer is not None
    writer = INBOUND.writer(call or called(stream=True))
    return b"".join([writer.write(event) for event in events])


def told_in(stream: bytes) -> list[dict[str, Any]]:
    """The data of each event, after a check that its name is that of its type (wire fact 2)."""
    found: list[dict[str, Any]] = []
    for one in stream.split(b"\n\n")[:-1]:
        name, data = one.split(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found
