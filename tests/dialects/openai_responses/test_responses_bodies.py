"""Chats written as calls of the Responses dialect, and whole responses read as answers."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from openai.types.responses import response_create_params
from pydantic import TypeAdapter
from responses_samples import ENDPOINT, FREE, FUNCTION, chats, plain

from intertie.core.chat import (
    Audio,
    Chat,
    Choice,
    Citation,
    Document,
    Form,
    Hosted,
    Image,
    Media,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    TokenChance,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.faults import Fault, Unsupported, UpstreamBusy, UpstreamGarbled, UpstreamRefused
from intertie.core.usage import Usage
from intertie.dialects.dialect import Cannot
from intertie.dialects.openai_responses.body_to_answer import body_to_answer
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.chat_to_body import chat_to_body
from intertie.dialects.openai_responses.peek import peek

ASK = (Turn("user", (Text("hi"),)),)
PARAMS = TypeAdapter(response_create_params.ResponseCreateParamsBase)


def chat(turns: tuple[Turn, ...] = ASK, **fields: Any) -> Chat:
    return Chat(model="m", turns=turns, origin=fields.pop("origin", "openai_chat"), **fields)


def written(one: Chat) -> dict[str, Any]:
    return json.loads(chat_to_body(one, ENDPOINT, Cannot("openai_responses", {}, drop=False)))


def dropped(one: Chat) -> list[str]:
    cannot = Cannot("openai_responses", one.spelling, drop=True)
    chat_to_body(one, ENDPOINT, cannot)
    return cannot.dropped


@settings(deadline=None)
@given(chats())
def test_what_is_written_is_read_as_it_was(one: Chat) -> None:
    body = chat_to_body(one, ENDPOINT, Cannot("openai_responses", {}, drop=False))
    read = call_to_chat(peek("chat", body))
    assert plain(msgspec.structs.replace(read, spelling={})) == plain(one)


def test_a_plain_chat_is_a_plain_call() -> None:
    assert written(chat((Turn("system", (Text("be kind"),)), *ASK), max_output=50, stream=True)) == {
        "model": "upstream-m",
        "instructions": "be kind",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "max_output_tokens": 50,
        "stream": True,
        "store": False,  # other dialects store nothing unless they are asked to
    }


def test_a_call_with_everything_is_what_the_sdk_would_send() -> None:
    turns = (
        *ASK,
        Turn("assistant", (Text("a"), Text("b"), ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "x", free=True))),
        Turn("user", (ToolResult("c1", (Text("1"), Text("2"))), ToolResult("c2", ()), Text("and?"))),
    )
    body = written(
        chat(turns, tools=(FUNCTION, FREE), thinking=Thinking(effort="low"), tool_choice=ToolChoice("named", ("g",)))
    )
    PARAMS.validate_python(body)
    assert body["include"] == ["reasoning.encrypted_content"]  # nothing is stored, so sealed thoughts must travel
    assert body["tool_choice"] == {"type": "custom", "name": "g"}
    assert [item["type"] for item in body["input"]] == [
        "message", "message", "function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output",
        "message",
    ]  # fmt: skip
    assert [item["output"] for item in body["input"] if "output" in item] == [
        [{"type": "input_text", "text": "1"}, {"type": "input_text", "text": "2"}],
        "",
    ]


def test_a_tool_is_strict_only_if_its_caller_said_so() -> None:
    """Here strict is what is left open, elsewhere it is not."""
    assert written(chat(tools=(Tool(name="f"),)))["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    ]
    assert "strict" not in written(chat(tools=(Tool(name="f"),), origin="openai_responses"))["tools"][0]


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        (Thinking(on=True, budget=2_000), {"effort": "low"}),
        (Thinking(on=True, budget=10_000, visible=True), {"effort": "medium", "summary": "auto"}),
        (Thinking(on=True, budget=32_000), {"effort": "high"}),
        (Thinking(on=False), {"effort": "none"}),
        (Thinking(effort="xhigh", budget=1), {"effort": "xhigh"}),
        (Thinking(on=True, adaptive=True), None),
    ],
)
def test_a_budget_of_thinking_is_an_effort(thinking: Thinking, reasoning: dict[str, str] | None) -> None:
    body = written(chat(thinking=thinking))
    assert body.get("reasoning") == reasoning
    assert ("include" in body) == (reasoning is not None and reasoning["effort"] != "none")


def test_sealed_thoughts_go_back_byte_by_byte_and_those_of_others_not_at_all() -> None:
    own = Reasoning("s", sealed="gAAAA+/=", id="rs_1", summary=True, origin="openai_responses")
    other = Reasoning("secret", "SIG", origin="anthropic_messages")
    body = written(chat((*ASK, Turn("assistant", (other, own, Reasoning("aloud?"), Text("ok"))))))
    summary = [{"type": "summary_text", "text": "s"}]
    assert body["input"][1:] == [
        {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAAA+/="},
        {"type": "message", "role": "assistant", "content": "ok"},
    ]


PDF = Media(type="application/pdf", data="AAAA")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"sampling": Sampling(top_k=4)}, "top_k"),
        ({"sampling": Sampling(stop=("x",))}, "stop"),
        ({"sampling": Sampling(seed=0)}, "seed"),
        ({"sampling": Sampling(frequency_penalty=0.5)}, "frequency_penalty"),
        ({"sampling": Sampling(presence_penalty=0.5)}, "presence_penalty"),
        ({"sampling": Sampling(logit_bias=msgspec.Raw(b'{"5":1}'))}, "logit_bias"),
        ({"choices": 2}, "choices"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"voice": msgspec.Raw(b"{}")}, "voice"),
        ({"tier": "galactic"}, "tier"),
        ({"state": "x"}, "state"),
        ({"tools": (Hosted("anthropic_messages", "bash", msgspec.Raw(b"{}")),)}, "tools"),
        ({"extras": {"prediction": msgspec.Raw(b"{}")}}, "prediction"),
        ({"turns": (Turn("user", (Text("x"),), "ann"),)}, "name"),
        ({"turns": (Turn("user", (Audio(Media(type="audio/flac", data="AAAA")),)),)}, "turns"),
        ({"turns": (Turn("user", (Audio(Media(), id="a1"),)),)}, "turns"),
        ({"turns": (Turn("assistant", (Image(PDF),)),)}, "turns"),
        ({"turns": (Turn("user", (Document(PDF, cite=True),)),)}, "citations"),
        ({"turns": (Turn("user", (Document(PDF, context="c"),)),)}, "context"),
        ({"turns": (Turn("user", (Image(Media(file="f")),)),), "origin": "anthropic_messages"}, "turns"),
    ],
)
def test_what_this_dialect_cannot_say_is_refused_by_name_or_noted(fields: dict[str, Any], name: str) -> None:
    one = chat(**fields, spelling={name: f"callers.{name}"})
    with pytest.raises(Unsupported) as caught:
        chat_to_body(one, ENDPOINT, Cannot("openai_responses", one.spelling, drop=False))
    assert caught.value.param == f"callers.{name}"
    assert dropped(one) == [f"callers.{name}"]


def test_what_changes_nothing_is_no_misfit() -> None:
    quiet = Sampling(frequency_penalty=0.0, presence_penalty=0.0, logit_bias=msgspec.Raw(b"{}"))
    assert dropped(chat(sampling=quiet, modalities=("text",), form=Form())) == []


def test_a_long_name_of_a_user_becomes_its_digest() -> None:
    assert written(chat(user="ann"))["safety_identifier"] == "ann"
    digest = written(chat(user="user_" + "x" * 200))["safety_identifier"]
    assert len(digest) == 64 and digest != written(chat(user="user_" + "y" * 200))["safety_identifier"]


def test_own_extras_go_back_and_those_within_items_are_refused() -> None:
    extras = {"truncation": msgspec.Raw(b'"auto"')}
    assert written(chat(extras=extras, origin="openai_responses"))["truncation"] == "auto"
    for name in ("input[0]", "reasoning.mode", "background"):
        assert dropped(chat(extras={name: msgspec.Raw(b"true")}, origin="openai_responses")) == [name]


def response(*output: Any, **fields: Any) -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}}
    told = {
        "id": "resp_1",
        "object": "response",
        "model": "m-1",
        "created_at": 7.0,
        "status": "completed",
        "usage": usage,
    }
    return json.dumps({**told, "error": None, "output": list(output), **fields}).encode()


TEXT = {
    "type": "output_text",
    "text": "hello",
    "annotations": [
        {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 1, "end_index": 4},
        {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3},
    ],
    "logprobs": [
        {"token": "he", "logprob": -0.5, "bytes": [104, 101], "top_logprobs": [{"token": "ho", "logprob": -1}]}
    ],
}


def test_a_whole_response_is_an_answer() -> None:
    answer = body_to_answer(
        response(
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA="},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
            {"type": "never_heard_of", "content": 3},
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "content": [TEXT, {"type": "refusal", "refusal": "no"}],
            },
            {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "image_generation_call", "id": "ig", "result": "AAAA", "output_format": "webp"},
            service_tier="priority",
        )
    )
    citations = (Citation(url="https://x", title="t", start=1, end=4), Citation(title="a.pdf", start=3, end=3))
    parts = (
        Reasoning(sealed="gA=", id="rs_1", summary=True, origin="openai_responses"),
        Text("hello", citations=citations),
        Refusal("no"),
        ToolCall("c1", "f", "{}"),
        ToolCall("c2", "g", "x", free=True),
        Image(Media(type="image/webp", data="AAAA")),
    )
    chances = (TokenChance("he", -0.5, (104, 101), (TokenChance("ho", -1.0),)),)
    assert answer.choices == (Choice(parts=parts, stop="tool", chances=chances),)
    assert (answer.id, answer.model, answer.created, answer.tier) == ("resp_1", "m-1", 7, "priority")
    assert answer.usage == Usage(9, 4, reasoning=1, tier="priority")


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({}, "end"),
        ({"status": None}, "end"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "other"),
        ({"status": "incomplete", "incomplete_details": None}, "other"),
    ],
)
def test_why_a_response_ended(fields: dict[str, Any], stop: str) -> None:
    choice = body_to_answer(response(**fields)).choices[0]
    assert choice.stop == stop
    assert choice.stop_name == ("steered" if "steered" in str(fields) else "")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (response(status="failed", error={"code": "rate_limit_exceeded", "message": "x"}), UpstreamBusy),
        (response(status="failed", error={"code": "invalid_prompt", "message": "x"}), UpstreamRefused),
        (response(status="in_progress"), UpstreamGarbled),
        (response(usage={"input_tokens": 1 << 60}), UpstreamGarbled),
        (b'{"output":[{"type":"message","content":"x"}]}', UpstreamGarbled),
        (b"<html>", UpstreamGarbled),
        (b"[" * 5_000, UpstreamGarbled),
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_endpoint(body: bytes, fault: type[Fault]) -> None:
    with pytest.raises(Fault) as caught:
        body_to_answer(body)
    assert type(caught.value) is fault
