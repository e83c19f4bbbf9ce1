"""What is kept of responses, how calls build on them, and what callers are told of them."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_samples import answers, events_of, plain

from intertie.core.call import Ask, Call
from intertie.core.chat import Answer, Choice, Reasoning, Text, ToolCall
from intertie.core.faults import InvalidRequest, NotFound, StreamCut
from intertie.dialects.openai_responses import stored_bodies
from intertie.dialects.openai_responses.answer_to_body import answer_to_body
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.events_to_stream import ResponsesWriter
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.stored import (
    LIFETIME_S,
    LONGEST_CHAIN,
    StoredResponse,
    expand,
    in_background,
    input_items,
    keep,
    not_found,
    previous,
    read_progress,
    response_in,
    wants_keeping,
)
from intertie.dialects.openai_responses.stored_bodies import (
    Page,
    cancelled,
    deleted,
    in_progress,
    item_list,
    queued,
    read_page,
)

SIGNED = Reasoning("hm", "SIG", origin="anthropic_messages")


def call(text: Any = "hi", **fields: Any) -> Call:
    return peek("chat", json.dumps({"model": "m", "input": text, **fields}).encode())


def answered(asked: Call, name: str, *parts: Any) -> StoredResponse:
    answer = Answer(id=name, model="m", choices=(Choice(parts=parts or (Text(f"said by {name}"),)),))
    return keep(asked, answer_to_body(answer, asked), created=1_000)


def conversation(turns: int) -> list[StoredResponse]:
    chain: list[StoredResponse] = []
    for number in range(turns):
        before = {"previous_response_id": chain[-1].id} if chain else {}
        chain.append(answered(call(f"question {number}", **before), f"resp_{number}"))
    return chain


def sdk(respond: Callable[[httpx2.Request], bytes]) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=respond(request))

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=client, max_retries=0)


def test_a_response_is_kept_if_its_caller_says_so_or_comes_back_for_it() -> None:
    for unsaid in (True, False):
        assert wants_keeping(call(store=True), unsaid)
        assert not wants_keeping(call(store=False), unsaid)
        assert wants_keeping(call(), unsaid) == wants_keeping(call(store=None), unsaid) == unsaid
        assert wants_keeping(call(previous_response_id="resp_1"), unsaid)
        assert not wants_keeping(call(previous_response_id="resp_1", store=False), unsaid)
        assert wants_keeping(call(background=True), unsaid)
    with pytest.raises(InvalidRequest) as caught:
        wants_keeping(call(store=False, background=True), True)
    assert caught.value.param == "background"
    with pytest.raises(InvalidRequest) as caught:
        wants_keeping(call(store="yes"), True)
    assert caught.value.param == "store"


def test_an_endpoint_gets_nothing_to_keep_and_seals_the_thoughts_that_are_to_go_on() -> None:
    asked = call("hi", store=True, background=True, reasoning={"effort": "low"}, include=["web_search_call.results"])
    told = json.loads(expand(asked, []).body)
    assert told["store"] is False and "background" not in told
    assert told["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert told["include"] == ["web_search_call.results", "reasoning.encrypted_content"]
    assert json.loads(expand(call(reasoning={}), []).body)["include"] == ["reasoning.encrypted_content"]
    sealed = call(reasoning={}, include=["reasoning.encrypted_content"])
    assert json.loads(expand(sealed, []).body)["include"] == ["reasoning.encrypted_content"]
    assert "include" not in json.loads(expand(call(), []).body)
    with pytest.raises(InvalidRequest) as caught:
        expand(call(reasoning={}, include="all"), [])
    assert caught.value.param == "include"


def test_what_is_kept_survives_being_written_down() -> None:
    kept = answered(call("hi"), "resp_1")
    assert (kept.id, kept.model, kept.created, kept.expires) == ("resp_1", "m", 1_000, 1_000 + LIFETIME_S)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=StoredResponse) == kept


@given(st.integers(min_value=1, max_value=6))
def test_a_call_that_builds_on_others_is_answered_as_if_all_had_been_sent(turns: int) -> None:
    chain = conversation(turns)
    asked = call("and now?", previous_response_id=chain[-1].id, instructions="be kind")
    whole = msgspec.structs.replace(asked, ask=Ask(explain=True))
    chat = call_to_chat(expand(whole, chain))
    said = [part.text for turn in chat.turns for part in turn.parts if isinstance(part, Text)]
    spoken = [text for number in range(turns) for text in (f"question {number}", f"said by resp_{number}")]
    assert said == ["be kind", *spoken, "and now?"]
    assert chat.state == ""
    assert expand(whole, chain).ask == Ask(explain=True)


def test_a_call_whose_input_is_all_in_the_past_is_whole_too() -> None:
    chain = conversation(1)
    asked = peek("chat", json.dumps({"model": "m", "previous_response_id": "resp_0"}).encode())
    assert len(call_to_chat(expand(asked, chain)).turns) == 2


def test_a_conversation_looks_alike_from_its_first_turn_on() -> None:
    first = call("tell me " * 60, instructions="be kind", store=True)
    later = call("more", instructions="be kind", previous_response_id="resp_1")
    assert expand(first, []).affinity == expand(later, [answered(first, "resp_1")]).affinity


def test_results_find_their_calls_in_what_was_kept_and_signatures_go_back() -> None:
    parts = (SIGNED, ToolCall("c1", "f", "{}", signature="GEM"), ToolCall("c2", "g", "x", free=True))
    first = answered(call("go"), "resp_1", *parts)
    results = [
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"},
    ]
    chat = call_to_chat(expand(call(results, previous_response_id="resp_1"), [first]))
    assert chat.turns[1].parts == (
        SIGNED,
        ToolCall("c1", "f", "{}", signature="GEM"),
        ToolCall("c2", "g", "x", free=True),
    )
    wrong = [{"type": "function_call_output", "call_id": "c9", "output": "1"}]
    with pytest.raises(InvalidRequest):
        call_to_chat(expand(call(wrong, previous_response_id="resp_1"), [first]))


def test_thoughts_without_a_seal_and_ids_that_nobody_could_look_up_are_left_out() -> None:
    own = Reasoning("s", id="rs_1", summary=True, origin="openai_responses")
    sealed = Reasoning("s", sealed="gA=", id="rs_2", summary=True, origin="openai_responses")
    first = answered(call("go"), "resp_1", own, sealed, ToolCall("c1", "f", "{}"))
    result = [{"type": "function_call_output", "call_id": "c1", "output": "1"}]
    items = json.loads(bytes(expand(call(result, previous_response_id="resp_1"), [first]).fields["input"]))
    assert [item["type"] for item in items] == ["message", "reasoning", "function_call", "function_call_output"]
    assert items[1]["encrypted_content"] == "gA=" and "id" not in items[1] and "id" not in items[2]


def test_what_is_not_kept_cannot_be_built_upon() -> None:
    chain = conversation(3)
    for wrong in ([], chain[:2], chain[1:]):
        with pytest.raises(InvalidRequest) as caught:
            expand(call(previous_response_id="resp_2"), wrong)
        assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
    assert str(not_found("resp_9")) == "Previous response with id 'resp_9' not found."
    with pytest.raises(InvalidRequest):
        previous(call(previous_response_id="resp_1", conversation="conv_1"))
    with pytest.raises(InvalidRequest, match="more than"):
        expand(call(previous_response_id="resp_2"), chain[:1] + chain[1:2] * LONGEST_CHAIN + chain[2:])
    running = queued(call("x", background=True), "resp_q", 1)
    with pytest.raises(InvalidRequest, match="queued"):
        expand(call(previous_response_id="resp_q"), [running])


@settings(deadline=None)
@given(answers(), st.data())
def test_what_a_stream_told_at_its_end_is_what_is_kept(answer: Answer, data: st.DataObject) -> None:
    asked = call("hi", stream=True)
    writer = ResponsesWriter(asked)
    written = [writer.write(event) for event in events_of(answer, data.draw)]
    assert plain(json.loads(response_in(written[-1]))) == plain(json.loads(answer_to_body(answer, asked)))
    assert response_in(b": nothing\n\ndata: [DONE]\n\n" + written[0]) == b""


def test_the_sdk_reads_what_is_kept_and_what_is_gone() -> None:
    kept = answered(call("hi"), "resp_1")
    with sdk(lambda request: kept.response) as client:
        assert client.responses.retrieve("resp_1").output_text == "said by resp_1"
    with sdk(lambda request: deleted("resp_1")) as client:
        client.responses.delete("resp_1")
    assert json.loads(deleted("resp_1")) == {"id": "resp_1", "object": "response.deleted", "deleted": True}
    assert isinstance(stored_bodies.not_found("resp_1"), NotFound)


def test_the_sdk_pages_through_all_that_a_response_was_made_from() -> None:
    chain = conversation(2)
    parts = [{"role": "assistant", "content": "x"}, {"role": "user", "content": [{"type": "input_text", "text": "y"}]}]
    chain.append(answered(call(parts, previous_response_id="resp_1"), "resp_2"))

    def respond(request: httpx2.Request) -> bytes:
        return item_list(chain, read_page(dict(request.url.params)))

    with sdk(respond) as client:
        for order in ("asc", "desc"):
            items = list(client.responses.input_items.list("resp_2", limit=2, order=order))
            texts = [content.text for item in items for content in item.content]
            told = ["question 0", "said by resp_0", "question 1", "said by resp_1", "x", "y"]
            assert texts == (told if order == "asc" else told[::-1])
            assert len({item.id for item in items}) == 6


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "x"), ("order", "up")])
def test_a_page_that_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_page({name: value})
    assert caught.value.param == name
    with pytest.raises(InvalidRequest):
        item_list(conversation(1), Page(after="msg_9"))


def test_an_empty_input_is_an_empty_list() -> None:
    asked = peek("chat", json.dumps({"model": "m", "prompt": {"id": "p"}}).encode())
    assert input_items(asked) == []
    told = json.loads(item_list([answered(asked, "resp_1")], read_page({"include": "x"})))
    assert told == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_response_in_the_background_is_queued_then_ends_once() -> None:
    asked = call("hi", background=True)
    begun = queued(asked, "resp_1", 5)
    assert in_background(asked) and begun.background and read_progress(begun).status == "queued"
    with sdk(lambda request: begun.response) as client:
        assert client.responses.retrieve("resp_1").status == "queued"
    assert read_progress(in_progress(begun)).status == "in_progress"
    ended = stored_bodies.came_of_it(begun, answered(asked, "resp_1").response)
    assert read_progress(ended).status == "completed"
    assert cancelled(ended) == in_progress(ended) == ended  # too late
    stopped = cancelled(begun)
    with sdk(lambda request: stopped.response) as client:
        assert client.responses.cancel("resp_1").status == "cancelled"
    assert stored_bodies.came_of_it(stopped, ended.response) == stopped
    broken = stored_bodies.failed(begun, StreamCut("cut"))
    assert json.loads(broken.response)["error"] == {"code": "server_error", "message": StreamCut("cut").public}
    with pytest.raises(InvalidRequest):
        cancelled(answered(call(), "resp_2"))
