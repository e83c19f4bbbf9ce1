"""List prices of API providers, from genai-prices (https://github.com/pydantic/genai-prices): one row a model.

Only the control process imports this; the library ships its data, nothing is fetched. What it tells of cache writes,
audio, images, reasoning, pages, searches, long prompts and service tiers is taken over as it stands. Where it knows
more than a request tells, the dearest holds, so that a hold is never too small and a bill never too low:

- where a price changes with the hour of the day or from a date on, the dearest of the prices in force;
- where it depends on a route or on the kind of a search or a page, the dearest of them;
- where a model has no price for output or for a kind of token, those cost as much as fresh input, or as output.

Not reckoned, since no answer tells it: tokens of video and citations (they cost as text), cached audio and images (as
cached text), messages, pixels and code executions, and the ten seconds that Groq bills at least for audio.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, StartDateConstraint, TieredPrices
from genai_prices.types import Tier as LengthTier

from intertie.core.money import NANO_PER_USD, STANDARD_TIERS, Price, Step, Tier, rated

_WHOLES = {
    "input": ("input_mtok",),
    "output": ("output_mtok",),
    "cached": ("cache_read_mtok",),
    "written": ("cache_write_mtok", "cache_write_5m_mtok"),
    "written_1h": ("cache_write_1h_mtok",),
    "audio_in": ("input_audio_mtok",),
    "image_in": ("input_image_mtok",),
    "audio_out": ("output_audio_mtok",),
    "image_out": ("output_image_mtok",),
    "reasoning": ("output_reasoning_mtok",),
    "characters": ("input_mchars",),
    "audio": ("audio_hours", "input_audio_hours", "output_audio_hours"),
}
_THOUSANDS = {
    "per_request": ("requests_kcount",),
    "page": ("input_document_kpages", "input_annotated_document_kpages"),
    "search": (
        "web_searches_kcount", "rerank_searches_kcount", "social_searches_kcount", "storage_searches_kcount",
    ),
}  # fmt: skip
_SELLS = {"input", "characters", "audio", "page", "search"}
_TIER_WORDS = {"service_tier", "processing", "speed"}


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
    variants = [variant for variant in row.price_variants or () if not _in_future(variant.constraint, now)]
    options = list(_in_force(row, now))
    options += [_laid_over(option, [variant]) for variant in variants if not _tier(variant) for option in options]
    source = f"genai-prices:{seller.id}/{row.id}"
    if not _known(options, -1).keys() & _SELLS:
        return None
    tiers = [
        Tier(name, _stepped([_laid_over(option, of_tier) for option in options]))
        for name, of_tier in _by_tier(variants).items()
    ]
    return _stepped(options, source, tiers)


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


def _tier(variant: PriceVariant) -> str:
    """The service tier that a variant is for, or "" if it is for something that no answer tells."""
    [(word, name), *more] = variant.when.items()
    return name if word in _TIER_WORDS and not more else ""


def _by_tier(variants: Iterable[PriceVariant]) -> dict[str, list[PriceVariant]]:
    found: dict[str, list[PriceVariant]] = {}
    for variant in variants:
        if (name := _tier(variant)) not in STANDARD_TIERS:
            found.setdefault(name, []).append(variant)
    return found


def _laid_over(price: ModelPrice, variants: Sequence[PriceVariant]) -> ModelPrice:
    """A price with what variants change of it; the first that says something of a unit holds."""
    whole: dict[str, Decimal | TieredPrices | None] = dict(price.__dict__)
    for variant in reversed(variants):
        whole.update({unit: amount for unit, amount in variant.prices.__dict__.items() if amount is not None})
    return ModelPrice(**whole)


def _stepped(options: Sequence[ModelPrice], source: str = "", tiers: Sequence[Tier] = ()) -> Price:
    starts = {tier.start for option in options for amount in option.__dict__.values() for tier in _tiers(amount)}
    steps = [Step(start, rated(_known(options, start))) for start in starts]
    return rated(_known(options, -1), source, steps, tiers)


def _known(options: Sequence[ModelPrice], above: int) -> dict[str, int]:
    """The dearest rate of each kind for prompts of more than so many tokens, in nano-dollars."""
    found = {name: _dearest(options, units, above, 1) for name, units in _WHOLES.items()}
    found |= {name: _dearest(options, units, above, 1_000) for name, units in _THOUSANDS.items()}
    return {name: rate for name, rate in found.items() if rate is not None}


def _dearest(options: Sequence[ModelPrice], units: Sequence[str], above: int, per: int) -> int | None:
    amounts = [_above(getattr(option, unit), above) for option in options for unit in units]
    return max((_nano(amount / per) for amount in amounts if amount is not None), default=None)


def _above(price: Decimal | TieredPrices | None, above: int) -> Decimal | None:
    if not isinstance(price, TieredPrices):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base


def _tiers(amount: object) -> Sequence[LengthTier]:
    return amount.tiers if isinstance(amount, TieredPrices) else ()


def _nano(dollars: Decimal) -> int:
    return int((dollars * NANO_PER_USD).to_integral_value(ROUND_CEILING))
