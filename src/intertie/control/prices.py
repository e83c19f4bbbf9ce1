"""Prices as the configuration says them, made into what the books reckon with."""

from collections.abc import Sequence

import msgspec

from intertie.config.price_wishes import KINDS, PriceWish, RatesWish, StepWish, TierWish
from intertie.core.endpoint import Speed
from intertie.core.money import Price, Step, Tier, rated

_BUSY_SLOTS = 32
_PIECES = {"per_image": "image", "per_audio_hour": "audio", "per_page": "page", "per_search": "search"}
_RATES = {name: name for name in ("input", "output", *KINDS, "characters", "per_request")} | _PIECES
_NOT_TOKENS = {"characters", "per_request", *_PIECES.values()}
_NOT_SCALED = {"per_request", "search"}

Known = dict[str, int]


def price_as_said(said: PriceWish, speed: Speed) -> Price:
    """The price that the configuration gives an endpoint of this speed."""
    if said.per_hour is not None:
        return msgspec.structs.replace(hourly_price(said.per_hour, speed), per_request=said.per_request or 0)
    known = _known(said)
    tiers = [Tier(name, _tier(tier, said, known)) for name, tier in said.tiers.items()]
    return rated(known, "configuration", _steps(said.steps, known), tiers)


def hourly_price(per_hour: int, speed: Speed) -> Price:
    """Dollars per hour of a machine, spread over the tokens it makes when half used.

    Input: per_hour / (3600 · prefill_tps · 0.5): it prefills half of the time. Output: per_hour / (3600 · decode_tps ·
    b) with b = half of its slots, of which 32 count at most, because the speed of one stream falls in larger batches.
    Cached input is a tenth of input, as providers commonly ask: it takes memory but no prefill.
    """
    streams = max(1, min(speed.slots, _BUSY_SLOTS) // 2)
    fresh = round(per_hour * 1_000_000 / (3_600 * speed.prefill_tps * 0.5))
    output = round(per_hour * 1_000_000 / (3_600 * speed.decode_tps * streams))
    return Price(input=fresh, output=output, cached=fresh // 10, source="per_hour at 50 % use")


def _known(said: RatesWish) -> Known:
    """The amounts that were written, by their names in `core.money.rated`."""
    return {_RATES[name]: getattr(said, name) for name in said.said(*_RATES)}


def _steps(steps: Sequence[StepWish], below: Known) -> Sequence[Step]:
    return [Step(step.above, rated(_pieces(below) | _known(step))) for step in steps]


def _tier(tier: TierWish, said: PriceWish, known: Known) -> Price:
    if tier.factor is None:
        own = _pieces(known) | _known(tier)
        return rated(own, steps=_steps(tier.steps, own))
    steps = [Step(step.above, rated(_scaled(_pieces(known) | _known(step), tier.factor))) for step in said.steps]
    return rated(_scaled(known, tier.factor), steps=steps)


def _pieces(known: Known) -> Known:
    """What costs the same at every step and in every tier that says nothing else."""
    return {name: amount for name, amount in known.items() if name in _NOT_TOKENS}


def _scaled(known: Known, factor: int) -> Known:
    """Amounts times a factor in thousandths, rounded up."""
    return {name: amount if name in _NOT_SCALED else -(-amount * factor // 1_000) for name, amount in known.items()}
