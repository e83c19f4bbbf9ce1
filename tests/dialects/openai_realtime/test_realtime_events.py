"""What is read of a session's events: usage, ends, detection, places; nonsense is a fault and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import CallerLeft, Fault, InvalidRequest, Unsupported, UpstreamBusy, UpstreamGarbled
from intertie.core.money import rated
from intertie.core.usage import NOTHING, Usage
from intertie.dialects.openai_realtime import client_events, server_events
from intertie.dialects.openai_realtime.faults import error_event
from intertie.dialects.openai_realtime.place import model_of, target


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def done(usage: object = None, **response: Any) -> server_events.Done:
    frame = {"id": "r", "status": "completed", "conversation_id": "c", "usage": usage}
    return server_events.done(event(type="response.done", response={**frame, **response}))


USAGE = {
    "input_tokens": 100, "output_tokens": 50,
    "input_token_details": {
        "text_tokens": 30, "audio_tokens": 60, "image_tokens": 10, "cached_tokens": 40,
        "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 25, "image_tokens": 5},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 30},
}  # fmt: skip


def test_cached_speech_is_priced_as_cached_and_the_rest_as_speech() -> None:
    usage = done(USAGE).usage
    assert usage == Usage(prompt=100, completion=50, cached=40, audio_in=35, image_in=5, audio_out=30)
    price = rated({"input": 4, "cached": 1, "audio_in": 32, "image_in": 5, "output": 16, "audio_out": 64})
    told = 20 * 4 + 40 * 1 + 35 * 32 + 5 * 5 + 20 * 16 + 30 * 64
    assert usage is not None and price.of(usage) == (told + 500_000) // 1_000_000


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, None),
        ({}, NOTHING),
        ({"input_tokens": 0, "output_tokens": 0}, NOTHING),
        ({"input_tokens": None, "output_tokens": 7}, Usage(completion=7)),
        ({"input_tokens": -5, "output_tokens": 7}, Usage(completion=7)),
        ({"input_tokens": 5, "input_token_details": {"cached_tokens": 9}}, Usage(prompt=5, cached=5)),
        ({"input_tokens": 5, "input_token_details": {"audio_tokens": 90}}, Usage(prompt=5, audio_in=5)),
        ({"output_tokens": 5, "output_token_details": {"audio_tokens": 9}}, Usage(completion=5, audio_out=5)),
    ],
)
def test_odd_usage_stays_within_its_whole(told: object, expected: Usage | None) -> None:
    assert done(told).usage == expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(-10, 1_000) | st.none()
            for name in ("cached_tokens", "audio_tokens", "image_tokens", "text_tokens")
        }
        | {
            "cached_tokens_details": st.dictionaries(
                st.sampled_from(["audio_tokens", "image_tokens"]), st.integers(0, 9)
            )
        },
    ),
    st.integers(0, 500),
)
def test_no_part_of_a_usage_is_more_than_the_whole(details: dict[str, Any], prompt: int) -> None:
    usage = done({"input_tokens": prompt, "output_tokens": 1, "input_token_details": details}).usage
    assert usage is not None
    assert 0 <= usage.cached + usage.audio_in + usage.image_in <= usage.prompt == prompt


def test_an_absurd_usage_is_not_believed() -> None:
    with pytest.raises(UpstreamGarbled):
        done({"input_tokens": 1 << 40})


def test_a_failure_is_whose_its_code_says() -> None:
    error = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "slow down"}
    failed = done(status="failed", status_details={"type": "failed", "error": error})
    assert isinstance(failed.fault, UpstreamBusy)
    assert isinstance(done(status="failed").fault, Fault)
    assert done(status="cancelled").fault is None and done(status="incomplete").fault is None
    assert not done(conversation_id=None).in_conversation


@pytest.mark.parametrize(
    ("session", "makes"),
    [
        ({}, True),
        ({"turn_detection": None}, False),
        ({"turn_detection": {"type": "server_vad"}}, True),
        ({"turn_detection": {"type": "server_vad", "create_response": False}}, False),
        ({"audio": {"input": {"turn_detection": None}}}, False),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}, True),
        ({"audio": {"input": {"turn_detection": {"create_response": False}}}}, False),
        ({"audio": {"output": {"voice": "marin"}}}, True),
        ({"turn_detection": "new"}, True),
    ],
)
def test_an_endpoint_makes_responses_unless_it_says_that_it_does_not(session: dict[str, Any], makes: bool) -> None:
    assert server_events.makes_responses(event(type="session.created", session=session)) is makes


@pytest.mark.parametrize(
    ("session", "wants"),
    [
        ({"voice": "marin"}, False),
        ({"audio": {"input": {"transcription": None}}}, False),
        ({"audio": {"input": {"transcription": {"model": "whisper-1"}}}}, True),
        ({"input_audio_transcription": {"model": "whisper-1"}}, True),
        ({"audio": "new"}, True),
    ],
)
def test_transcripts_are_seen_in_both_shapes(session: dict[str, Any], wants: bool) -> None:
    said = client_events.read(event(type="session.update", session=session))
    assert client_events.wants_transcripts(said) is wants


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["type", "response", "session", "error", "item", "delta", "usage", "id"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes_is_read_or_is_a_fault(data: bytes) -> None:
    readers: list[Any] = [
        client_events.read, server_events.type_of, server_events.created, server_events.done,
        server_events.failed_event, server_events.makes_responses, server_events.own_words,
        lambda given: server_events.grown("response.output_audio.delta", given),
        lambda given: client_events.with_model(client_events.read(given), "m", "own"),
    ]  # fmt: skip
    for reader in readers:
        try:
            reader(data)
        except (InvalidRequest, UpstreamGarbled):
            continue


def test_an_event_gets_a_name_and_keeps_the_rest() -> None:
    said = client_events.named(client_events.read(b'{"type":"response.create","response":{"x":1}}'), "e1")
    assert json.loads(said.data) == {"type": "response.create", "response": {"x": 1}, "event_id": "e1"}
    assert said.id == "e1" and said.kind == "create"


def test_an_error_has_the_shape_of_the_vendors() -> None:
    told = json.loads(error_event(CallerLeft("gone", param="x"), "req_1", "mine"))
    assert told["type"] == "error" and told["event_id"] == "event_req_1"
    assert told["error"] == {
        "type": "invalid_request_error", "code": "caller_left", "message": "gone", "param": "x", "event_id": "mine"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "/v1/realtime?model=gpt%2Frealtime"),
        ({"dialect": "openai_responses"}, "/v1/realtime?model=gpt%2Frealtime"),
        ({"dialect": "azure_openai"}, "/v1/openai/v1/realtime?model=gpt%2Frealtime"),
        (
            {"dialect": "azure_openai", "api_version": "2025-04-01-preview"},
            "/v1/openai/realtime?api-version=2025-04-01-preview&deployment=gpt%2Frealtime",
        ),
    ],
)
def test_where_a_session_is_opened(changes: dict[str, Any], expected: str) -> None:
    fields = {
        "id": "a",
        "site": "s",
        "model": "m",
        "upstream_model": "gpt/realtime",
        "origin": Origin("https", "h", 443, "/v1"),
    }
    assert target(Endpoint(**{**fields, **changes})) == expected


def test_other_dialects_have_no_sessions() -> None:
    with pytest.raises(Unsupported):
        target(Endpoint("a", "s", "m", "u", Origin("https", "h", 443), dialect="gemini"))


def test_a_model_in_a_query_is_unescaped() -> None:
    assert model_of(b"model=a%2Fb+c") == "a/b c"
    assert model_of(b"") == ""
