"""Events of any origin as Gemini's stream."""

import json
from typing import Any

import pytest
from gemini_samples import called, chatted

from intertie.core.chat import Citation, Reasoning, TokenChance, ToolCall
from intertie.core.events import (
    Began,
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
from intertie.core.faults import UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.gemini.events_to_stream import GeminiWriter
from intertie.dialects.gemini.seals import seal, unseal

TAIL = "public:streamGenerateContent?alt=sse"


def wrote(*events: Event) -> list[dict[str, Any]]:
    writer = GeminiWriter(called(tail=TAIL))
    stream = b"".join([writer.write(event) for event in events])
    return [json.loads(event.removeprefix(b"data: ")) for event in stream.split(b"\n\n")[:-1]]


def parts(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for chunk in chunks for one in chunk["candidates"] for part in one["content"]["parts"]]


def test_words_go_out_at_once_and_the_end_brings_reason_and_usage() -> None:
    chances = (TokenChance("He", -1.0),)
    first, last = wrote(
        Began("id", "m"),
        Opened(part=0, kind="text"),
        Grew(0, "He", chances=chances),
        Closed(0),
        Stopped(reason="length"),
        Metered(Usage(prompt=2, completion=1), "flex"),
        Ended(),
    )
    assert first["candidates"][0]["content"] == {"parts": [{"text": "He"}], "role": "model"}
    assert first["candidates"][0]["logprobsResult"]["chosenCandidates"] == [{"token": "He", "logProbability": -1.0}]
    assert "finishReason" not in first["candidates"][0] and "usageMetadata" not in first
    assert last["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert last["usageMetadata"]["serviceTier"] == "flex"
    assert {(one["modelVersion"], one["responseId"]) for one in (first, last)} == {("m", "id")}


def test_fragments_of_calls_that_overlap_come_out_whole() -> None:
    """Wire fact 10: fragments of parallel calls interleave, may be empty or come with the name."""
    chunks = wrote(
        Began("id", ""),
        Opened(part=0, kind="tool_call", id="a", name="f"),
        Opened(part=1, kind="tool_call", id="b", name="g"),
        Grew(0, '{"x":'),
        Grew(1, ""),
        Grew(0, '"ü"}'),
        Closed(1),
        Signed(0, "c2ln"),
        Closed(0),
        Stopped(reason="tool"),
        Ended(),
    )
    assert parts(chunks)[:2] == [
        {"functionCall": {"id": "b", "name": "g", "args": {}}},
        {"functionCall": {"id": "a", "name": "f", "args": {"x": "ü"}}, "thoughtSignature": "c2ln"},
    ]
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert chunks[-1]["modelVersion"] == "public"


def test_a_call_cut_short_is_said_to_be_malformed() -> None:
    chunks = wrote(
        Opened(part=0, kind="tool_call", id="a", name="f"),
        Grew(0, '{"x":'),
        Closed(0),
        Stopped(reason="length"),
        Ended(),
    )
    assert [one["finishReason"] for one in chunks[-1]["candidates"]] == ["MALFORMED_FUNCTION_CALL"]


def test_what_another_dialect_signed_travels_with_its_name_and_comes_back_byte_by_byte() -> None:
    chunks = wrote(
        Opened(part=0, kind="reasoning", id="rs_1", origin="openai_responses", summary=True),
        Grew(0, "Let "),
        Grew(0, "me"),
        Signed(0, sealed="gAAAA/+==???>>>"),
        Closed(0),
        Opened(part=1, kind="reasoning"),
        Grew(1, "unsigned"),
        Closed(1),
        Stopped(reason="end"),
        Ended(),
    )
    thoughts = parts(chunks)[:3]
    thoughts[2]["thoughtSignature"] = thoughts[2]["thoughtSignature"].replace("+", "-").replace("/", "_")
    assert [part["text"] for part in thoughts] == ["Let ", "me", ""]
    back = chatted(contents=[{"role": "model", "parts": thoughts}]).turns[0].parts
    assert back == (Reasoning("Let me", "", "gAAAA/+==???>>>", "rs_1", summary=True, origin="openai_responses"),)
    assert parts(chunks)[3:-1] == [{"text": "unsigned", "thought": True}]


@pytest.mark.parametrize("text", ["c2ln", "not base64 ü", "aW50ZXJ0aWU6W10=", "aW50ZXJ0aWU6WyJub2JvZHkiXQ=="])
def test_a_signature_that_is_no_seal_of_ours_is_geminis_and_stays_as_it_is(text: str) -> None:
    thought = unseal("x", text)
    assert thought == Reasoning("x", text, summary=True, origin="gemini")
    assert seal(thought) == text


def test_sources_pictures_refusals_and_several_choices_have_their_places() -> None:
    chunks = wrote(
        Opened(part=0, kind="refusal", choice=1),
        Grew(0, "No.", choice=1),
        Opened(part=0, kind="image", type="image/png"),
        Grew(0, "AA=="),
        Closed(0),
        Opened(part=1, kind="text"),
        Cited(1, Citation(url="https://a", title="A", quote="q")),
        Closed(1),
        Stopped(reason="filter", choice=1, name="PROHIBITED_CONTENT"),
        Stopped(reason="end"),
        Ended(),
    )
    assert [one["candidates"][0]["index"] for one in chunks[:2]] == [1, 0]
    assert parts(chunks[:2]) == [{"text": "No."}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]
    refused, cited = chunks[-1]["candidates"]
    assert refused["finishReason"] == "PROHIBITED_CONTENT"
    assert cited["groundingMetadata"]["groundingChunks"] == [{"web": {"uri": "https://a", "title": "A"}}]


def test_a_sign_of_life_is_an_empty_line_for_googles_sdks_take_comments_for_json() -> None:
    """Wire fact 4: comments are legal, and clients break on them."""
    assert GeminiWriter(called(tail=TAIL)).write(Pinged()) == b"\n"


def test_nothing_said_can_become_an_event_of_its_own() -> None:
    evil = 'x\n\ndata: {"error":{"code":1}}\r\n\r\nevent: y'
    writer = GeminiWriter(called(tail=TAIL))
    writer.write(Began(evil, evil))
    writer.write(Opened(part=0, kind="text"))
    writer.write(Opened(part=1, kind="tool_call", id=evil, name=evil))
    for event in (Grew(0, evil), Closed(1), Stopped(reason="other", name=evil), Ended()):
        told = writer.write(event)
        assert told.count(b"\n") in (0, 2) and b"\r" not in told


def test_what_a_stream_makes_us_keep_has_bounds() -> None:
    writer = GeminiWriter(called(tail=TAIL))
    writer.write(Opened(part=0, kind="tool_call", id="a", name="f"))
    with pytest.raises(UpstreamGarbled):
        for _ in range(20):
            writer.write(Grew(0, "x" * 100_000))
    with pytest.raises(UpstreamGarbled):
        for part in range(1, 200):
            writer.write(Opened(part=part, kind="text"))
    with pytest.raises(UpstreamGarbled):
        writer.write(Grew(999, "x"))


def test_a_call_without_signature_has_none() -> None:
    turns = chatted(contents=[{"role": "model", "parts": [{"functionCall": {"name": "f", "id": "a"}}]}]).turns
    assert turns[0].parts == (ToolCall("a", "f", "{}"),)
