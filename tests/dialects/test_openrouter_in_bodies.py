"""Bodies of every dialect that say where they may go in OpenRouter's way: what is heard, and what is passed on."""

import json
from typing import Any

import pytest

from intertie.core.call import NO_ASK, Call
from intertie.core.endpoint import Dialect, Endpoint, Operation, Origin
from intertie.core.faults import InvalidRequest
from intertie.dialects.dialect import Cannot, Inbound
from intertie.dialects.registry import INBOUND, OUTBOUND

SAYS = {"order": ["groq"], "ignore": ["x"], "data_collection": "deny", "require_parameters": True}
HELLO = [{"role": "user", "content": "Hello"}]
CASES: list[tuple[Dialect, Operation, dict[str, Any]]] = [
    ("openai_chat", "chat", {"model": "m", "messages": HELLO}),
    ("openai_chat", "completions", {"model": "m", "prompt": "Hello"}),
    ("openai_chat", "embeddings", {"model": "m", "input": "Hello"}),
    ("openai_chat", "rerank", {"model": "m", "query": "q", "documents": ["a"]}),
    ("openai_responses", "chat", {"model": "m", "input": "Hello", "store": False}),
    ("anthropic_messages", "chat", {"model": "m", "messages": HELLO, "max_tokens": 5}),
    ("gemini", "chat", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
]
IDS = [f"{dialect}-{operation}" for dialect, operation, _ in CASES]
every_dialect = pytest.mark.parametrize(("dialect", "operation", "body"), CASES, ids=IDS)
NAMING = [case for case in CASES if case[0] != "gemini"]  # there the path names the model


def peek(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> Call:
    inbound: Inbound = INBOUND[dialect]
    return inbound.peek(operation, json.dumps(body).encode(), "m:generateContent" if dialect == "gemini" else "")


def endpoint(dialect: Dialect, provider: str = "", upstream_model: str = "m") -> Endpoint:
    names = ("mine", "hall", provider)
    origin = Origin("https", "127.0.0.1", 1)
    return Endpoint("mine", "hall", "m", upstream_model, origin, dialect=dialect, provider=provider, names=names)


def passed(call: Call, end: Endpoint) -> dict[str, Any]:
    pass_on = OUTBOUND[end.dialect].pass_on
    assert pass_on is not None
    return json.loads(pass_on(call, end, None))


@every_dialect
def test_what_is_said_is_heard(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> None:
    ask = peek(dialect, operation, {**body, "provider": SAYS, "models": ["m", "n"]}).ask
    assert (ask.order, ask.ignore, ask.models) == (("groq",), ("x",), ("n",))
    assert ask.no_retention and ask.strict


@every_dialect
def test_who_says_nothing_asks_for_nothing(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> None:
    assert peek(dialect, operation, body).ask is NO_ASK


@every_dialect
def test_our_own_object_weighs_more(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> None:
    said = {**body, "provider": {"only": ["theirs"], "zdr": True}, "intertie": {"only": ["ours"]}}
    ask = peek(dialect, operation, said).ask
    assert (ask.only, ask.no_retention) == (("ours",), True)


@every_dialect
def test_what_was_said_to_us_goes_no_further(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> None:
    call = peek(dialect, operation, {**body, "provider": SAYS, "models": ["m", "n"]})
    assert passed(call, endpoint(dialect)) == body
    assert passed(call, endpoint(dialect, upstream_model="theirs")) == (
        {**body, "model": "theirs"} if "model" in body else body
    )


@every_dialect
def test_openrouter_itself_is_told_but_never_of_other_models(
    dialect: Dialect, operation: Operation, body: dict[str, Any]
) -> None:
    call = peek(dialect, operation, {**body, "provider": SAYS, "models": ["m", "n"]})
    assert passed(call, endpoint(dialect, "openrouter")) == {**body, "provider": SAYS}


@pytest.mark.parametrize(("dialect", "operation", "body"), NAMING, ids=IDS[: len(NAMING)])
def test_without_a_model_the_first_of_the_list_is_it(
    dialect: Dialect, operation: Operation, body: dict[str, Any]
) -> None:
    bare = {name: value for name, value in body.items() if name != "model"}
    call = peek(dialect, operation, {**bare, "models": ["m", "n"]})
    assert (call.model, call.ask.models) == ("m", ("n",))
    assert passed(call, endpoint(dialect)) == body
    nothing: list[str] | None
    for nothing in ([], None):
        with pytest.raises(InvalidRequest) as caught:
            peek(dialect, operation, {**bare, "models": nothing})
        assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "model")


@every_dialect
@pytest.mark.parametrize("wrong", [{"models": [1]}, {"models": ["m"] * 17}, {"provider": {"only": "groq"}}])
def test_what_cannot_be_understood_is_refused(
    dialect: Dialect, operation: Operation, body: dict[str, Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek(dialect, operation, {**body, **wrong})
    assert (caught.value.param or "").startswith(("models", "provider"))


def test_somebodys_own_field_of_that_name_passes_but_no_models_to_openrouter() -> None:
    body = {"model": "m", "messages": HELLO, "provider": "theirs", "models": "n"}
    call = peek("openai_chat", "chat", body)
    assert call.ask is NO_ASK
    assert passed(call, endpoint("openai_chat")) == body
    assert "models" not in passed(call, endpoint("openai_chat", "openrouter"))


def test_a_list_that_names_the_endpoint_speaks_of_places_here_and_is_not_passed_on() -> None:
    says = {"only": ["OpenRouter", "hall"], "order": ["groq", "mine"], "ignore": ["deepinfra"], "zdr": True}
    call = peek("openai_chat", "chat", {"model": "m", "messages": HELLO, "provider": says})
    told = passed(call, endpoint("openai_chat", "openrouter"))["provider"]
    assert told == {"ignore": ["deepinfra"], "zdr": True}
    call = peek("openai_chat", "chat", {"model": "m", "messages": HELLO, "provider": {"only": ["mine"]}})
    assert "provider" not in passed(call, endpoint("openai_chat", "openrouter"))


@pytest.mark.parametrize(("dialect", "operation", "body"), [case for case in CASES if case[1] == "chat"])
def test_another_dialect_is_not_bothered_with_it(dialect: Dialect, operation: Operation, body: dict[str, Any]) -> None:
    call = peek(dialect, operation, {**body, "provider": SAYS, "models": ["m", "n"]})
    read = INBOUND[dialect].read
    assert read is not None
    chat = read(call)
    assert not chat.extras
    target: Dialect = "anthropic_messages" if dialect != "anthropic_messages" else "openai_chat"
    write, cannot = OUTBOUND[target].write, Cannot(target, chat.spelling, drop=False)
    assert write is not None
    told = json.loads(write(chat, endpoint(target), cannot))
    assert told.keys().isdisjoint(("provider", "models"))
    assert not cannot.dropped


def test_a_spelling_that_only_its_case_tells_apart_is_refused() -> None:
    for dialect, operation, body in NAMING:
        for name in ("Provider", "MODELS"):
            with pytest.raises(InvalidRequest, match="case"):
                peek(dialect, operation, {**body, name: {}})
