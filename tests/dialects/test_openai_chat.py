"""What the gateway reads of OpenAI's chat dialect, and what it writes."""

import json

import pytest

from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import BudgetExhausted, InvalidRequest
from intertie.core.usage import Usage
from intertie.dialects.openai_chat.faults import error_body, error_event, told
from intertie.dialects.openai_chat.glance import glance, plain, read_event, speaks
from intertie.dialects.openai_chat.peek import pass_on, peek

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 7, "x_unknown": {"deep": [1, 2]}}


def endpoint(upstream_model: str) -> Endpoint:
    return Endpoint("e", "s", "m", upstream_model, Origin("http", "h", 80))


def body(**changes: object) -> bytes:
    return json.dumps({**BODY, **changes}, separators=(",", ":")).encode()


def test_the_deciding_fields_are_read() -> None:
    call = peek("chat", body(stream=True, n=3, stream_options={"include_usage": True}))
    assert (call.model, call.stream, call.max_output, call.choices, call.wants_usage) == ("m", True, 7, 3, True)


def test_a_body_that_needs_no_patch_goes_through_as_it_came() -> None:
    assert pass_on(peek("chat", body()), endpoint("m"), None) == body()


def test_unknown_fields_survive_a_patch() -> None:
    patched = json.loads(pass_on(peek("chat", body(stream=True, intertie={"explain": True})), endpoint("other"), None))
    assert patched["x_unknown"] == {"deep": [1, 2]}
    assert patched["model"] == "other"
    assert patched["stream_options"] == {"include_usage": True}
    assert "intertie" not in patched


def test_other_stream_options_survive_asking_for_usage() -> None:
    call = peek("chat", body(stream=True, stream_options={"include_obfuscation": False}))
    options = json.loads(pass_on(call, endpoint("m"), None))["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}


def test_output_without_a_limit_is_bounded_where_a_budget_pays() -> None:
    unlimited = {name: value for name, value in BODY.items() if name != "max_tokens"}
    chat = peek("chat", json.dumps(unlimited).encode())
    assert chat.max_output is None
    assert json.loads(pass_on(chat, endpoint("m"), 99))["max_completion_tokens"] == 99
    older = peek("completions", b'{"model":"m","prompt":"x"}')
    assert json.loads(pass_on(older, endpoint("m"), 99))["max_tokens"] == 99


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 3}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 100_000}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 3}}, "stream_options.include_usage"),
        ({"intertie": {"objektive": "x"}}, "intertie"),
    ],
)
def test_wrong_types_and_values_name_the_field(change: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek("chat", body(**change))
    assert caught.value.param == param


@pytest.mark.parametrize("name", ["n_predict", "max_new_tokens", "max_completion_tokens"])
def test_the_largest_limit_of_any_engine_is_what_is_held(name: str) -> None:
    assert peek("chat", body(**{name: 5_000})).max_output == 5_000
    with pytest.raises(InvalidRequest, match=name):
        peek("chat", body(**{name: -1}))


def test_usage_counts_cached_and_reasoning_inside_the_whole() -> None:
    answer = {
        "usage": {
            "prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }
    }  # fmt: skip
    assert glance(json.dumps(answer).encode()).usage == Usage(100, 20, 64, 5)
    assert glance(b'{"usage":null}').usage is None
    odd = b'{"usage":{"prompt_tokens":-5,"completion_tokens":1,"prompt_tokens_details":null}}'
    assert glance(odd).usage == Usage(0, 1)


@pytest.mark.parametrize("answer", [b"<html>", b"", b"[1]", b'{"usage":"free"}'])
def test_what_is_not_the_dialect_is_not_read(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        glance(answer)


@pytest.mark.parametrize(
    ("error", "status"),
    [({"message": "no"}, 502), ({"code": 429}, 429), ({"code": "403"}, 403), ({"code": "x"}, 502), ("no", 502)],
)
def test_an_error_under_status_200_is_read_with_the_status_it_names(error: object, status: int) -> None:
    body = json.dumps({"error": error}, separators=(",", ":")).encode()
    for reading in (glance(body), read_event(body)):
        assert (reading.error, reading.status) == (body, status)


def test_stream_events_tell_usage_and_whether_they_carry_output() -> None:
    usage_chunk = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    assert read_event(usage_chunk).only_usage
    with_content = b'{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    assert not read_event(with_content).only_usage
    assert read_event(with_content).usage == Usage(3, 4)
    assert speaks(with_content)
    assert not speaks(b'{"choices":[{"delta":{"role":"assistant","content":""}}]}')
    assert not speaks(b'{"choices":[{"delta":{},"finish_reason":"stop"}]}')


@pytest.mark.parametrize(
    ("block", "chunks"),
    [
        (b'data: {"choices":[{"delta":{"content":"\\"usage\\": {"}}],"usage":null}\n\n', 1),
        (b'data: {"a":1}\r\n\r\n', 1),
        (b'data: {"a":1}\n\ndata: {"a":2}\n\n', 2),
        (b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n', -1),
        (b'data: {"a":1}\n\ndata: {"usage":{"prompt_tokens":3}}\n\n', -1),
        (b'data: {"error":{}}\n\n', -1),
        (b'data: {"a":1}\n\n: ping\n\n', -1),
        (b'data: {"a":\n\n', -1),
        (b"data: [DONE]\n\n", -1),
        (b"event: x\n\n", -1),
        (b"", -1),
    ],
)
def test_only_blocks_of_chunks_are_plain(block: bytes, chunks: int) -> None:
    assert plain(block) == chunks


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "too long", "type": "invalid_request_error"}}, "too long"),
        ({"error": "too long", "error_type": "validation"}, "too long"),
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ({"detail": "too long"}, "too long"),
        ({"detail": [{"loc": ["body"], "msg": "too long"}]}, ""),
        ({"error": None}, ""),
        ([], ""),
    ],
)
def test_what_engines_say_is_wrong_is_read_in_each_of_their_shapes(body: object, words: str) -> None:
    assert told(json.dumps(body).encode()) == words


def test_errors_take_openais_shape_and_cannot_inject_events() -> None:
    fault = BudgetExhausted("spent\n\ndata: [DONE]", should_retry=False)
    error = json.loads(error_body(fault))["error"]
    assert error == {"message": fault.message, "type": "insufficient_quota", "param": None, "code": "budget_exhausted"}
    assert error_event(fault).count(b"\n") == 2


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_nobody_asks_for_more_than_any_engine_could_say(field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek("chat", body(**{"max_tokens": 5, field: 10**25}))
    assert caught.value.param == field


@pytest.mark.parametrize("usage", [{"prompt_tokens": 10**15}, {"completion_tokens": 2**63}])
def test_an_absurd_usage_is_not_believed(usage: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        glance(json.dumps({"usage": usage}).encode())


@pytest.mark.parametrize("key", ["Model", "MAX_TOKENS", "mea\u017f\u017fage\u017f", "N", "\u017ftream"])
def test_a_key_that_differs_only_in_case_from_one_that_decides_is_refused(key: str) -> None:
    if key.casefold() not in ("model", "max_tokens", "n", "stream"):
        peek("chat", body(**{key: 1}))
        return
    with pytest.raises(InvalidRequest, match="only in its letters' case"):
        peek("chat", body(**{key: "other"}))


def test_a_model_name_has_an_end() -> None:
    with pytest.raises(InvalidRequest, match="256"):
        peek("chat", body(model="m" * 100_000))


def test_brackets_that_never_close_are_refused_and_are_no_defect() -> None:
    with pytest.raises(InvalidRequest, match="nested deeper"):
        peek("chat", b'{"a":' + b"[" * 60_000)
