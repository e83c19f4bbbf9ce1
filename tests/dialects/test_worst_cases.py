"""What a body may cost beyond its size is in its worst case, in every dialect that callers speak."""

import base64
import json

import msgspec
import pytest

from intertie.core.call import Call
from intertie.core.endpoint import Dialect
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages.usage import Figures, to_usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.images import WORST
from intertie.dialects.registry import INBOUND
from recordings import png

_TEXTS: dict[Dialect, dict[str, object]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    "openai_responses": {"model": "m", "input": "Hello"},
    "anthropic_messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]},
    "gemini": {"contents": [{"parts": [{"text": "Hello"}]}]},
}


def read(dialect: Dialect, **fields: object) -> Call:
    return INBOUND[dialect].peek("chat", json.dumps(_TEXTS[dialect] | fields).encode(), "m:generateContent")


@pytest.mark.parametrize(
    ("dialect", "field", "value", "tier"),
    [
        ("openai_chat", "service_tier", "priority", "priority"),
        ("openai_chat", "service_tier", "default", ""),
        ("openai_responses", "service_tier", "priority", "priority"),
        ("openai_responses", "service_tier", "auto", "auto"),
        ("openai_responses", "service_tier", "default", ""),
        ("anthropic_messages", "speed", "fast", "fast"),
        ("anthropic_messages", "speed", "standard", ""),
        ("gemini", "serviceTier", "priority", "priority"),
        ("gemini", "service_tier", "SERVICE_TIER_PRIORITY", "priority"),
        ("gemini", "serviceTier", "standard", ""),
    ],
)
def test_a_dearer_tier_is_held_for(dialect: Dialect, field: str, value: str, tier: str) -> None:
    assert read(dialect, **{field: value}).units.tier == tier


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_a_tier_without_end_is_refused(dialect: Dialect) -> None:
    with pytest.raises(InvalidRequest, match="service_tier"):
        read(dialect, service_tier="x" * 300)


def test_a_large_picture_in_few_bytes_is_held_for_at_gemini_too() -> None:
    blank = {"mimeType": "image/png", "data": base64.b64encode(png(8_000, 8_000, 100)).decode()}
    call = read("gemini", contents=[{"parts": [{"inlineData": blank}]}])
    assert call.units.image_in > 10_000


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_a_file_elsewhere_is_held_for_at_gemini_wherever_it_stands(name: str) -> None:
    call = read("gemini", **{name: {"parts": [{"fileData": {"fileUri": "https://example.org/a.png"}}]}})
    assert call.units.image_in == WORST


def test_an_endpoint_cannot_tell_of_more_searches_than_a_row_can_hold() -> None:
    told = msgspec.json.decode(b'{"server_tool_use":{"web_search_requests":99999999999999999999}}', type=Figures)
    assert to_usage(told).searches == MOST_TOKENS
