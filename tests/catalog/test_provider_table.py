"""The table of providers: every row leads somewhere, names are told apart, and prices are found where it says."""

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest
from genai_prices.data_snapshot import get_snapshot

from intertie.catalog.engines import engines
from intertie.catalog.providers import Preset, called, models_of, operation_of, presets, seller_of
from intertie.config.forms import NAME, ORIGIN

PRESETS = pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.id)


@PRESETS
def test_a_row_leads_somewhere(preset: Preset) -> None:
    assert NAME.parse(preset.id) == preset.id
    assert ORIGIN.parse(preset.url_in("eu-west-1", "p"))
    parts = urlsplit(preset.url)
    assert parts.scheme == ("https" if preset.cloud else "http")
    assert not preset.url.endswith("/")
    assert preset.operations
    assert preset.cloud or parts.hostname == "127.0.0.1"
    assert not preset.engine or preset.engine in engines()
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for key in preset.keys for name in key.split(":"))


@PRESETS
def test_every_quirk_has_a_page_that_tells_of_it(preset: Preset) -> None:
    assert all(page.startswith("https://") for page in (preset.source, *preset.quirks.values()))
    assert not {"max_tokens", "max_completion_tokens"} <= preset.quirks.keys()


@PRESETS
def test_the_seller_of_list_prices_knows_the_url(preset: Preset) -> None:
    sellers = {seller.id: seller for seller in get_snapshot().providers}
    if preset.prices:
        url = preset.url_in("us-east-1", "p").replace("RESOURCE", "mine")
        assert re.match(sellers[preset.prices].api_pattern, url)


def test_names_of_others_lead_to_one_provider_each() -> None:
    for gateway in ("litellm", "portkey", "openrouter"):
        names = [name for preset in presets().values() for name in preset.called(gateway)]
        assert max(Counter(names).values()) == 1
    assert called("litellm")["together_ai"].id == "together"
    assert called("portkey")["azure-openai"].id == "azure"
    assert called("openrouter")["google-vertex"].id == "vertex"


def test_the_customers_own_part_of_a_url_is_known() -> None:
    assert presets()["azure"].own_word == "RESOURCE"
    assert presets()["openai"].own_word == ""
    assert presets()["vertex"].url_in("global", "p") == "https://aiplatform.googleapis.com/v1"
    assert presets()["vertex"].url_in("us-east1", "p") == "https://us-east1-aiplatform.googleapis.com/v1"


def test_a_jurisdiction_is_claimed_only_where_the_provider_promises_it() -> None:
    assert {preset.id: preset.jurisdiction for preset in presets().values() if preset.jurisdiction} == {
        "mistral-eu": ("EU",)
    }


def test_known_models_are_those_that_the_provider_serves() -> None:
    openai = models_of(presets()["openai"])
    assert (openai["gpt-4o"], openai["text-embedding-3-small"], openai["tts-1"], openai["whisper-1"]) == (
        "chat", "embeddings", "speech", "transcription",
    )  # fmt: skip
    assert "ft:gpt-3.5-turbo-" not in openai
    assert not any("realtime" in model for model in openai)
    assert not any("claude" in model for model in models_of(presets()["gemini"]))
    assert models_of(presets()["vllm"]) == {}


def test_a_bare_name_tells_who_makes_the_model() -> None:
    makers = {"gpt-4o": "openai", "o3": "openai", "claude-3-haiku": "anthropic", "gemini-2.5-pro": "gemini"}
    for model, maker in makers.items():
        found = seller_of(model)
        assert found is not None
        assert found.id == maker
    assert seller_of("zephyr") is None


def test_what_a_model_does_is_told_by_its_name() -> None:
    names = {"gpt-image-1": "images", "rerank-v3.5": "rerank", "omni-moderation-latest": "moderations", "o3": "chat"}
    assert {name: operation_of(name) for name in names} == names
    assert operation_of("gpt-realtime") is None
