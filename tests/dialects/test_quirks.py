"""Where endpoints depart from OpenAI: the same said in their words, and nothing of the caller's given up."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.endpoint import Endpoint, Operation, Origin, Quirk
from intertie.dialects.openai_chat.peek import pass_on, peek
from intertie.dialects.quirks import adapt

QUIRKS: tuple[Quirk, ...] = get_args(Quirk)


def adapted(body: dict[str, Any], *quirks: Quirk, operation: Operation = "chat") -> Any:
    fields = msgspec.json.decode(json.dumps(body).encode(), type=dict[str, msgspec.Raw])
    adapt(fields, operation, frozenset(quirks))
    return json.loads(msgspec.json.encode(fields))


def test_the_limit_of_output_takes_the_name_that_the_endpoint_knows() -> None:
    assert adapted({"max_completion_tokens": 9}, "max_tokens") == {"max_tokens": 9}
    assert adapted({"max_tokens": 9}, "max_completion_tokens") == {"max_completion_tokens": 9}
    assert adapted({"max_tokens": None}, "max_completion_tokens") == {}


def test_of_two_limits_the_smaller_holds() -> None:
    both = {"max_tokens": 100, "max_completion_tokens": 20}
    assert adapted(both, "max_tokens") == {"max_tokens": 20}
    assert adapted(both, "max_completion_tokens") == {"max_completion_tokens": 20}
    assert adapted({"max_tokens": None, "max_completion_tokens": 20}, "max_tokens") == {"max_tokens": 20}


def test_completions_have_no_other_name_for_their_limit() -> None:
    assert adapted({"max_tokens": 9}, "max_completion_tokens", operation="completions") == {"max_tokens": 9}


def test_a_seed_is_renamed() -> None:
    assert adapted({"seed": 7}, "random_seed") == {"random_seed": 7}
    assert adapted({"seed": 7, "random_seed": 8}, "random_seed") == {"random_seed": 8}


def test_developers_speak_as_system_and_nothing_else_of_a_message_changes() -> None:
    messages = [{"role": "developer", "content": "be brief", "x": 1}, {"role": "user", "content": "developer"}]
    assert adapted({"messages": messages}, "no_developer_role")["messages"] == [
        {"role": "system", "content": "be brief", "x": 1},
        {"role": "user", "content": "developer"},
    ]


def test_content_that_is_nothing_but_text_becomes_one_text() -> None:
    plain = [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]
    mixed = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    body = {"messages": [{"role": "user", "content": plain}, {"role": "user", "content": mixed}]}
    assert [message["content"] for message in adapted(body, "text_content")["messages"]] == ["one\ntwo", mixed]


def test_only_hints_are_left_out_for_an_endpoint_that_refuses_what_it_does_not_know() -> None:
    hints = {"user": "u", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "prompt_cache_key": "k"}
    wants = {"store": True, "service_tier": "flex", "logit_bias": {"1": 2}, "temperature": 0.2}
    assert adapted(hints, "no_hints") == {}
    assert adapted(wants, "no_hints") == wants


@pytest.mark.parametrize("messages", ["text", [1], [{"role": 5, "content": []}], None])
def test_what_cannot_be_read_is_left_for_the_endpoint_to_refuse(messages: Any) -> None:
    changed = adapted({"messages": messages, "max_tokens": "many", "max_completion_tokens": "few"}, *QUIRKS)
    if messages != [{"role": 5, "content": []}]:
        assert changed["messages"] == messages


@given(quirks=st.sets(st.sampled_from(QUIRKS)), limit=st.integers(1, 1_000), extra=st.text(max_size=5))
def test_adapting_twice_is_adapting_once_and_a_limit_is_never_lost(quirks: set[Quirk], limit: int, extra: str) -> None:
    quirks -= {"max_tokens"} if "max_completion_tokens" in quirks else set()
    body = {"max_tokens": limit, f"x-{extra}": extra, "messages": [{"role": "developer", "content": extra}]}
    once = adapted(body, *quirks)
    assert adapted(once, *quirks) == once
    assert limit in (once.get("max_tokens"), once.get("max_completion_tokens"))
    assert once[f"x-{extra}"] == extra


def test_a_body_that_passes_through_is_adapted_after_the_gateway_added_its_own() -> None:
    body = {"model": "m", "messages": [{"role": "developer", "content": "hi"}], "stream": True, "store": False}
    call = peek("chat", json.dumps(body).encode())
    endpoint = Endpoint(
        "e", "s", "m", "m", Origin("http", "h", 80), quirks=frozenset(QUIRKS) - {"max_completion_tokens"}
    )
    passed = json.loads(pass_on(call, endpoint, 64))
    assert passed == {
        "model": "m", "messages": [{"role": "system", "content": "hi"}], "stream": True, "max_tokens": 64,
    }  # fmt: skip


def test_without_quirks_the_bytes_go_through_as_they_are() -> None:
    call = peek("chat", b'{"model":"m","messages":[{"role":"developer","content":"hi"}],"max_tokens":4}')
    assert pass_on(call, Endpoint("e", "s", "m", "m", Origin("http", "h", 80)), None) is call.body
