"""Messages of AWS event streams, written by the book, and what tests share of Converse."""

import json
from binascii import crc32
from collections.abc import Iterable
from struct import pack

from intertie.core.chat import Chat, Part, Text, Turn
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.events import Event
from intertie.dialects.bedrock.chat_to_body import chat_to_body
from intertie.dialects.bedrock.stream_to_events import ConverseReader
from intertie.dialects.dialect import Cannot

CLAUDE = Endpoint(
    id="sonnet",
    site="aws",
    model="claude-sonnet",
    upstream_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    origin=Origin("https", "bedrock-runtime.us-east-1.amazonaws.com", 443),
    dialect="bedrock",
    credential="AKIDEXAMPLE:secret",
    region="us-east-1",
    max_output=8_192,
)
LLAMA = Endpoint(
    id="llama",
    site="aws",
    model="llama-4",
    upstream_model="meta.llama4-maverick-17b-instruct-v1:0",
    origin=CLAUDE.origin,
    dialect="bedrock",
)


def text_header(name: str, value: str) -> bytes:
    return pack("!B", len(name)) + name.encode() + pack("!BH", 7, len(value)) + value.encode()


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + pack("!I", crc32(prelude)) + headers + payload
    return whole + pack("!I", crc32(whole))


def event(name: str, payload: object) -> bytes:
    told = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(b"".join(text_header(*one) for one in told.items()), json.dumps(payload).encode())


def exception(name: str, payload: object) -> bytes:
    told = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(b"".join(text_header(*one) for one in told.items()), json.dumps(payload).encode())


def delta(index: int, **piece: object) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abcdefgh"})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def tool(index: int, name: str, **more: object) -> bytes:
    start = {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name, **more}}
    return event("contentBlockStart", {"contentBlockIndex": index, "start": start})


BEGIN = event("messageStart", {"role": "assistant", "p": "abc"})
END = event("messageStop", {"stopReason": "end_turn"})
USAGE = {"inputTokens": 10, "outputTokens": 20, "totalTokens": 30}
METERED = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 321}})


def read(stream: bytes | Iterable[bytes]) -> list[Event]:
    """All events of a stream, whole or in pieces."""
    reader = ConverseReader()
    pieces = [stream] if isinstance(stream, bytes) else stream
    told = [one for piece in pieces for one in reader.feed(piece)]
    return [*told, *reader.ended()]


def chat(*turns: Turn | Part | str, **more: object) -> Chat:
    """A chat; what is no turn is said by the user."""
    said = [one if isinstance(one, Turn) else user(one) for one in turns or ("hi",)]
    return Chat(**{"model": "m", "turns": tuple(said), "origin": "openai_chat", **more})


def user(*parts: Part | str) -> Turn:
    return Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Turn:
    return Turn("assistant", user(*parts).parts)


def written(asked: Chat, endpoint: Endpoint = CLAUDE) -> dict[str, object]:
    """The body of a chat; nothing may be dropped."""
    return json.loads(chat_to_body(asked, endpoint, Cannot("bedrock", asked.spelling, drop=False)))


def dropped(asked: Chat, endpoint: Endpoint = CLAUDE) -> tuple[dict[str, object], list[str]]:
    """The body of a chat, and what was dropped."""
    cannot = Cannot("bedrock", asked.spelling, drop=True)
    return json.loads(chat_to_body(asked, endpoint, cannot)), cannot.dropped
