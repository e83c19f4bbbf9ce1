from datetime import UTC, datetime

import pytest
from genai_prices import Usage, calc_price

from intertie.catalog.prices import price_of
from intertie.core.money import NANO_PER_USD, parse_usd
from intertie.core.usage import Usage as OurUsage

OPENAI, NOW = "https://api.openai.com/v1", datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def test_a_provider_is_known_by_its_url_and_its_prices_carry_their_row() -> None:
    price = price_of(OPENAI, "gpt-5-mini", NOW)
    assert price is not None
    assert (price.input, price.cached, price.output) == (parse_usd("0.25"), parse_usd("0.025"), parse_usd(2))
    assert price.source == "genai-prices:openai/gpt-5-mini"


def test_own_hardware_and_unknown_models_have_no_list_price() -> None:
    assert price_of("http://10.0.0.7:8000/v1", "gpt-5-mini", NOW) is None
    assert price_of(OPENAI, "no-such-model", NOW) is None


def test_the_dearest_tier_holds_for_every_request() -> None:
    price = price_of("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", NOW)
    assert price is not None
    assert (price.input, price.cached, price.output) == (parse_usd("2.5"), parse_usd("0.25"), parse_usd(15))


def test_a_model_without_a_price_for_cached_input_asks_the_full_price() -> None:
    price = price_of("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", NOW)
    assert price is not None
    assert price.cached == price.input == parse_usd("0.59")


SOLD = [
    (OPENAI, "gpt-5-mini"),
    ("https://api.anthropic.com/v1", "claude-sonnet-4-5"),
    ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro"),
    ("https://api.deepseek.com", "deepseek-chat"),
    ("https://api.deepseek.com", "deepseek-v4-flash"),
]


@pytest.mark.parametrize(("url", "model"), SOLD)
def test_at_no_hour_and_no_length_does_the_provider_ask_more_than_we_reckon(url: str, model: str) -> None:
    for hour in range(24):
        for prompt in (1_000, 250_000):
            at = NOW + hour * 3_600
            price = price_of(url, model, at)
            assert price is not None
            used = Usage(input_tokens=prompt, cache_read_tokens=prompt // 2, output_tokens=700)
            asked = calc_price(
                used, model, provider_api_url=url, genai_request_timestamp=datetime.fromtimestamp(at, UTC)
            )
            ours = price.of(OurUsage(prompt=prompt, cached=prompt // 2, completion=700))
            assert ours >= int(asked.total_price * NANO_PER_USD)
