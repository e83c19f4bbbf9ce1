"""Whatever comes, from callers or endpoints, is understood or refused: nothing crashes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai_chat_samples import body_of, events_of

from intertie.core.call import Call
from intertie.core.events import Broke, Ended, Event
from intertie.core.faults import Fault, InvalidRequest, UpstreamFault, UpstreamGarbled
from intertie.dialects.openai_chat.body_to_answer import body_to_answer
from intertie.dialects.openai_chat.call_to_chat import call_to_chat
from intertie.dialects.openai_chat.peek import peek

WORDS = st.sampled_from([
    "role", "content", "type", "text", "user", "assistant", "tool", "system", "function", "name", "arguments", "id",
    "tool_calls", "tool_call_id", "image_url", "url", "data:image/png;base64,AA==", "file", "file_data", "input_audio",
    "custom", "input", "index", "delta", "message", "finish_reason", "stop", "error", "code", "choices", "usage",
    "reasoning_details", "reasoning.text", "signature", "annotations", "url_citation", "audio", "logprobs", "images",
])  # fmt: skip
ATOMS = st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(-2, 2), WORDS, st.text(max_size=3))
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=25
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal"])},
    optional={"text": ATOMS, "image_url": VALUES, "file": VALUES, "input_audio": VALUES, "refusal": ATOMS},
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
        optional={
            "content": ATOMS | st.lists(PARTS, max_size=3),
            "tool_calls": VALUES,
            "tool_call_id": ATOMS,
            "name": ATOMS,
            "reasoning_details": VALUES,
        },
    ),
    max_size=4,
)
DELTAS = st.dictionaries(
    st.sampled_from(["content", "reasoning", "reasoning_details", "refusal", "tool_calls", "function_call", "audio"]),
    VALUES,
    max_size=3,
)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"delta": DELTAS}, optional={"index": ATOMS}), max_size=2)},
    optional={"usage": VALUES, "error": VALUES, "id": ATOMS},
)


@given(MESSAGES, st.dictionaries(st.sampled_from(["tools", "tool_choice", "response_format", "functions"]), VALUES))
def test_a_call_is_a_chat_that_can_be_written_or_is_refused_by_a_field(messages: Any, fields: dict[str, Any]) -> None:
    try:
        call: Call = peek("chat", json.dumps({"model": "m", "messages": messages} | fields).encode())
        body_of(call_to_chat(call), drop=True)
    except InvalidRequest as fault:
        assert fault.param


@given(st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_an_answer_is_read_or_the_endpoint_is_blamed(body: bytes) -> None:
    try:
        body_to_answer(body)
    except Fault as fault:
        assert isinstance(fault, UpstreamFault)


@given(st.lists(CHUNKS | VALUES | st.binary(max_size=20), max_size=6), st.booleans())
def test_a_stream_is_read_or_the_endpoint_is_blamed(pieces: list[Any], done: bool) -> None:
    stream = b"".join(
        piece if isinstance(piece, bytes) else b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces
    )
    events: list[Event] = []
    try:
        events = events_of(stream + b"\n\ndata: [DONE]\n\n" * done)
    except UpstreamGarbled:
        return
    assert sum(isinstance(event, Ended | Broke) for event in events) <= 1
    assert not any(isinstance(event, Ended | Broke) for event in events[:-1])
