from datetime import UTC, datetime

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice

from intertie.catalog.prices import price_of
from intertie.core.money import NANO_PER_USD, Price, parse_usd
from intertie.core.usage import Usage as OurUsage

OPENAI, NOW = "https://api.openai.com/v1", datetime(2026, 11, 20, tzinfo=UTC).timestamp()
ANTHROPIC = "https://api.anthropic.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
GROQ = "https://api.groq.com/openai/v1"
MISTRAL = "https://api.mistral.ai/v1"


def price(url: str, model: str, at: float = NOW) -> Price:
    found = price_of(url, model, at)
    assert found is not None
    return found


def asked(url: str, model: str, used: Usage, at: float = NOW, context: dict[str, str] | None = None) -> int:
    """What the provider asks by the library's own reckoning, in nano-dollars, half up."""
    moment = datetime.fromtimestamp(at, UTC)
    found = calc_price(used, model, provider_api_url=url, genai_request_timestamp=moment, price_context=context)
    return int(found.total_price * NANO_PER_USD * 2 + 1) // 2


def test_a_provider_is_known_by_its_url_and_its_prices_carry_their_row() -> None:
    found = price(OPENAI, "gpt-5-mini")
    assert (found.input, found.cached, found.output) == (parse_usd("0.25"), parse_usd("0.025"), parse_usd(2))
    assert found.source == "genai-prices:openai/gpt-5-mini"


def test_own_hardware_and_unknown_models_have_no_list_price() -> None:
    assert price_of("http://10.0.0.7:8000/v1", "gpt-5-mini", NOW) is None
    assert price_of(OPENAI, "no-such-model", NOW) is None


def test_a_model_that_the_library_knows_without_any_price_has_none() -> None:
    assert price_of(OPENAI, "omni-moderation-latest", NOW) is None


def test_a_long_prompt_costs_the_step_as_a_whole() -> None:
    found = price(GEMINI, "gemini-2.5-pro")
    assert (found.input, found.cached, found.output) == (parse_usd("1.25"), parse_usd("0.125"), parse_usd(10))
    assert found.rates is not None
    [step] = found.rates.steps
    assert (step.above, step.price.input, step.price.output) == (200_000, parse_usd("2.5"), parse_usd(15))


def test_a_model_without_a_price_for_cached_input_asks_the_full_price() -> None:
    found = price(GROQ, "llama-3.3-70b-versatile")
    assert found.cached == found.input == parse_usd("0.59")


SOLD = [
    (OPENAI, "gpt-5-mini"),
    (OPENAI, "gpt-6.1-sol"),
    (ANTHROPIC, "claude-sonnet-4-5"),
    (GEMINI, "gemini-2.5-pro"),
    ("https://api.deepseek.com", "deepseek-chat"),
    ("https://api.deepseek.com", "deepseek-v4-flash"),
]


@pytest.mark.parametrize(("url", "model"), SOLD)
def test_at_no_hour_and_no_length_does_the_provider_ask_more_than_we_reckon(url: str, model: str) -> None:
    for hour in range(24):
        for prompt in (1_000, 250_000, 300_000):
            at = NOW + hour * 3_600
            used = Usage(input_tokens=prompt, cache_read_tokens=prompt // 2, output_tokens=700)
            ours = price(url, model, at).of(OurUsage(prompt=prompt, cached=prompt // 2, completion=700))
            assert ours is not None and ours >= asked(url, model, used, at)


TIERS = [
    (OPENAI, "gpt-5-mini", "flex", {"service_tier": "flex"}),
    (OPENAI, "gpt-5-mini", "priority", {"service_tier": "priority"}),
    (OPENAI, "gpt-5-mini", "fast", {"service_tier": "fast"}),
    (OPENAI, "gpt-6.1-sol", "batch", {"processing": "batch"}),
    (OPENAI, "gpt-4.1", "batch", {"processing": "batch"}),  # its batch table says nothing of cached input
    (ANTHROPIC, "claude-sonnet-4-5", "batch", {"processing": "batch"}),
    (ANTHROPIC, "claude-opus-4-8", "fast", {"speed": "fast"}),
    (OPENAI, "gpt-5-mini", "default", {"service_tier": "default"}),
    (OPENAI, "gpt-6.1-sol", "", {}),
    (ANTHROPIC, "claude-opus-4-8", "standard", {}),
]


@pytest.mark.parametrize(("url", "model", "tier", "context"), TIERS)
def test_each_tier_costs_what_the_library_says_at_any_length(
    url: str, model: str, tier: str, context: dict[str, str]
) -> None:
    for prompt in (1_000, 199_999, 200_001, 272_000, 272_001):
        used = Usage(input_tokens=prompt, cache_read_tokens=prompt // 2, output_tokens=700)
        ours = price(url, model).of(OurUsage(prompt=prompt, cached=prompt // 2, completion=700, tier=tier))
        assert ours == asked(url, model, used, context=context)


def test_what_is_written_into_a_cache_has_its_own_price() -> None:
    used = Usage(
        input_tokens=1_000, cache_read_tokens=200, cache_write_tokens=500, cache_write_1h_tokens=200, output_tokens=3
    )
    ours = price(ANTHROPIC, "claude-opus-4-8").of(OurUsage(1_000, 3, 200, written=300, written_1h=200))
    assert ours == asked(ANTHROPIC, "claude-opus-4-8", used)


UNITS = [
    (GEMINI, "gemini-2.5-flash", Usage(input_tokens=900, input_audio_tokens=600, output_tokens=9),
     OurUsage(900, 9, audio_in=600)),
    (OPENAI, "gpt-image-1.5", Usage(input_tokens=900, input_image_tokens=600, output_tokens=90, output_image_tokens=80),
     OurUsage(900, 90, image_in=600, image_out=80, images=1)),
    (OPENAI, "whisper-1", Usage(audio_seconds=61.5, input_audio_seconds=61.5), OurUsage(audio_ms=61_500)),
    (GROQ, "whisper-large-v3", Usage(audio_seconds=61.5, input_audio_seconds=61.5), OurUsage(audio_ms=61_500)),
    (OPENAI, "tts-1", Usage(input_characters=1_234), OurUsage(characters=1_234)),
    (ANTHROPIC, "claude-opus-4-8", Usage(input_tokens=90, output_tokens=9, web_searches=3),
     OurUsage(90, 9, searches=3)),
    (MISTRAL, "mistral-ocr-2503", Usage(input_document_pages=7), OurUsage(pages=7)),
    ("https://api.perplexity.ai", "sonar-deep-research", Usage(input_tokens=90, output_tokens=99,
     output_reasoning_tokens=40, web_searches=2), OurUsage(90, 99, reasoning=40, searches=2)),
    ("https://api.perplexity.ai", "sonar-pro", Usage(input_tokens=90, output_tokens=9), OurUsage(90, 9)),
]  # fmt: skip


@pytest.mark.parametrize(("url", "model", "used", "ours"), UNITS)
def test_each_unit_costs_what_the_library_says(url: str, model: str, used: Usage, ours: OurUsage) -> None:
    assert price(url, model).of(ours) == asked(url, model, used)


def test_where_a_price_depends_on_what_no_answer_tells_the_dearest_holds() -> None:
    pages = price(MISTRAL, "mistral-ocr-2512").of(OurUsage(pages=1_000))
    assert pages == parse_usd(3)  # annotated pages; plain ones cost 2
    assert price("https://openrouter.ai/api/v1", "mistralai/mistral-large-4-0").input == parse_usd("0.77")


@pytest.mark.parametrize("url", [OPENAI, ANTHROPIC, GEMINI, GROQ, MISTRAL])
def test_every_row_of_the_library_can_be_read(url: str) -> None:
    seller = get_snapshot().find_provider(None, None, url)
    for row in seller.models:
        found, matched = price_of(url, row.id, NOW), seller.find_model(row.id)
        priced = matched is not None and matched.get_prices(datetime.fromtimestamp(NOW, UTC)) != ModelPrice()
        assert (found is not None) == priced, row.id
        if found is not None and found.rates is not None:
            assert all(tier.name in ("batch", "flex", "priority", "fast") for tier in found.rates.tiers)
            assert found.worst(1_000, 1_000, OurUsage(audio_ms=1, characters=1, pages=1, tier="auto")) is not None
