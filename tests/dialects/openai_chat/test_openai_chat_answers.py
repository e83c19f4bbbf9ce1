"""Whole answers, read from endpoints and written for callers; OpenAI's own types check what is written."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai_chat_samples import called, tool_call

from intertie.core.chat import (
    Answer,
    Audio,
    Choice,
    Citation,
    Image,
    Media,
    Reasoning,
    Refusal,
    Text,
    TokenChance,
    ToolCall,
)
from intertie.core.faults import UpstreamBusy, UpstreamError, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.openai_chat.answer_to_body import answer_to_body
from intertie.dialects.openai_chat.body_to_answer import body_to_answer


def read(*choices: dict[str, Any], **fields: Any) -> Answer:
    told = {"id": "a1", "created": 7, "model": "m", "choices": choices} | fields
    return body_to_answer(json.dumps(told, separators=(",", ":")).encode())


def read_message(finish_reason: str | None = "stop", **message: Any) -> Choice:
    return read({"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}).choices[0]


def written(*parts: Any, call: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    choice = Choice(
        parts=parts, **{name: fields.pop(name) for name in ("stop", "stop_name", "chances") if name in fields}
    )
    body = answer_to_body(Answer(id="a1", model="m", choices=(choice,), **fields), called(**(call or {})))
    ChatCompletion.model_validate_json(body)
    return json.loads(body)


def message_of(*parts: Any, **how: Any) -> dict[str, Any]:
    return written(*parts, **how)["choices"][0]["message"]


def test_an_answer_is_read_with_all_that_stands_around_it() -> None:
    answer = read(
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
        usage={"prompt_tokens": 3, "completion_tokens": 4},
        service_tier="flex",
        system_fingerprint="fp",
    )
    assert answer == Answer(
        id="a1",
        model="m",
        created=7,
        choices=(Choice(parts=(Text("a"),)), Choice(parts=(Text("b"),), stop="length")),
        usage=Usage(3, 4, tier="flex"),
        tier="flex",
        fingerprint="fp",
    )


def test_an_answer_without_usage_tells_none() -> None:
    assert read({"message": {"content": "a"}}).usage is None


def test_everything_that_a_message_may_hold_is_read() -> None:
    citation = {"url": "https://x", "title": "t", "content": "q", "start_index": 0, "end_index": 2}
    choice = read_message(
        content="hi",
        reasoning_content="hm",
        refusal="no",
        annotations=[{"type": "url_citation", "url_citation": citation}, {"type": "other"}],
        audio={"id": "audio_1", "data": "AA==", "transcript": "la", "expires_at": 1},
        images=[{"image_url": {"url": "data:image/png;base64,AA=="}}, {"image_url": {"url": "https://x/y.png"}}, {}],
        tool_calls=[tool_call("1"), {"id": "2", "type": "custom", "custom": {"name": "c", "input": "z"}}],
        obfuscation="zzz",
    )
    assert choice.stop == "tool"
    assert choice.parts == (
        Reasoning("hm"),
        Text("hi", citations=(Citation(url="https://x", title="t", quote="q", start=0, end=2),)),
        Refusal("no"),
        Audio(Media(data="AA=="), "la", "audio_1"),
        Image(Media(type="image/png", data="AA==")),
        Image(Media(url="https://x/y.png")),
        ToolCall("1", "f", "{}"),
        ToolCall("2", "c", "z", free=True),
    )


def test_mistrals_lists_of_content_are_read() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    choice = read_message(content=[thinking, {"type": "text", "text": "hi"}, {"type": "reference"}])
    assert choice.parts == (Reasoning("hm"), Text("hi"))


def test_calls_without_ids_get_some_and_arguments_become_text() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    assert read_message(tool_calls=[call, call | {"id": ""}]).parts == (
        ToolCall("call_a1_0_0", "f", '{"a":1}'),
        ToolCall("call_a1_0_1", "f", '{"a":1}'),
    )
    assert read_message("function_call", function_call={"name": "f", "arguments": "{}"}).parts == (
        ToolCall("call_a1_0_0", "f", "{}"),
    )


@pytest.mark.parametrize(
    ("told", "stop", "name"),
    [
        ("stop", "end", ""),
        (None, "end", ""),
        ("eos", "end", ""),
        ("length", "length", ""),
        ("tool_calls", "tool", ""),
        ("function_call", "tool", ""),
        ("content_filter", "filter", ""),
        ("insufficient_system_resource", "other", "insufficient_system_resource"),
    ],
)
def test_fact_12_reasons_to_stop_are_read_and_unknown_ones_keep_their_name(
    told: str | None, stop: str, name: str
) -> None:
    choice = read_message(told, content="x")
    assert (choice.stop, choice.stop_name) == (stop, name)


def test_the_stop_text_that_vllm_tells_is_read() -> None:
    choice = read({"message": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}).choices[0]
    assert (choice.stop, choice.stop_text) == ("sequence", "END")


def test_chances_are_read() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1}]}
    choice = read({"message": {"content": "a"}, "logprobs": {"content": [token], "refusal": None}}).choices[0]
    assert choice.chances == (TokenChance("a", -0.5, (97,), (TokenChance("b", -1.0),)),)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":3}]}'])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        body_to_answer(body)


def test_an_absurd_usage_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled, match="tokens"):
        read({"message": {}}, usage={"prompt_tokens": 10**15})


def test_fact_13_errors_under_status_200_are_the_faults_that_they_name() -> None:
    with pytest.raises(UpstreamBusy):
        read(error={"message": "slow down", "code": 429})
    failed = {"message": {"content": ""}, "finish_reason": "error"}
    with pytest.raises(UpstreamError) as caught:
        read(failed)
    assert caught.value.upstream_status == 502
    with pytest.raises(UpstreamBusy):
        read(failed | {"error": {"code": 429, "message": "busy"}})


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_cache_hit_tokens": 60}, Usage(100, 20, 60)),
        ({"cached_tokens": 60}, Usage(100, 20, 60)),
        ({"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 90}}, Usage(100, 20, 60, written=40)),
        (
            {"prompt_tokens_details": {"cache_creation_tokens": 9, "audio_tokens": 5}},
            Usage(100, 20, written=9, audio_in=5),
        ),
        ({"total_tokens": 150, "completion_tokens_details": {"reasoning_tokens": 30}}, Usage(100, 50, 0, 30)),
        ({"total_tokens": 120, "completion_tokens_details": {"reasoning_tokens": 30}}, Usage(100, 20, 0, 20)),
        ({"num_search_queries": 3}, Usage(100, 20, searches=3)),
        ({"prompt_tokens_details": None, "completion_tokens_details": {"audio_tokens": -1}}, Usage(100, 20)),
    ],
)
def test_fact_9_usage_is_understood_as_providers_tell_it(told: dict[str, Any], usage: Usage) -> None:
    assert read({"message": {}}, usage={"prompt_tokens": 100, "completion_tokens": 20} | told).usage == usage


def test_fact_9_usage_is_counted_as_openai_counts_it() -> None:
    usage = Usage(
        100, 20, 60, 5, written=10, written_1h=5, audio_in=7, audio_out=3, image_in=2, image_out=1, searches=4
    )
    told = written(Text("x"), usage=usage)["usage"]
    assert told == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {
            "cached_tokens": 60,
            "audio_tokens": 7,
            "cache_write_tokens": 15,
            "image_tokens": 2,
        },
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 3, "image_tokens": 1},
        "num_search_queries": 4,
    }
    assert "usage" not in written(Text("x"), usage=None)


def test_signed_thoughts_are_told_in_full_and_plain_ones_plainly() -> None:
    message = message_of(
        Reasoning("I think", "sig==", origin="anthropic_messages"),
        Reasoning(sealed="AA==", origin="anthropic_messages"),
        Reasoning("sum", "", "enc", "rs_1", summary=True, origin="openai_responses"),
        Text("x"),
    )
    assert message["reasoning_content"] == "I thinksum"
    claude, openai = "anthropic-claude-v1", "openai-responses-v1"
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "I think", "signature": "sig==", "format": claude, "index": 0},
        {"type": "reasoning.encrypted", "data": "AA==", "format": claude, "index": 1},
        {"type": "reasoning.summary", "summary": "sum", "id": "rs_1", "format": openai, "index": 2},
        {"type": "reasoning.encrypted", "data": "enc", "id": "rs_1", "format": openai, "index": 2},
    ]
    assert message_of(Reasoning("hm"), Text("x")) == {
        "role": "assistant",
        "content": "x",
        "refusal": None,
        "reasoning_content": "hm",
    }


def test_who_wants_no_thoughts_gets_none() -> None:
    message = message_of(Reasoning("hm", "s"), Text("x"), call={"reasoning": {"exclude": True}})
    assert not [name for name in message if "reasoning" in name]


def test_a_caller_of_the_old_functions_gets_the_old_call() -> None:
    told = written(ToolCall("1", "f", "{}"), stop="tool", call={"functions": [{"name": "f"}]})
    assert told["choices"][0]["finish_reason"] == "function_call"
    assert told["choices"][0]["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in told["choices"][0]["message"]


@pytest.mark.parametrize(
    ("stop", "told"),
    [("end", "stop"), ("length", "length"), ("tool", "tool_calls"), ("sequence", "stop"), ("filter", "content_filter")],
)
def test_reasons_to_stop_are_told_in_openais_words(stop: str, told: str) -> None:
    choice = written(Text("x"), stop=stop)["choices"][0]
    assert choice["finish_reason"] == told
    assert "native_finish_reason" not in choice


def test_reasons_without_a_word_keep_their_name_beside() -> None:
    choice = written(Text("x"), stop="other", stop_name="MALFORMED")["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", "MALFORMED")
    choice = written(Text("x"), stop="pause")["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", "pause")


def test_citations_are_told_by_their_place_in_the_whole_text() -> None:
    first = Text("ab", citations=(Citation(url="u", title="t", start=1, end=2),))
    second = Text("cde", citations=(Citation(url="v", quote="q"),))
    message = message_of(first, second)
    assert message["content"] == "abcde"
    assert [one["url_citation"] for one in message["annotations"]] == [
        {"url": "u", "title": "t", "start_index": 1, "end_index": 2},
        {"url": "v", "title": "", "start_index": 2, "end_index": 5, "content": "q"},
    ]


def test_sound_pictures_and_chances_of_a_refusal_are_told() -> None:
    message = message_of(Audio(Media(data="AA=="), "la", "audio_1"), Image(Media(type="image/png", data="AA==")))
    assert message["audio"] == {"id": "audio_1", "data": "AA==", "transcript": "la", "expires_at": 0}
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    choice = written(Refusal("no"), chances=(TokenChance("no", -1.0, (110, 111)),))["choices"][0]
    assert choice["logprobs"]["refusal"][0]["bytes"] == [110, 111]


@pytest.mark.parametrize(("tier", "told"), [("standard", "default"), ("priority", "priority"), ("batch", None)])
def test_a_tier_is_told_in_openais_words(tier: str, told: str | None) -> None:
    assert written(Text("x"), tier=tier).get("service_tier") == told
