"""Calls, endpoints and streams to try the dialect with."""

import json
from collections.abc import Iterable

from intertie.core.call import Call
from intertie.core.chat import Chat
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.events import Event
from intertie.dialects.dialect import Cannot
from intertie.dialects.openai_chat.chat_to_body import chat_to_body
from intertie.dialects.openai_chat.events_to_stream import ChatWriter
from intertie.dialects.openai_chat.peek import peek
from intertie.dialects.openai_chat.stream_to_events import ChatReader

HI = {"role": "user", "content": "hi"}
ENDPOINT = Endpoint("e", "s", "m", "m", Origin("http", "127.0.0.1", 1))


def called(**fields: object) -> Call:
    """A call of a caller who speaks the dialect."""
    body = {"model": "m", "messages": [HI]} | fields
    return peek("chat", json.dumps(body, separators=(",", ":")).encode())


def tool_call(id_: str, name: str = "f", arguments: str = "{}") -> dict[str, object]:
    """A call of a tool, as it stands in a message."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def body_of(chat: Chat, endpoint: Endpoint = ENDPOINT, *, drop: bool = False) -> tuple[bytes, list[str]]:
    """The body of a chat, and what was dropped."""
    cannot = Cannot("openai_chat", chat.spelling, drop=drop)
    return chat_to_body(chat, endpoint, cannot), cannot.dropped


OF_CHOICE = ("delta", "finish_reason", "logprobs", "error")
DONE = b"data: [DONE]\n\n"


def chunk(**fields: object) -> bytes:
    """One chunk of a stream; given only `delta` or other fields of a choice, that of choice 0."""
    names = [] if "choices" in fields else [name for name in OF_CHOICE if name in fields]
    if names:
        fields["choices"] = [{"index": 0, "delta": {}} | {name: fields.pop(name) for name in names}]
    told = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": []} | fields
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def events_of(stream: bytes, cuts: Iterable[int] = ()) -> list[Event]:
    """The events of a stream that comes in pieces."""
    reader, events, start = ChatReader(), list[Event](), 0
    for end in (*sorted(cuts), len(stream)):
        events += reader.feed(stream[start:end])
        start = end
    return events + reader.ended()


def stream_of(events: Iterable[Event], **fields: object) -> bytes:
    """The stream that a caller gets."""
    writer = ChatWriter(called(stream=True, **fields))
    return b"".join(writer.write(event) for event in events)
