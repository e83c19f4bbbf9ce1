"""Whatever strangers send, callers or endpoints, ends in a fault that says whose doing it is, and in no other way."""

import json
from contextlib import suppress
from typing import Any

import pytest
from gemini_samples import endpoint
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import CallerFault, Fault
from intertie.dialects.dialect import Cannot
from intertie.dialects.gemini.body_to_answer import body_to_answer
from intertie.dialects.gemini.call_to_chat import call_to_chat
from intertie.dialects.gemini.chat_to_body import chat_to_body
from intertie.dialects.gemini.glance import glance
from intertie.dialects.gemini.peek import pass_on, peek
from intertie.dialects.gemini.stream_to_events import GeminiReader

FIELDS = (
    "contents", "parts", "role", "text", "thought", "thoughtSignature", "inlineData", "mime_type", "data", "fileData",
    "fileUri", "functionCall", "functionResponse", "name", "args", "id", "response", "output", "generationConfig",
    "generation_config", "maxOutputTokens", "responseSchema", "responseMimeType", "thinkingConfig", "tools",
    "functionDeclarations", "parameters", "type", "properties", "anyOf", "enum", "items", "nullable", "minItems",
    "toolConfig", "functionCallingConfig", "mode", "systemInstruction", "safetySettings", "model", "candidates",
    "content", "finishReason", "index", "usageMetadata", "promptTokenCount", "groundingMetadata", "groundingSupports",
    "groundingChunkIndices", "groundingChunks", "segment", "partIndex", "logprobsResult", "chosenCandidates", "error",
    "promptFeedback", "blockReason", "responseId", "createTime",
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["model", "user", "OBJECT", "string", "application/json", "image/png", "AA==", "ANY", "STOP"])
    | st.text(max_size=8)
)
THINGS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
SHAPES: tuple[dict[str, Any], ...] = (
    {"contents": [{"parts": [None]}]},
    {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f"}}, None]}]},
    {"contents": [], "generationConfig": None},
    {"contents": [], "tools": [{"functionDeclarations": [{"name": "f", "parameters": None}]}]},
    {"contents": [], "toolConfig": {"functionCallingConfig": None}},
    {"candidates": [{"content": {"parts": [None]}, "finishReason": "STOP"}]},
    {"candidates": [{"content": {"parts": [{"text": "ü"}]}, "groundingMetadata": None, "logprobsResult": None}]},
    {"candidates": [], "usageMetadata": None, "promptFeedback": None, "error": None},
)


def put(shape: Any, thing: Any) -> Any:
    """The shape with the thing where it has nothing."""
    if isinstance(shape, dict):
        return {name: put(value, thing) for name, value in shape.items()}
    if isinstance(shape, list):
        return [put(value, thing) for value in shape]
    return thing if shape is None else shape


BODIES = st.builds(lambda shape, thing: json.dumps(put(shape, thing)).encode(), st.sampled_from(SHAPES), THINGS)


@given(BODIES | st.binary(max_size=50))
def test_a_call_is_understood_or_refused(body: bytes) -> None:
    with suppress(CallerFault):
        call = peek("chat", body, "public:generateContent")
        pass_on(call, endpoint(), 5)
        chat = call_to_chat(call)
        chat_to_body(chat, endpoint(), Cannot("gemini", chat.spelling, drop=True))


@given(BODIES | st.binary(max_size=50))
def test_an_answer_is_understood_or_a_value_error(body: bytes) -> None:
    for read in (glance, body_to_answer):
        with suppress(ValueError):
            read(body)


@given(BODIES | st.binary(max_size=50))
def test_a_stream_is_understood_or_the_endpoint_is_to_blame(body: bytes) -> None:
    reader = GeminiReader()
    try:
        list(reader.feed(b"data: " + body + b"\n\n"))
        list(reader.ended())
    except Fault as fault:
        assert fault.blame == "upstream"


@pytest.mark.parametrize(
    "deep", [b"[" * 70, b'{"a":' * 70, b'{"contents":[{"parts":[{"functionCall":{"args":' + b'{"a":' * 70]
)
def test_what_is_nested_too_deep_is_refused(deep: bytes) -> None:
    with pytest.raises(CallerFault):
        peek("chat", deep, "public:generateContent")
