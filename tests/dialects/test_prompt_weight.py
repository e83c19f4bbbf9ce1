"""Pictures and sound in prompts are counted by what they are, and text that looks like them as text."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.endpoint import Dialect
from intertie.core.usage import NOTHING
from intertie.dialects.images import UNKNOWN, WORST
from intertie.dialects.weight import Weight, prompt_tokens, weigh
from recordings import data_url, mp3, png, wav

MEGABYTE = png(1024, 1024, 750_000)  # 1 MB of base64; 1,369 tokens at Anthropic's, 2,520 at OpenAI's dearest
BASE64 = base64.b64encode(MEGABYTE).decode()


def chat(*parts: object, **fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}], **fields}).encode()


def picture(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


OF_EACH: dict[Dialect, object] = {
    "openai_chat": {"messages": [{"role": "user", "content": [picture(data_url("image/png", MEGABYTE))]}]},
    "openai_responses": {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": data_url("image/png", MEGABYTE)}]}]
    },
    "anthropic_messages": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "content": [{"type": "image", "source": {"type": "base64", "data": BASE64}}],
                    }
                ],
            }
        ]
    },
    "gemini": {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": BASE64}}]}]},
}


@pytest.mark.parametrize("dialect", OF_EACH)
def test_a_megabyte_of_picture_is_some_two_thousand_tokens_in_every_dialect(dialect: Dialect) -> None:
    tokens, units = weigh(json.dumps(OF_EACH[dialect]).encode(), dialect)
    assert 1_369 < tokens < 1_500
    assert units.image_in == 2_520
    assert 2_520 < units.prompt < 3_000


def test_a_body_without_media_counts_by_its_size() -> None:
    body = chat({"type": "text", "text": "hello"})
    assert weigh(body) == Weight(len(body) // 4 + 1, NOTHING)
    assert prompt_tokens(body) == len(body) // 4 + 1


def test_a_few_bytes_may_be_a_very_large_picture() -> None:
    assert weigh(chat(picture(data_url("image/png", png(20_000, 15_000))))).units.image_in == WORST


def test_sound_is_counted_by_its_length() -> None:
    for data in (wav(10), mp3(10)):
        audio = {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": "wav"}}
        tokens, units = weigh(chat(audio))
        assert units.audio_in == 320
        assert 320 < tokens < 400


def test_what_cannot_be_seen_may_be_the_worst() -> None:
    for part in (picture("https://example.org/a.png"), {"type": "file", "file": {"file_id": "file-1"}}):
        tokens, units = weigh(chat(part))
        assert units.image_in == WORST
        assert UNKNOWN < tokens < UNKNOWN + 100


def test_a_part_that_cannot_be_read_may_be_the_worst_too() -> None:
    assert weigh(chat({"type": "image_url", "image_url": {"url": 5}})).units.image_in == WORST


def test_a_document_is_counted_by_its_pages_and_bounded_by_its_bytes() -> None:
    pdf = base64.b64encode(b"%PDF-1.7" + bytes(300_000)).decode()
    body = chat({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{pdf}"}})
    tokens, units = weigh(body)
    assert 300_000 // 16 <= tokens < 300_000 // 16 + 100
    assert units.prompt == len(body)


@pytest.mark.parametrize(
    "body",
    [
        chat({"type": "text", "text": data_url("image/png", MEGABYTE)}),
        chat({"type": "text", "text": '"image_url":{"url":"' + data_url("image/png", MEGABYTE) + '"}'}),
        chat(
            {"type": "text", "text": "x"},
            tools=[{"function": {"parameters": picture(data_url("image/png", MEGABYTE))}}],
        ),
        chat({"type": "tool_use", "input": picture(data_url("image/png", MEGABYTE))}),
        chat({"type": "text", "text": "x"}, metadata={"content": [picture(data_url("image/png", MEGABYTE))]}),
    ],
)
def test_what_only_looks_like_a_picture_is_text(body: bytes) -> None:
    assert weigh(body) == Weight(len(body) // 4 + 1, NOTHING)


def test_a_picture_whose_name_is_escaped_is_seen() -> None:
    body = chat(picture(data_url("image/png", MEGABYTE))).replace(b'"image_url":', b'"im\\u0061ge_\\u0075rl":')
    assert weigh(body).units.image_in == 2_520


@given(st.recursive(
    st.none() | st.integers() | st.text() | st.just(data_url("image/png", png(9, 9))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["content", "parts", "image_url", "url", "source", "data", "type", "file", "messages"]), inner,
        max_size=4,
    ),
))  # fmt: skip
def test_whatever_the_body_is_it_has_a_weight(value: object) -> None:
    body = json.dumps({"messages": value, "contents": [value]}).encode()
    for dialect in OF_EACH:
        tokens, units = weigh(body, dialect)
        assert tokens > 0 and (units is NOTHING or units.prompt > 0)


def test_looking_for_media_costs_little_where_there_are_none() -> None:
    body = chat({"type": "text", "text": 'The "quick" brown fox.\n' * 40_000})
    began = time.process_time()
    weigh(body)
    assert time.process_time() - began < 0.05  # a megabyte; about 2 ms here
