"""List prices of API providers, from genai-prices (https://github.com/pydantic/genai-prices): one row a model.

Only the control process imports this; the library ships its data, nothing is fetched. Three things are simplified, all
in the safe direction, so that a hold is never too small:

- where a price rises with the length of the prompt, the dearest tier holds for every request;
- where it changes with the hour of the day or from a date on, the dearest of the prices in force holds;
- where a model has no price for cached input or for output, those tokens cost as much as fresh input.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

from intertie.core.money import NANO_PER_USD, Price


def price_of(provider: str, model: str, at: float) -> Price | None:
    """The price of a model at a provider, or None if no row matches.

    `provider` is the base URL of its API (a host nobody knows gives None: own hardware has no list price), `model` the
    name the provider uses, `at` the epoch seconds at which the price must hold.
    """
    try:
        seller, row = get_snapshot().find_provider_model(model, None, None, provider)
    except LookupError:
        return None
    now = datetime.fromtimestamp(at, UTC)
    options = list(_in_force(row, now))
    fresh = _dearest(options, "input_mtok")
    output = _dearest(options, "output_mtok")
    cached = _dearest(options, "cache_read_mtok")
    if fresh is None:
        return None
    return Price(
        input=fresh,
        output=fresh if output is None else output,
        cached=fresh if cached is None else cached,
        per_request=-(-(_dearest(options, "requests_kcount") or 0) // 1_000),
        source=f"genai-prices:{seller.id}/{row.id}",
    )


def _in_force(row: ModelInfo, now: datetime) -> Iterator[ModelPrice]:
    if isinstance(row.prices, ModelPrice):
        yield row.prices
        return
    started = [entry for entry in row.prices if not _in_future(entry.constraint, now)]
    dated = [index for index, entry in enumerate(started) if isinstance(entry.constraint, StartDateConstraint)]
    for entry in started[dated[-1] if dated else 0 :]:
        yield entry.prices


def _in_future(constraint: object, now: datetime) -> bool:
    return isinstance(constraint, StartDateConstraint) and not constraint.active(now)


def _dearest(options: list[ModelPrice], unit: str) -> int | None:
    amounts = [amount for option in options for amount in _tiers(getattr(option, unit))]
    return max((_nano(amount) for amount in amounts), default=None)


def _tiers(price: Decimal | TieredPrices | None) -> list[Decimal]:
    if isinstance(price, TieredPrices):
        return [price.base, *(tier.price for tier in price.tiers)]
    return [] if price is None else [price]


def _nano(dollars: Decimal) -> int:
    return int((dollars * NANO_PER_USD).to_integral_value(ROUND_CEILING))
