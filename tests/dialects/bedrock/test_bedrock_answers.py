"""Whole answers of Converse, and what they tell of cost and errors."""

import json

import pytest

from intertie.core.chat import Audio, Choice, Citation, Image, Media, Reasoning, Text, ToolCall
from intertie.core.usage import Usage
from intertie.dialects.bedrock.body_to_answer import body_to_answer
from intertie.dialects.bedrock.faults import told
from intertie.dialects.bedrock.glance import glance

USAGE = {"inputTokens": 30, "outputTokens": 7, "totalTokens": 37}


def body(*blocks: object, stop: str = "end_turn", usage: object = USAGE, **more: object) -> bytes:
    message = {"role": "assistant", "content": list(blocks)}
    whole = {"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 9}}
    return json.dumps({**whole, **more}).encode()


def choice(*blocks: object, **more: object) -> Choice:
    return body_to_answer(body(*blocks, **more)).choices[0]


def test_words_and_figures_are_read_and_no_id_is_made_up() -> None:
    answer = body_to_answer(body({"text": "Hello"}))
    assert answer.choices == (Choice(parts=(Text("Hello"),)),)
    assert (answer.id, answer.model, answer.usage) == ("", "", Usage(prompt=30, completion=7))


def test_thoughts_and_tool_calls_are_read() -> None:
    got = choice(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "AAECAw=="}},
        {"toolUse": {"toolUseId": "t1", "name": "a", "input": {"x": [1, {"y": None}]}}},
        {"toolUse": {"toolUseId": "t2", "name": "b", "input": {}}},
        stop="tool_use",
    )
    assert got.parts[:2] == (
        Reasoning("hm", "c2ln", origin="bedrock"),
        Reasoning("", "", "AAECAw==", origin="bedrock"),
    )
    calls = [part for part in got.parts if isinstance(part, ToolCall)]
    assert [(call.id, call.name, json.loads(call.arguments)) for call in calls] == [
        ("t1", "a", {"x": [1, {"y": None}]}),
        ("t2", "b", {}),
    ]
    assert got.stop == "tool"


def test_citations_pictures_and_sound_are_read() -> None:
    cite = {
        "title": "T",
        "source": "https://a",
        "sourceContent": [{"text": "q"}],
        "location": {"documentPage": {"start": 1}},
    }
    got = choice(
        {"citationsContent": {"content": [{"text": "As "}, {"text": "said"}], "citations": [cite]}},
        {"image": {"format": "png", "source": {"bytes": "aQ=="}}},
        {"audio": {"format": "mp3", "source": {"bytes": "cw=="}}},
    )
    assert got.parts == (
        Text("As said", citations=(Citation(url="https://a", title="T", quote="q"),)),
        Image(Media(type="image/png", data="aQ==")),
        Audio(Media(type="audio/mp3", data="cw==")),
    )


def test_what_the_endpoint_ran_itself_and_unknown_blocks_are_passed_over() -> None:
    server = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    assert choice(server, {"toolResult": {"toolUseId": "t", "content": []}}, {"hologram": {}}, {"text": "x"}).parts == (
        Text("x"),
    )


@pytest.mark.parametrize(
    ("stop", "ours", "name"),
    [
        ("end_turn", "end", ""),
        ("tool_use", "tool", ""),
        ("max_tokens", "length", ""),
        ("model_context_window_exceeded", "length", ""),
        ("stop_sequence", "sequence", ""),
        ("guardrail_intervened", "filter", ""),
        ("content_filtered", "filter", ""),
        ("malformed_tool_use", "other", "malformed_tool_use"),
        ("something_new", "other", "something_new"),
    ],
)
def test_why_answers_end(stop: str, ours: str, name: str) -> None:
    """Wire fact 12."""
    got = choice({"text": "x"}, stop=stop)
    assert (got.stop, got.stop_name) == (ours, name)


def test_the_stop_sequence_is_told_where_it_was_asked_for() -> None:
    fields = {"stop_sequence": "###"}
    assert choice({"text": "x"}, stop="stop_sequence", additionalModelResponseFields=fields).stop_text == "###"


def test_cached_and_written_tokens_are_part_of_the_prompt() -> None:
    """Wire fact 9: Bedrock leaves them out of `inputTokens`, as Anthropic does; ours include them."""
    details = [{"ttl": "1h", "inputTokens": 40}, {"ttl": "5m", "inputTokens": 60}]
    usage = {**USAGE, "cacheReadInputTokens": 200, "cacheWriteInputTokens": 100, "cacheDetails": details}
    expected = Usage(prompt=330, completion=7, cached=200, written=60, written_1h=40)
    assert glance(body({"text": "x"}, usage=usage)).usage == expected


@pytest.mark.parametrize(
    ("more", "tier"),
    [
        ({}, ""),
        ({"serviceTier": {"type": "default"}}, ""),
        ({"serviceTier": {"type": "flex"}}, "flex"),
        ({"serviceTier": {"type": "priority"}}, "priority"),
        ({"performanceConfig": {"latency": "optimized"}}, "optimized"),
        ({"performanceConfig": {"latency": "standard"}}, ""),
    ],
)
def test_the_tier_that_was_used_is_told(more: dict[str, object], tier: str) -> None:
    """Wire fact 9: the tier returned is the tier billed."""
    answer = body_to_answer(body({"text": "x"}, **more))
    assert answer.usage is not None
    assert (answer.tier, answer.usage.tier) == (tier, tier)


def test_negative_figures_are_nothing_and_absurd_ones_are_refused() -> None:
    wrong = {"inputTokens": -5, "outputTokens": 7, "cacheReadInputTokens": None}
    assert glance(body(usage=wrong)).usage == Usage(prompt=0, completion=7)
    with pytest.raises(ValueError, match="tokens"):
        glance(body(usage={**USAGE, "outputTokens": 1 << 40}))


def test_an_error_under_status_200_is_an_error() -> None:
    reading = glance(b'{"message":"Too many tokens, please wait before trying again."}')
    assert (reading.status, told(reading.error)) == (502, "Too many tokens, please wait before trying again.")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (b'{"message":"The model is busy."}', "The model is busy."),
        (b'{"Message":"The security token is expired."}', "The security token is expired."),
        (b"<html>", ""),
        (b'{"error":{"message":"x"}}', ""),
        (b"[1]", ""),
    ],
)
def test_what_errors_say_to_people(error: bytes, text: str) -> None:
    assert told(error) == text


@pytest.mark.parametrize(
    "garbled",
    [b"", b"<html>", b"{}", b"[]", body({"text": 7}), body({"toolUse": {"name": "x"}}), b'{"output":' + b"[" * 100_000],
)
def test_what_is_no_answer_is_refused(garbled: bytes) -> None:
    with pytest.raises(ValueError):
        body_to_answer(garbled)
