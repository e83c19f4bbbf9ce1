"""Azure OpenAI: OpenAI's bytes at other paths, and what its content filters add to them."""

import json
from itertools import pairwise

import pytest
from azure_samples import CHUNKS, FILTERED, FIRST, SEVERITY, STREAM, V1, event
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.faults import UpstreamBusy
from intertie.core.usage import Usage
from intertie.dialects.azure_openai.both import OUTBOUND
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_chat.peek import peek


def call(*, wants_usage: bool = True) -> Call:
    asked = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    return peek("chat", json.dumps(asked | {"stream_options": {"include_usage": wants_usage}}).encode())


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("", "/openai/v1/chat/completions"),
        ("preview", "/openai/v1/chat/completions?api-version=preview"),
        ("2024-10-21", "/openai/deployments/gpt-5%20mini%2Feu/chat/completions?api-version=2024-10-21"),
    ],
)
def test_the_model_is_named_by_the_body_or_in_older_versions_by_the_path(version: str, path: str) -> None:
    assert OUTBOUND.path(replace(V1, api_version=version), "chat", True) == path


@pytest.mark.parametrize("operation", ["completions", "embeddings"])
def test_other_operations_hang_under_the_same_base(operation: Operation) -> None:
    assert OUTBOUND.path(V1, operation, False) == f"/openai/v1/{operation}"


def test_keys_and_tokens_have_each_their_header() -> None:
    token = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJ4In0.c2ln"
    assert OUTBOUND.headers(V1) == (f"api-key: {V1.credential}",)
    assert OUTBOUND.headers(replace(V1, credential=token)) == (f"authorization: Bearer {token}",)
    assert OUTBOUND.headers(replace(V1, credential="")) == ()


def test_a_body_of_openais_passes_through_under_azures_name_of_the_model() -> None:
    assert OUTBOUND.speaks == "openai_chat"
    assert OUTBOUND.pass_on is not None
    body = json.loads(OUTBOUND.pass_on(call(), V1, None))
    assert (body["model"], body["messages"]) == ("gpt-5 mini/eu", [{"role": "user", "content": "hi"}])


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_what_the_filters_tell_survives_in_a_stream_split_anywhere(cuts: list[int]) -> None:
    assert OUTBOUND.watch is not None
    heard, ends = Heard(), [0, *sorted(cuts), len(STREAM)]
    watch = OUTBOUND.watch(call(), heard)
    passed = b"".join(watch.feed(STREAM[start:end]) for start, end in pairwise(ends))
    assert passed + watch.ended() == STREAM
    assert heard.usage == Usage(prompt=9, completion=2)


def test_the_filters_first_chunk_is_not_mistaken_for_the_usage_that_is_hidden() -> None:
    """Wire fact 7: only the chunk with the usage is stripped, though Azure's first has no choices either."""
    assert OUTBOUND.watch is not None
    watch = OUTBOUND.watch(call(wants_usage=False), Heard())
    assert watch.feed(STREAM) + watch.ended() == CHUNKS + b"data: [DONE]\n\n"


def test_a_whole_answer_with_filter_results_tells_its_usage() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    answer = {"id": "x", "choices": [{"content_filter_results": SEVERITY}], "prompt_filter_results": [FILTERED]}
    assert OUTBOUND.glance(json.dumps({**answer, "usage": usage}).encode()).usage == Usage(prompt=9, completion=2)


def test_a_filtered_prompts_error_is_told_in_azures_words() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SEVERITY}
    error = {"message": "The prompt was filtered.", "type": None, "param": "prompt", "code": "content_filter"}
    body = {"error": {**error, "status": 400, "innererror": inner}}
    assert OUTBOUND.told(json.dumps(body).encode()) == "The prompt was filtered."


def test_a_limit_told_in_the_stream_is_capacity_not_illness() -> None:
    assert OUTBOUND.watch is not None
    watch = OUTBOUND.watch(call(), Heard())
    with pytest.raises(UpstreamBusy):
        watch.feed(FIRST + event(error={"code": "429", "message": "Rate limit is exceeded."}))
