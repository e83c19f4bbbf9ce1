"""What is read of a call before it is sent anywhere, and the bytes that an Anthropic endpoint gets."""

import json
from typing import Any

import pytest
from anthropic_samples import BODY, CLAUDE, called, dumped

from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND

SAME = Endpoint("e", "s", "m", "m", Origin("http", "h", 80, "/v1"), credential="sk-ant-x", api_version="")


def sent(endpoint: Endpoint = SAME, bound: int | None = None, **changes: Any) -> bytes:
    assert OUTBOUND.pass_on is not None
    return OUTBOUND.pass_on(called(**changes), endpoint, bound)


def test_the_deciding_fields_are_read() -> None:
    call = called(stream=True, intertie={"objective": "economy"})
    assert (call.model, call.stream, call.max_output, call.choices) == ("m", True, 4096, 1)
    assert (call.wants_usage, call.dialect, call.operation) == (True, "anthropic_messages", "chat")
    assert call.ask.objective == "economy"
    assert call.prompt_tokens > 0


def test_a_count_of_tokens_needs_no_limit_and_reserves_nothing() -> None:
    call = INBOUND.peek("count_tokens", dumped({"model": "m", "messages": [], "stream": True}), "")
    assert (call.max_output, call.prompt_tokens, call.stream) == (0, 0, False)


def test_a_picture_weighs_what_it_shows_and_not_its_bytes() -> None:
    data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ" + "A" * 1_000_000
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    call = called(messages=[{"role": "user", "content": [picture]}])
    assert call.prompt_tokens < 10_000
    assert call.units.image_in > 0


def test_a_cache_may_be_filled_without_an_answer() -> None:
    assert called(max_tokens=0).max_output == 0


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 3}, "model"),
        ({"model": "x" * 300}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1 << 40}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
        ({"Max_Tokens": 7}, "max_tokens"),
    ],
)
def test_wrong_types_and_values_name_the_field(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        called(**change)
    assert caught.value.param == param


def test_fact_12_a_call_without_max_tokens_is_refused() -> None:
    without = {name: value for name, value in BODY.items() if name != "max_tokens"}
    with pytest.raises(InvalidRequest) as caught:
        INBOUND.peek("chat", dumped(without), "")
    assert (caught.value.param, caught.value.code) == ("max_tokens", "missing_required_parameter")


def test_one_conversation_has_one_affinity() -> None:
    first = called(system="You are one.")
    longer = called(system="You are one.", messages=[*BODY["messages"], {"role": "assistant", "content": "yes"}])
    other = called(system="You are another.")
    assert first.affinity == longer.affinity != other.affinity


def test_a_session_that_is_named_decides_the_affinity() -> None:
    named = {"metadata": {"user_id": "user_1_session_2"}}
    assert called(system="a", **named).affinity == called(system="b", **named).affinity != called(system="a").affinity


def test_a_body_that_needs_no_patch_goes_through_as_it_came() -> None:
    assert sent(x_unknown={"deep": [1, 2]}) == dumped({**BODY, "x_unknown": {"deep": [1, 2]}})


def test_only_what_must_be_is_patched() -> None:
    patched = json.loads(sent(CLAUDE, x_unknown={"deep": [1, 2]}, intertie={"explain": True}))
    assert patched == {**BODY, "model": "claude-opus-5", "x_unknown": {"deep": [1, 2]}}


def test_output_is_bounded_where_it_must_be() -> None:
    assert json.loads(sent(bound=99))["max_tokens"] == 99


def test_signed_thoughts_go_back_byte_by_byte() -> None:
    thought = '{"signature" : "a+/b==", "thinking":"\\u65e5\\n", "type":"thinking"}'
    body = b'{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[' + thought.encode() + b"]}]}"
    assert OUTBOUND.pass_on is not None
    assert thought.encode() in OUTBOUND.pass_on(INBOUND.peek("chat", body, ""), CLAUDE, None)


def test_where_the_operations_hang() -> None:
    assert OUTBOUND.path(SAME, "chat", True) == "/messages"
    assert OUTBOUND.path(SAME, "count_tokens", False) == "/messages/count_tokens"


def test_the_credential_and_the_version_are_told() -> None:
    assert OUTBOUND.headers(SAME) == ("anthropic-version: 2023-06-01", "x-api-key: sk-ant-x")
    assert OUTBOUND.headers(CLAUDE) == ("anthropic-version: 2023-06-01",)
