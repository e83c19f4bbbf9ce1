"""Whole answers of Gemini in everybody's words, everybody's answers in Gemini's, and what usage means (wire fact 9)."""

import json
from typing import Any

import pytest
from gemini_samples import called, usage

from intertie.core.chat import (
    Answer,
    Audio,
    Choice,
    Citation,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    TokenChance,
    ToolCall,
)
from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.gemini.answer_to_body import answer_to_body
from intertie.dialects.gemini.body_to_answer import body_to_answer
from intertie.dialects.gemini.glance import glance


def read(*parts: dict[str, Any], finish: str = "STOP", **more: Any) -> Choice:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": finish, **more}
    return body_to_answer(json.dumps({"candidates": [candidate], "responseId": "r/1"}).encode()).choices[0]


def write(choice: Choice, **more: Any) -> dict[str, Any]:
    answer = Answer(id="r1", model="m", choices=(choice,), **more)
    return json.loads(answer_to_body(answer, called()))


def test_an_answer_keeps_its_name_its_model_and_its_time() -> None:
    body = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "responseId": "r1",
        "modelVersion": "gemini-3-flash",
        "createTime": "1970-01-01T00:01:00.000000Z",
        "unheardOf": [{}],
        **usage(3, 2, serviceTier="priority"),
    }
    answer = body_to_answer(json.dumps(body).encode())
    assert answer == Answer(
        id="r1",
        model="gemini-3-flash",
        choices=(Choice(parts=(Text("Hi"),)),),
        usage=Usage(prompt=3, completion=2, tier="priority"),
        created=60,
        tier="priority",
    )


def test_parts_of_every_kind_are_read_and_unknown_ones_skipped() -> None:
    choice = read(
        {"text": "Hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Hi", "thoughtSignature": "b3RoZXI="},
        {"executableCode": {"code": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"inlineData": {"mimeType": "audio/L16", "data": "AA=="}},
        {"functionCall": {"name": "f", "args": {"a_b": 1}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "g", "id": "own"}},
    )
    assert choice.parts == (
        Reasoning("Hm", "c2ln", summary=True, origin="gemini"),
        Text("Hi"),
        Reasoning("", "b3RoZXI=", summary=True, origin="gemini"),
        Image(Media(type="image/png", data="AA==")),
        Audio(Media(type="audio/L16", data="AA==")),
        ToolCall("call_r-1_0_0", "f", '{"a_b": 1}', signature="Y2FsbA=="),
        ToolCall("own", "g", "{}"),
    )
    assert choice.stop == "tool"


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "length"),
        *((name, "filter") for name in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((name, "other") for name in ("MALFORMED_FUNCTION_CALL", "LANGUAGE", "OTHER", "OF_THE_FUTURE")),
    ],
)
def test_every_finish_reason_has_its_meaning_and_comes_back(finish: str, stop: StopReason) -> None:
    choice = read({"text": "x"}, finish=finish)
    assert (choice.stop, choice.stop_name) == (stop, finish if stop in ("filter", "other") else "")
    back = write(choice)["candidates"][0]["finishReason"]
    assert back == (finish if finish != "OF_THE_FUTURE" else "OTHER")


def test_a_blocked_prompt_is_a_refusal() -> None:
    answer = body_to_answer(json.dumps({"promptFeedback": {"blockReason": "OTHER"}, **usage(3, 0)}).encode())
    refusal = Refusal("The prompt was blocked: OTHER.")
    assert answer.choices == (Choice(parts=(refusal,), stop="filter", stop_name="OTHER"),)
    assert answer.usage == Usage(prompt=3)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"candidates":3}', b'{"candidates":[]}', b"[" * 9999])
def test_what_is_no_answer_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(ValueError):
        body_to_answer(body)


def test_chances_are_read_and_written() -> None:
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}, {"token": "b"}],
        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "c"}]}],
    }
    choice = read({"text": "ab"}, logprobsResult=result)
    a, c = TokenChance("a", -0.5), TokenChance("c", 0.0)
    assert choice.chances == (TokenChance("a", -0.5, others=(a, c)), TokenChance("b", 0.0))
    back = write(choice)["candidates"][0]["logprobsResult"]
    assert back["topCandidates"][0]["candidates"][1] == {"token": "c", "logProbability": 0.0}
    assert len(back["chosenCandidates"]) == len(back["topCandidates"]) == 2


GROUNDS: dict[str, Any] = {
    "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b", "title": "B"}}],
    "groundingSupports": [
        {"segment": {"endIndex": 5, "text": "Über"}, "groundingChunkIndices": [0, 1]},
        {"segment": {"startIndex": 6, "endIndex": 99, "text": "far"}, "groundingChunkIndices": [1, 7, -1]},
        {"segment": {"partIndex": 9, "text": "gone"}, "groundingChunkIndices": [0]},
    ],
    "webSearchQueries": ["one", "two"],
}


def test_grounds_become_citations_whose_ends_are_characters_and_come_back_as_bytes() -> None:
    choice = read({"text": "Über alles"}, groundingMetadata=GROUNDS)
    text = choice.parts[0]
    assert isinstance(text, Text)
    assert text.citations == (
        Citation(url="https://a", title="A", quote="Über", start=0, end=4),
        Citation(url="https://b", title="B", quote="Über", start=0, end=4),
        Citation(url="https://b", title="B", quote="far"),
    )
    back = write(choice)["candidates"][0]["groundingMetadata"]
    assert back["groundingChunks"] == GROUNDS["groundingChunks"]
    assert back["groundingSupports"][0]["segment"] == {"partIndex": 0, "startIndex": 0, "endIndex": 5, "text": "Über"}


def test_usage_counts_the_cached_once_the_thoughts_as_output_and_tools_results_as_input() -> None:
    told = usage(
        100,
        10,
        thoughtsTokenCount=7,
        cachedContentTokenCount=40,
        toolUsePromptTokenCount=5,
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 30}],
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 9}],
        trafficType="ON_DEMAND_FLEX",
    )
    candidates = [{"groundingMetadata": GROUNDS}]
    assert glance(json.dumps({"candidates": candidates, **told}).encode()).usage == Usage(
        prompt=105, completion=17, cached=40, reasoning=7, audio_in=30, image_out=9, searches=2, tier="flex"
    )


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"serviceTier": "standard", "trafficType": "ON_DEMAND"}, ""),
        ({"serviceTier": "FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned"),
    ],
)
def test_the_tier_that_was_used_is_told_by_either_door(told: dict[str, Any], tier: str) -> None:
    found = glance(json.dumps(usage(1, 1, **told)).encode()).usage
    assert found is not None and found.tier == tier


def test_absurd_figures_are_not_believed() -> None:
    assert glance(json.dumps(usage(-5, 1, cachedContentTokenCount=9)).encode()).usage == Usage(completion=1)
    with pytest.raises(ValueError, match="more than"):
        glance(json.dumps(usage(MOST_TOKENS + 1, 1)).encode())


def test_an_error_under_200_is_found_with_the_status_it_names() -> None:
    reading = glance(b'{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}')
    assert (reading.status, json.loads(reading.error)["error"]["message"]) == (429, "quota")
    assert glance(b'{"error":"x"}').status == 502
    assert glance(b'{"totalTokens":3}').usage is None


def test_an_answer_of_another_origin_is_written_in_geminis_shape() -> None:
    parts: tuple[Part, ...] = (
        Reasoning("Hm"),
        Text("Hi"),
        Refusal("No."),
        ToolCall("a", "f", '{"x":1}', signature="c2ln"),
        Image(Media(type="image/png", data="AA==")),
    )
    told = Usage(prompt=9, completion=8, cached=3, reasoning=2, audio_in=1)
    body = write(Choice(parts=parts, stop="tool"), usage=told, tier="flex")
    assert body["candidates"] == [
        {
            "content": {
                "parts": [
                    {"text": "Hm", "thought": True},
                    {"text": "Hi"},
                    {"text": "No."},
                    {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ]
    assert body["usageMetadata"] == {
        "promptTokenCount": 9,
        "candidatesTokenCount": 6,
        "totalTokenCount": 17,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 3,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
        "serviceTier": "flex",
    }
    assert (body["modelVersion"], body["responseId"]) == ("m", "r1")


def test_a_call_whose_arguments_are_no_object_is_said_to_be_malformed() -> None:
    candidate = write(Choice(parts=(ToolCall("a", "f", '{"x":'),), stop="length"))["candidates"][0]
    assert (candidate["content"]["parts"], candidate["finishReason"]) == ([], "MALFORMED_FUNCTION_CALL")
