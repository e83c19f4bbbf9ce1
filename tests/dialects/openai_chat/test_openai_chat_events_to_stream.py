"""Streams written for callers, with OpenAI's own SDK at the other end."""

import json
from typing import Any

import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai_chat_samples import HI, stream_of

from intertie.core.chat import Citation, TokenChance
from intertie.core.events import (
    Began,
    Broke,
    Cited,
    Closed,
    Ended,
    Event,
    Grew,
    Metered,
    Opened,
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import InvalidRequest, UpstreamGarbled
from intertie.core.usage import Usage

START = Began("a1", "m", 7)
END = (Stopped(reason="end"), Ended())
TEXT = (Opened(part=0, kind="text"), Grew(0, "hi"), Closed(0))
CALLS = (
    Opened(part=0, kind="tool_call", id="1", name="f"),
    Grew(0, '{"a"'),
    Opened(part=1, kind="tool_call", id="2", name="g"),
    Grew(1, "{}"),
    Grew(0, ":1}"),
    Closed(0),
    Closed(1),
    Stopped(reason="tool"),
)
CLAUDE: Any = "anthropic_messages"


def chunks(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    """The chunks of a stream, without `[DONE]`."""
    stream = stream_of((START, *events), **fields).removesuffix(b"data: [DONE]\n\n")
    return [json.loads(event.removeprefix(b"data: ")) for event in stream.split(b"\n\n") if event.startswith(b"data")]


def told(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    """The deltas."""
    return [chunk["choices"][0]["delta"] for chunk in chunks(*events, **fields)]


def sdk_chunks(stream: bytes) -> list[ChatCompletionChunk]:
    """What the SDK makes of a stream."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    client = openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="x", base_url="http://x/v1", max_retries=0, http_client=client) as sdk:
        return list(sdk.chat.completions.create(model="m", messages=[HI], stream=True))


def sdk_whole(stream: bytes) -> ChatCompletion:
    """What the SDK's accumulator makes of a stream, strictly checked."""
    state = ChatCompletionStreamState()
    for chunk in sdk_chunks(stream):
        ChatCompletionChunk.model_validate(chunk.model_dump())
        state.handle_chunk(chunk)
    whole = state.get_final_completion()
    return ChatCompletion.model_validate(whole.model_dump())


def test_words_are_whole_to_the_sdk() -> None:
    whole = sdk_whole(stream_of((START, *TEXT, *END)))
    assert (whole.id, whole.model, whole.created) == ("a1", "m", 7)
    assert whole.choices[0].message.content == "hi"
    assert whole.choices[0].finish_reason == "stop"


def test_fact_10_interleaved_calls_are_whole_to_the_sdk() -> None:
    whole = sdk_whole(stream_of((START, *CALLS, Ended())))
    calls = whole.choices[0].message.tool_calls or []
    functions = [call.model_dump()["function"] for call in calls]
    assert [(one["name"], one["arguments"]) for one in functions] == [("f", '{"a":1}'), ("g", "{}")]
    assert [call.id for call in calls] == ["1", "2"]
    assert whole.choices[0].finish_reason == "tool_calls"


def test_signed_thoughts_come_whole_through_the_sdk() -> None:
    events = (
        Opened(part=0, kind="reasoning", origin=CLAUDE),
        Grew(0, "I th"),
        Grew(0, "ink"),
        Signed(0, "sig=="),
        Closed(0),
        Opened(part=1, kind="reasoning", origin=CLAUDE),
        Signed(1, "", "AA=="),
        Closed(1),
    )
    deltas = [one.choices[0].delta.model_dump() for one in sdk_chunks(stream_of((START, *events, *END)))]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "I think"
    details = [detail for delta in deltas for detail in delta.get("reasoning_details") or ()]
    one = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    assert details == [
        one | {"text": "I th"},
        one | {"text": "ink"},
        one | {"signature": "sig=="},
        {"type": "reasoning.encrypted", "data": "AA==", "format": "anthropic-claude-v1", "index": 1},
    ]


def test_fact_7_usage_comes_in_a_chunk_of_its_own_to_who_asked() -> None:
    events = (*TEXT, Stopped(reason="end"), Metered(Usage(3, 4), "priority"), Ended())
    *others, last = chunks(*events, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in others)
    assert (last["choices"], last["usage"]["total_tokens"], last["service_tier"]) == ([], 7, "priority")
    assert all("usage" not in chunk for chunk in chunks(*events))
    assert len(chunks(*events)) == len(others)
    assert sdk_chunks(stream_of((START, *events), stream_options={"include_usage": True}))[-1].usage is not None


def test_fact_1_what_broke_is_an_error_to_the_sdk_and_never_done() -> None:
    stream = stream_of((START, *TEXT, Broke(InvalidRequest("cut\n\ndata: [DONE]"))))
    assert b"data: [DONE]" not in stream.split(b"\n\n")
    with pytest.raises(openai.APIError, match="cut"):
        sdk_chunks(stream)


def test_fact_4_signs_of_life_are_comments() -> None:
    assert stream_of((Pinged(),)) == b": ping\n\n"
    assert len(sdk_chunks(stream_of((START, Pinged(), *TEXT, *END)))) == 2


def test_the_first_chunk_of_each_choice_tells_the_role() -> None:
    events = [
        Opened(part=0, kind="text", choice=1),
        Grew(0, "b", 1),
        *TEXT,
        Grew(9, "of no part"),
        Stopped(reason="end"),
        Stopped(reason="length", choice=1),
        Stopped(reason="end", choice=2),
    ]
    assert [chunk["choices"][0] for chunk in chunks(*events)] == [
        {"index": 1, "delta": {"role": "assistant", "content": "b"}, "logprobs": None, "finish_reason": None},
        {"index": 0, "delta": {"role": "assistant", "content": "hi"}, "logprobs": None, "finish_reason": None},
        {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"},
        {"index": 1, "delta": {}, "logprobs": None, "finish_reason": "length"},
        {"index": 2, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": "stop"},
    ]


def test_the_sdk_gathers_a_signed_call() -> None:
    signed = (Opened(part=0, kind="tool_call", id="1", name="f"), Grew(0, "{}"), Signed(0, "s"), Closed(0))
    (call,) = (
        sdk_whole(stream_of((START, *signed, Stopped(reason="tool"), Ended()))).choices[0].message.tool_calls or ()
    )
    assert call.model_dump()["extra_content"] == {"google": {"thought_signature": "s"}}


def test_calls_free_signed_old_and_without_arguments() -> None:
    free = told(Opened(part=0, kind="tool_call", id="1", name="c", free=True), Grew(0, "x"), Closed(0))
    assert [delta["tool_calls"][0]["custom"] for delta in free] == [{"name": "c", "input": ""}, {"input": "x"}]
    bare = told(Opened(part=0, kind="tool_call", id="1", name="f"), Signed(0, "s"), Closed(0))
    sign = {"function": {"arguments": ""}, "extra_content": {"google": {"thought_signature": "s"}}}
    assert bare[1]["tool_calls"] == [{"index": 0, **sign}]
    assert bare[2]["tool_calls"] == [{"index": 0, "function": {"arguments": "{}"}}]
    old = chunks(*CALLS[:2], CALLS[5], Stopped(reason="tool"), functions=[{"name": "f"}])
    assert [chunk["choices"][0]["delta"].get("function_call") for chunk in old] == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a"'},
        None,
    ]
    assert old[-1]["choices"][0]["finish_reason"] == "function_call"


def test_who_wants_no_thoughts_gets_none() -> None:
    events = (Opened(part=0, kind="reasoning", origin=CLAUDE), Grew(0, "hm"), Signed(0, "s"), Closed(0))
    assert told(*events, reasoning={"exclude": True}) == []


def test_citations_chances_refusals_sound_and_pictures_are_told() -> None:
    chance = (TokenChance("a", -1.0, (97,), (TokenChance("b", -2.0),)),)
    events = (
        *TEXT,
        Opened(part=1, kind="text"),
        Grew(1, "abc", chances=chance),
        Cited(1, Citation(url="u", title="t", start=1, end=2)),
        Cited(1, Citation(url="v")),
        Grew(1, "", chances=chance),
        Grew(1, ""),
        Opened(part=2, kind="refusal"),
        Grew(2, "no", chances=chance),
        Opened(part=3, kind="audio", id="s"),
        Grew(3, "AA==", transcript="la"),
        Opened(part=4, kind="image", type="image/png"),
        Grew(4, "AA"),
        Grew(4, "=="),
        Closed(4),
    )
    found = [chunk["choices"][0] for chunk in chunks(*events)][1:]
    assert [one["delta"] for one in found] == [
        {"content": "abc"},
        {"annotations": [{"type": "url_citation", "url_citation": {
            "url": "u", "title": "t", "start_index": 3, "end_index": 4}}]},
        {"annotations": [{"type": "url_citation", "url_citation": {
            "url": "v", "title": "", "start_index": 2, "end_index": 5}}]},
        {},
        {"refusal": "no"},
        {"audio": {"id": "s"}},
        {"audio": {"data": "AA==", "transcript": "la"}},
        {"images": [{"type": "image_url", "index": 0, "image_url": {"url": "data:image/png;base64,AA=="}}]},
    ]  # fmt: skip
    token = {"token": "a", "logprob": -1.0, "bytes": [97]}
    other = {"token": "b", "logprob": -2.0, "bytes": None}
    assert found[0]["logprobs"] == {"content": [token | {"top_logprobs": [other]}], "refusal": None}
    assert found[3]["logprobs"] == found[0]["logprobs"]
    assert found[4]["logprobs"]["refusal"] == found[0]["logprobs"]["content"]


def test_a_picture_without_end_is_not_kept() -> None:
    picture = [Grew(0, "A" * (8 << 20)) for _ in range(5)]
    with pytest.raises(UpstreamGarbled):
        chunks(Opened(part=0, kind="image", type="image/png"), *picture)


def test_nothing_that_a_model_says_can_begin_an_event() -> None:
    evil = 'x\n\ndata: [DONE]\n\ndata: {"error":{}}\r\r\u2028'
    events = (
        Began(evil, evil),
        Opened(part=0, kind="tool_call", id=evil, name=evil),
        Grew(0, evil),
        Stopped(reason="other", name=evil),
        Ended(),
    )
    stream = stream_of(events)
    assert len(stream.split(b"\n\n")) == 5
    assert b"\r" not in stream
    assert sdk_chunks(stream)[0].id == evil
