"""Prices as verbs tell them: dollars as exact text, what is not known null, what is not sold left out."""

from collections.abc import Iterator
from typing import Any

from intertie.core.money import Price, Rates, show_usd

_PROMPT, _COMPLETION = ("written", "written_1h", "audio_in", "image_in"), ("audio_out", "image_out", "reasoning")
_PIECES = {
    "image": "per_image_usd",
    "audio": "per_audio_hour_usd",
    "characters": "characters_usd_per_million",
    "page": "per_page_usd",
    "search": "per_search_usd",
}


def price_told(price: Price | None) -> dict[str, Any]:
    """All of a price. `steps` and `tiers` hold prices of their own; kinds of tokens that cost as plain ones are not
    told apart."""
    told = _amounts(price) | {"price_source": price.source if price else ""}
    if price is not None and price.rates is not None:
        told |= _more(price.rates)
    return told


def token_columns(price: Price | None) -> tuple[str, str, str]:
    """Dollars per million tokens of the prompt, of the completion and of cached prompt, for a table."""
    if price is None:
        return "unknown", "unknown", "-"
    if not _by_token(price):
        return "-", "-", "-"
    return show_usd(price.input), show_usd(price.output), show_usd(price.cached)


def _amounts(price: Price | None) -> dict[str, Any]:
    whole: dict[str, Any] = {
        f"{name}_usd_per_million": show_usd(getattr(price, name)) if price is not None and _by_token(price) else None
        for name in ("input", "output", "cached")
    }
    whole["per_request_usd"] = None if price is None else show_usd(price.per_request)
    if price is not None and price.rates is not None:
        whole |= {name: show_usd(amount) for name, amount in _rates(price, price.rates)}
    return whole


def _rates(price: Price, rates: Rates) -> Iterator[tuple[str, int]]:
    for names, plain in ((_PROMPT, price.input), (_COMPLETION, price.output)):
        yield from (
            (f"{name}_usd_per_million", getattr(rates, name)) for name in names if getattr(rates, name) != plain
        )
    yield from ((told, getattr(rates, name)) for name, told in _PIECES.items() if getattr(rates, name) is not None)


def _more(rates: Rates) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if rates.steps:
        more["steps"] = [{"above_tokens": step.above} | _amounts(step.price) for step in rates.steps]
    if rates.tiers:
        more["tiers"] = {
            tier.name: _amounts(tier.price) | (_more(tier.price.rates) if tier.price.rates else {})
            for tier in rates.tiers
        }
    return more


def _by_token(price: Price) -> bool:
    return price.rates is None or price.rates.by_token
