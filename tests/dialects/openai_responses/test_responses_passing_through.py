"""Calls and streams of the Responses dialect that pass through: what is read of them, and that nothing else changes."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import (
    Fault,
    InvalidRequest,
    RateLimited,
    StreamCut,
    Unsupported,
    UpstreamBusy,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRefused,
)
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_responses.both import INBOUND, OUTBOUND
from intertie.dialects.openai_responses.faults import error_event
from intertie.dialects.openai_responses.glance import glance, plain
from intertie.dialects.openai_responses.peek import pass_on, peek
from intertie.dialects.openai_responses.watch import ResponsesWatch

BODY = {"model": "m", "input": "hi", "store": False, "max_output_tokens": 77, "x_unknown": {"deep": [1, 2]}}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {
        "cached_tokens": 40,
        "cache_write_tokens": 30,
        "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 20},
    },
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 150,
}
COUNTED = Usage(100, 50, 40, 20, written=10, written_1h=20, searches=2, tier="flex")


def endpoint(upstream_model: str = "m") -> Endpoint:
    return Endpoint("e", "s", "m", upstream_model, Origin("http", "h", 80), credential="sk-1")


def body(**changes: Any) -> bytes:
    return json.dumps({**BODY, **changes}, separators=(",", ":")).encode()


def sse(kind: str, **content: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **content})}\n\n".encode()


def ending(kind: str, **changes: Any) -> bytes:
    told = {"usage": USAGE, "error": None, "service_tier": "flex", "tool_usage": {"web_search": {"num_requests": 2}}}
    return sse(kind, sequence_number=9, response={"id": "resp_1", "output": [], **told, **changes})


BEGINNING = (
    sse("response.created", sequence_number=0, response={"id": "resp_1", "usage": None, "error": None})
    + b": keep-alive\r\n\r\n"
    + sse("response.output_text.delta", delta="Grüße 👋", obfuscation="xyz")
    + sse("response.steer.accepted", whatever=True)
    + sse("response.compaction.compacting", item_id="cmp_1")
    + b'data: {"type":"response.output_text.delta","delta":"!"}\r\n\r\n'
)


def watched(stream: bytes, cuts: list[int]) -> tuple[bytes, ResponsesWatch, Heard]:
    heard = Heard()
    watch = ResponsesWatch(peek("chat", body(stream=True)), heard)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    passed = b"".join(watch.feed(stream[start:end]) for start, end in pairwise(places))
    return passed, watch, heard


def test_the_deciding_fields_are_read() -> None:
    call = peek("chat", body(stream=True, prompt_cache_key="k", intertie={"explain": True}))
    assert (call.model, call.stream, call.max_output, call.dialect) == ("m", True, 77, "openai_responses")
    assert call.ask.explain
    assert call.affinity == peek("chat", body(prompt_cache_key="k", input="other")).affinity


def test_calls_with_the_same_instructions_are_likely_to_share_a_prefix() -> None:
    long = "you are careful. " * 40
    first, second = (peek("chat", body(instructions=long, input=text)) for text in ("a", "b"))
    assert first.affinity == second.affinity != peek("chat", body(instructions="x")).affinity


def test_a_body_that_needs_no_patch_goes_through_as_it_came() -> None:
    assert pass_on(peek("chat", body()), endpoint(), None) == body()


def test_unknown_fields_survive_a_patch_and_output_is_bounded_where_a_budget_pays() -> None:
    unlimited = {name: value for name, value in BODY.items() if name != "max_output_tokens"}
    call = peek("chat", json.dumps({**unlimited, "intertie": {}}).encode())
    assert call.max_output is None
    patched = json.loads(pass_on(call, endpoint("other"), 99))
    assert patched == {**unlimited, "model": "other", "max_output_tokens": 99}


@pytest.mark.parametrize("store", [True, None])
def test_no_endpoint_is_to_store_anything(store: bool | None) -> None:
    unsaid = {name: value for name, value in BODY.items() if name != "store"}
    for call in (peek("chat", body(store=store)), peek("chat", json.dumps(unsaid).encode())):
        assert json.loads(pass_on(call, endpoint(), None)) == BODY


def test_background_is_not_passed_on_since_nobody_could_meter_it() -> None:
    with pytest.raises(Unsupported) as caught:
        pass_on(peek("chat", body(background=True)), endpoint(), None)
    assert caught.value.param == "background"


def test_an_input_may_be_elsewhere() -> None:
    assert peek("chat", b'{"model":"m","previous_response_id":"resp_1"}').model == "m"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 3}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"input": None}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "7"}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek("chat", body(**change))
    assert caught.value.param == param


def test_the_endpoint_gets_the_path_and_the_credential() -> None:
    assert OUTBOUND.path(endpoint(), "chat", True) == "/responses"
    assert OUTBOUND.headers(endpoint()) == ("authorization: Bearer sk-1",)


def test_a_whole_answer_tells_its_usage() -> None:
    answer = {"usage": USAGE, "error": None, "service_tier": "flex", "tool_usage": {"web_search": {"num_requests": 2}}}
    assert glance(json.dumps(answer).encode()).usage == COUNTED
    assert glance(b'{"id":"resp_1","status":"queued","usage":null}').usage is None


def test_figures_that_nobody_can_mean_are_not_believed() -> None:
    assert glance(b'{"usage":{"input_tokens":-5,"output_tokens":3}}').usage == Usage(0, 3)
    for wrong in (b'{"usage":{"input_tokens":99999999999}}', b'{"usage":{"input_tokens":"7"}}', b"<html>", b"[]"):
        with pytest.raises(ValueError):
            glance(wrong)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow"}, 429),
        ({"code": "server_error", "message": "oops"}, 500),
        ({"code": "invalid_image_format", "message": "no"}, 400),
        ({"code": "context_length_exceeded", "message": "long", "type": "invalid_request_error"}, 400),
        ({"code": 503, "message": "numbers, as OpenRouter has them"}, 503),
        ({"code": "never_heard_of", "message": "?"}, 502),
        ("just words", 502),
    ],
)
def test_an_error_under_status_200_is_judged_by_its_code(error: Any, status: int) -> None:
    reading = glance(json.dumps({"status": "failed", "error": error, "usage": USAGE}).encode())
    assert (json.loads(reading.error), reading.status) == ({"error": error}, status)
    assert reading.usage is not None and reading.usage.prompt == 100


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete", "response.failed"])
@given(cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_wire_fact_3_each_terminal_event_is_held_back_and_tells_usage(end: str, cuts: list[int]) -> None:
    tail = ending(end) + b"data: [DONE]\n\n"
    passed, watch, heard = watched(BEGINNING + tail, cuts)
    assert passed + watch.ended() == BEGINNING + tail  # unknown events and comments as they came, obfuscation and all
    assert watch.done and end.encode() not in passed
    assert (heard.usage, heard.events) == (COUNTED, 2)


PLAIN = sse("response.created", response={"usage": None}) + sse("response.refusal.delta", delta="no\n\n") * 3


@given(st.lists(st.integers(min_value=0), max_size=12))
def test_blocks_of_nothing_but_plain_events_are_counted_alike_however_they_are_cut(cuts: list[int]) -> None:
    passed, watch, heard = watched(PLAIN, cuts)
    assert (passed, heard.events, watch.done) == (PLAIN, 3, False)


@pytest.mark.parametrize(
    "block",
    [
        ending("response.failed"),
        PLAIN + ending("response.completed"),
        sse("error", message="x"),
        b'data: {"type":"response.refusal.delta"}\n\n',
        b'event: x\ndata: {"type":"a.delta"}\ndata: {}\n\n',
        b'event: x\ndata: {"type":"a.delta"\n\n',
        PLAIN + b": ping\n\n",
        PLAIN[:-1],
        b"",
    ],
)
def test_a_block_with_anything_else_is_looked_at_closely(block: bytes) -> None:
    assert plain(block) == -1


@given(st.lists(st.integers(min_value=0), max_size=12))
def test_the_last_empty_line_may_be_missing(cuts: list[int]) -> None:
    stream = BEGINNING + ending("response.completed").rstrip(b"\n")
    passed, watch, heard = watched(stream, cuts)
    assert passed + watch.ended() == stream and b"response.completed" not in passed
    assert heard.usage == COUNTED


@given(st.integers(min_value=1, max_value=len(BEGINNING) - 1))
def test_a_cut_anywhere_is_told(length: int) -> None:
    _, watch, _ = watched(BEGINNING[:length], [])
    with pytest.raises(StreamCut):
        watch.ended()


def test_done_without_a_terminal_event_is_a_cut_before_the_caller_can_see_it() -> None:
    with pytest.raises(StreamCut):
        watched(BEGINNING + b"data: [DONE]\n\n", [])


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (sse("error", code="rate_limit_exceeded", message="slow", param=None, sequence_number=3), UpstreamBusy),
        (sse("error", error={"code": "server_error", "message": "x"}, sequence_number=3), UpstreamError),
        (sse("error", error={"type": "invalid_request_error", "message": "x"}), UpstreamRefused),
        (b'data: {"error":{"message":"gone","code":503}}\n\n', UpstreamError),
        (b'{"error":{"message":"not a stream","code":"server_error"}}\n\n', UpstreamError),
        (b"<html>sorry</html>\n\n", UpstreamGarbled),
        (b"data: {broken\n\n", UpstreamGarbled),
        (b'data: {"no":"type"}\n\n', UpstreamGarbled),
        (ending("response.completed", usage={"input_tokens": 1 << 60}), UpstreamGarbled),
    ],
)
def test_what_the_endpoint_tells_in_the_midst_is_a_fault_of_its_own_kind(stream: bytes, fault: type[Fault]) -> None:
    with pytest.raises(Fault) as caught:
        watched(stream, [])
    assert type(caught.value) is fault


def test_an_endpoint_that_goes_on_behind_its_end_is_stopped() -> None:
    with pytest.raises(StreamCut):
        watched(ending("response.completed") + b": more\n\n" * 100, [])
    with pytest.raises(StreamCut):
        watched(ending("response.completed") + b": " + b"x" * 70_000 + b"\n\n", [])


def test_pictures_may_be_larger_than_other_events() -> None:
    event = sse("response.image_generation_call.partial_image", partial_image_b64="A" * 3_000_000)
    passed, _, _ = watched(event + ending("response.completed"), [1_500_000])
    assert passed == event


def test_an_error_in_a_stream_is_told_in_both_shapes_that_clients_know() -> None:
    event = error_event(RateLimited("too\n\nfast"), "req_1")
    name, data, rest = event.split(b"\n", 2)
    assert (name, rest) == (b"event: error", b"\n")
    told = json.loads(data.removeprefix(b"data: "))
    assert told["type"] == "error" and told["message"] == "too\n\nfast" and told["sequence_number"] == 0
    assert told["error"] == {
        "type": "rate_limit_error",
        "code": "rate_limit_exceeded",
        "message": "too\n\nfast",
        "param": None,
    }


def test_errors_and_limits_look_as_they_do_in_chat() -> None:
    assert json.loads(INBOUND.error_body(RateLimited("x"), ""))["error"]["code"] == "rate_limit_exceeded"
    assert b"x-ratelimit-remaining-tokens: 3" in INBOUND.standing("tokens", 9, 3, 1.5, 0.0)
    assert isinstance(peek("chat", body()), Call)
