"""What the gateway reads of a call in Gemini's dialect, and the body that an endpoint gets."""

import json

import pytest
from gemini_samples import HELLO, called, endpoint

from intertie.core.faults import InvalidRequest, NotFound
from intertie.dialects.gemini.both import INBOUND, OUTBOUND, VERTEX
from intertie.dialects.gemini.peek import pass_on, peek


def test_model_and_method_stand_in_the_path() -> None:
    call = called(tail="gemini-2.5-flash:streamGenerateContent?key=x&alt=sse")
    assert (call.model, call.stream, call.operation, call.dialect) == ("gemini-2.5-flash", True, "chat", "gemini")
    counted = called(tail="tuned:1:countTokens")
    assert (counted.model, counted.stream, counted.operation, counted.max_output) == (
        "tuned:1",
        False,
        "count_tokens",
        0,
    )


def test_a_stream_that_is_no_event_stream_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidRequest, match=r"\?alt=sse") as refused:
        called(tail="m:streamGenerateContent")
    assert refused.value.param == "alt"
    with pytest.raises(InvalidRequest):
        called(tail="m:streamGenerateContent?alt=ssenot")


@pytest.mark.parametrize("tail", ["m", "m:embedContent", ":generateContent", ""])
def test_a_method_that_is_not_known_is_not_found(tail: str) -> None:
    with pytest.raises(NotFound):
        called(tail=tail)


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("limit", ["maxOutputTokens", "max_output_tokens"])
@pytest.mark.parametrize("value", [7, "7"])
def test_limits_are_read_in_either_spelling_and_in_quotes(config: str, limit: str, value: object) -> None:
    call = called({**HELLO, config: {limit: value, "candidateCount": 2}})
    assert (call.max_output, call.choices) == (7, 2)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"generationConfig": {}, "generation_config": {}}, "generationConfig"),
        ({"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}, "maxOutputTokens"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"maxOutputTokens": 1 << 40}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 1000}}, "generationConfig.candidateCount"),
        ({"generationConfig": {"maxOutputTokens": "many"}}, "maxOutputTokens"),
        ({"contents": "Hello"}, "contents"),
        ({"cachedContent": 3}, "cachedContent"),
        ({"model": "models/another"}, "model"),
    ],
)
def test_what_decides_is_refused_by_name_where_it_is_wrong(change: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        called({**HELLO, **change})
    assert refused.value.param == param


def test_a_limit_given_twice_inside_the_configuration_is_refused() -> None:
    twice = b'{"contents":[],"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":100000}}'
    with pytest.raises(InvalidRequest, match="given twice"):
        peek("chat", twice, "m:generateContent")


def test_contents_are_needed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        called({"generationConfig": {}})
    assert refused.value.code == "missing_required_parameter"


def test_a_body_that_needs_no_patch_goes_through_as_it_came() -> None:
    body = b'{"contents":[{"parts":[{"text":"x"}]}],"future_field":{"a_b":1}}'
    assert pass_on(peek("chat", body, "m:generateContent"), endpoint(), None) == body


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
def test_output_without_a_limit_is_bounded_where_a_budget_pays(config: str) -> None:
    call = called({**HELLO, config: {"temperature": 1}})
    assert call.max_output is None
    assert json.loads(pass_on(call, endpoint(), 99))[config] == {"temperature": 1, "maxOutputTokens": 99}
    assert json.loads(pass_on(called(), endpoint(), 99))["generationConfig"] == {"maxOutputTokens": 99}


def test_what_is_ours_and_the_public_name_do_not_reach_the_endpoint() -> None:
    call = called({**HELLO, "model": "models/public", "intertie": {"explain": True}})
    assert call.ask.explain
    assert json.loads(pass_on(call, endpoint(), None)) == HELLO


def test_a_count_of_a_whole_request_names_the_endpoints_model_and_is_flat_on_vertex() -> None:
    call = called({"generateContentRequest": {**HELLO, "model": "models/public"}}, "public:countTokens")
    named = json.loads(pass_on(call, endpoint("gemini-x"), None))
    assert named == {"generateContentRequest": {**HELLO, "model": "models/gemini-x"}}
    assert json.loads(pass_on(call, endpoint("gemini-x", "vertex"), None)) == HELLO


def test_equal_beginnings_have_equal_affinity() -> None:
    told = {"systemInstruction": {"parts": [{"text": "x" * 400}]}}
    one, two = called({**HELLO, **told}), called({"contents": [{"parts": [{"text": "other"}]}], **told})
    assert one.affinity == two.affinity != called().affinity
    assert (
        called({**HELLO, "cachedContent": "c/1"}).affinity == called({**told, **HELLO, "cachedContent": "c/1"}).affinity
    )


def test_both_doors_have_their_paths_and_credentials() -> None:
    at = endpoint("gemini-3-flash")
    assert OUTBOUND.path(at, "chat", True) == "/models/gemini-3-flash:streamGenerateContent?alt=sse"
    assert OUTBOUND.path(at, "count_tokens", False) == "/models/gemini-3-flash:countTokens"
    assert VERTEX.path(at, "chat", False) == (
        "/projects/p/locations/eu/publishers/google/models/gemini-3-flash:generateContent"
    )
    assert OUTBOUND.headers(at) == VERTEX.headers(at) == ()
    assert (INBOUND.name, OUTBOUND.speaks, VERTEX.speaks) == ("gemini", "gemini", "gemini")
