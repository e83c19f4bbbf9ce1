"""What answers beside chat tell of usage, in the unit that is sold, and what is no answer at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.usage import NOTHING, Usage
from intertie.dialects.openai_media.glance import glance
from recordings import mp3, opus, wav

RECORDING = Usage(prompt=1_920, audio_in=1_920, audio_ms=60_000)
ASKED: dict[Operation, Usage] = {
    "images": Usage(images=2),
    "image_edits": Usage(images=2),
    "speech": Usage(characters=140),
    "transcription": RECORDING,
    "translation": RECORDING,
    "rerank": Usage(prompt=1_000, searches=3),
    "moderations": NOTHING,
}


def call(operation: Operation) -> Call:
    return Call(operation, "m", b"{}", prompt_tokens=9, max_output=500, units=ASKED[operation])


def usage(operation: Operation, **answer: object) -> Usage | None:
    return glance(json.dumps(answer).encode(), call(operation)).usage


IMAGES = {
    "input_tokens": 60,
    "input_tokens_details": {"image_tokens": 40, "text_tokens": 20, "cached_tokens": 5},
    "output_tokens": 500,
    "output_tokens_details": {"image_tokens": 450, "text_tokens": 50},
    "total_tokens": 560,
}


def test_pictures_are_counted_and_their_tokens_by_kind() -> None:
    told = usage("images", created=1, data=[{"b64_json": "A"}, {"b64_json": "B"}], usage=IMAGES)
    assert told == Usage(60, 500, 5, image_in=40, image_out=450, images=2)
    older = {name: value for name, value in IMAGES.items() if name != "output_tokens_details"}
    assert usage("image_edits", data=[{"url": "x"}], usage=older) == Usage(
        60, 500, 5, image_in=40, image_out=500, images=1
    )


def test_pictures_without_usage_are_counted_and_their_prompt_estimated() -> None:
    assert usage("images", data=[{"url": "x"}] * 2) == Usage(9, images=2, estimated=True)


def test_who_draws_an_svg_is_paid_too() -> None:
    drawn = {"input_tokens": 7, "output_tokens": 11, "reasoning_tokens": 4, "total_tokens": 18, "model": "gpt"}
    told = usage("images", data=[{}], usage=IMAGES, svg_usage=drawn)
    assert told is not None and (told.prompt, told.completion, told.image_out) == (67, 511, 450)


def test_transcripts_are_sold_by_the_second_or_by_the_token() -> None:
    assert usage("transcription", text="x", usage={"type": "duration", "seconds": 8.4701}) == Usage(audio_ms=8_471)
    tokens = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "input_token_details": {"audio_tokens": 10}}
    assert usage("transcription", text="x", usage=tokens) == Usage(14, 45, audio_in=10)
    assert usage("translation", text="x", duration="8.47", language="english") == Usage(audio_ms=8_470)
    assert usage("translation", text="x") == Usage(9, audio_ms=60_000, estimated=True)


@pytest.mark.parametrize(
    ("answer", "milliseconds"),
    [
        (b"Just what was said.\n", 60_000),
        (b"1\n00:00:00,000 --> 00:00:03,320\nHello\n\n2\n00:00:03,320 --> 00:00:09,480\nthere\n\n", 9_480),
        (b"WEBVTT\n\n00:00.000 --> 00:05.250\nHello\n", 5_250),
        (b"WEBVTT\n\n00:00.000 --> 99:05.250\nHello\n", 60_000),
        (b"", 60_000),
    ],
)
def test_subtitles_tell_how_long_it_was_spoken(answer: bytes, milliseconds: int) -> None:
    assert glance(answer, call("transcription")).usage == Usage(9, audio_ms=milliseconds, estimated=True)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (wav(10), 210),
        (mp3(10), 210),
        (opus(10), 210),
        (b"\x12\x34" * 240_000, 210),  # PCM: 24 kHz, 16 bits
        (b"\xff\xf1\x50\x80" + bytes(9_000), 210),  # AAC tells no length: 140 characters take ten seconds
    ],
)
def test_sound_is_counted_in_characters_and_its_tokens_by_its_length(answer: bytes, tokens: int) -> None:
    told = glance(answer, call("speech")).usage
    assert told == Usage(9, tokens, audio_out=tokens, characters=140, estimated=True)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"results": [], "meta": {"billed_units": {"search_units": 2.0}}}, Usage(searches=2)),
        ({"results": [], "usage": {"prompt_tokens": 30, "total_tokens": 30}}, Usage(30)),  # vLLM
        ({"results": [], "usage": {"total_tokens": 31}}, Usage(31)),  # Jina
        ({"results": []}, Usage(9, searches=3, estimated=True)),
    ],
)
def test_a_rerank_is_sold_by_the_search_or_by_the_token(answer: dict[str, object], told: Usage) -> None:
    assert usage("rerank", **answer) == told


def test_moderation_costs_nothing_unless_usage_is_told() -> None:
    assert usage("moderations", results=[]) is NOTHING
    told = usage("moderations", results=[], usage={"prompt_tokens": 5, "total_tokens": 5})
    assert told is not None and told.prompt == 5


def test_an_error_under_status_200_is_an_error() -> None:
    reading = glance(b'{"error": {"message": "no voice", "code": 429}}', call("speech"))
    assert (reading.status, json.loads(reading.error)) == (429, {"error": {"message": "no voice", "code": 429}})
    assert glance(b'{"error": "no"}', call("images")).status == 502


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("images", b"<html>"),
        ("images", b'{"usage": {"input_tokens": 1e300}}'),
        ("images", b'{"usage": {"input_tokens": 999999999999}}'),
        ("rerank", b'{"meta": {"billed_units": {"search_units": 1e300}}}'),
        ("speech", b""),
        ("speech", b"<!DOCTYPE html>"),
        ("speech", b'{"audio"'),
        ("transcription", b"<html><body>"),
        ("transcription", b'{"usage": {"seconds": 1e9}}'),
        ("translation", b'{"duration": "long"}'),
        ("moderations", b"[]"),
    ],
)
def test_what_is_no_answer_is_not_believed(operation: Operation, answer: bytes) -> None:
    with pytest.raises(ValueError):
        glance(answer, call(operation))


figures = st.integers(-5, 1 << 40) | st.none() | st.floats() | st.text(max_size=3)


@given(st.sampled_from(list(ASKED)), st.dictionaries(st.sampled_from(sorted(IMAGES)), figures), figures)
def test_figures_are_never_negative_whatever_is_told(
    operation: Operation, told: dict[str, object], length: object
) -> None:
    try:
        seen = usage(operation, usage=told, duration=length, data=[])
    except ValueError:
        return
    assert seen is not None and min(seen.prompt, seen.completion, seen.images, seen.audio_ms, seen.image_in) >= 0
    assert seen.image_in + seen.audio_in <= seen.prompt and seen.image_out <= seen.completion
