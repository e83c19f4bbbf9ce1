"""Money as a whole number of nano-dollars (1 USD = 1,000,000,000), and the price of whatever is sold.

A price is kept per million tokens so that $0.0375 per million is exact (37,500,000 nano-dollars) although one token
costs a fraction of a nano-dollar; a request is rounded once, half up. Unknown is not zero: no price is `None`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from intertie.core.usage import NOTHING, Usage

Nano: TypeAlias = int

NANO_PER_USD = 1_000_000_000
STANDARD_TIERS = frozenset(("", "default", "standard", "on_demand"))
"""What providers call the service tier that costs the price itself."""
ANY_TIER = "auto"
"""Asked for by a caller who leaves the service tier to the provider."""

_WHOLE = 18_000_000
"""The common denominator of a million tokens or characters and the 3,600,000 ms of an hour of audio."""
_PER_TOKEN, _PER_MS = _WHOLE // 1_000_000, _WHOLE // 3_600_000
_LONGEST = 64
_dollars = re.compile(r"(?=\.?[0-9])([0-9]{0,9})(?:\.([0-9]{0,9}))?")


class Step(msgspec.Struct, frozen=True, array_like=True):
    """Where a long prompt costs more: a request of more than `above` prompt tokens costs `price`, the whole of it."""

    above: int
    price: "Price"


class Tier(msgspec.Struct, frozen=True, array_like=True):
    """What a request costs that was served in a tier other than the standard one (`batch`, `flex`, `priority` …)."""

    name: str
    price: "Price"


class Rates(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a price asks for anything but plain tokens. `rated` makes them, and fills in what is not known.

    Nano-dollars per million tokens: `written` and `written_1h` to put a prompt into a cache for five minutes or an
    hour, `audio_in` and `image_in` in a prompt, `audio_out`, `image_out` and `reasoning` in a completion.
    Nano-dollars: `image` each, `audio` per hour, `characters` per million, `page` and `search` each; None where a unit
    has no rate. `by_token` is false where tokens have none: sold by the piece alone.
    `steps` by rising `above` and `tiers` are prices of their own, without a source; a step has neither, a tier may have
    steps.
    """

    written: int
    written_1h: int
    audio_in: int
    image_in: int
    audio_out: int
    image_out: int
    reasoning: int
    image: int | None = None
    audio: int | None = None
    characters: int | None = None
    page: int | None = None
    search: int | None = None
    by_token: bool = True
    steps: tuple[Step, ...] = ()
    tiers: tuple[Tier, ...] = ()


class Price(msgspec.Struct, frozen=True, gc=False):
    """Nano-dollars per million tokens, by kind of token, and where the figures come from.

    `cached` is the price of input read from the engine's prefix cache; `per_request` is added once, in nano-dollars.
    `source` names the row the figures were read from, so that a bill can be traced. `rates` tells what else is sold;
    without it every token of a prompt that was not cached costs `input`, and every one of a completion `output`.
    """

    input: int
    output: int
    cached: int
    per_request: int = 0
    source: str = ""
    rates: Rates | None = None

    def of(self, usage: Usage) -> Nano | None:
        """The cost of one request, rounded half up to a nano-dollar; None if it is not known.

        The tier that was returned is the tier that is billed; one that this price does not know costs as the dearest
        of those it knows and the standard one. It is not known what a request costs of a tier where the price knows
        none at all, or that used nothing of what has a price. A piece without a rate is taken to be in the price of
        the tokens, but not where there are none.
        """
        rates = self.rates
        if usage.tier or (rates is not None and not _is_plain(self, rates, usage)):
            return _of(self, usage)
        cached = usage.cached
        scaled = (usage.prompt - cached) * self.input + cached * self.cached + usage.completion * self.output
        return (scaled + 500_000) // 1_000_000 + self.per_request or _nothing(self, usage)

    def worst(self, prompt: int, completion: int, units: Usage = NOTHING) -> Nano | None:
        """The most that so many tokens can cost, rounded up: all of the dearest kind, every output token produced.

        `units` holds the most pieces that can be used, and as `tier` what the caller asked for: served in that or in
        the standard tier, or in any where it is "auto". A shorter prompt may cost more than a longer one, so every step
        up to `prompt` counts. None as in `of`.
        """
        if self.rates is None and units is NOTHING:
            fresh, cached = self.input, self.cached
            dearest = fresh if fresh >= cached else cached
            return -(-(prompt * dearest + completion * self.output) // 1_000_000) + self.per_request
        return _worst(self, prompt, completion, units)

    def covers(self, other: "Price") -> bool:
        """Whether it is certain that no request has a higher worst case at the other price."""
        if other.rates is not None:
            return msgspec.structs.replace(self, source=other.source) == other
        return (
            (self.rates is None or self.rates.by_token)
            and max(self.input, self.cached) >= max(other.input, other.cached)
            and self.output >= other.output
            and self.per_request >= other.per_request
        )


def rated(known: Mapping[str, int], source: str = "", steps: Sequence[Step] = (), tiers: Sequence[Tier] = ()) -> Price:
    """A price from the amounts that are known, by their names in `Price` and `Rates`.

    A kind of token without one costs as much as plain tokens of the prompt or the completion, a completion as a prompt.
    Without `input` tokens have no price.
    """
    fresh = known.get("input", 0)
    output, written = known.get("output", fresh), known.get("written", fresh)
    rates = Rates(
        written=written,
        written_1h=known.get("written_1h", written),
        audio_in=known.get("audio_in", fresh),
        image_in=known.get("image_in", fresh),
        audio_out=known.get("audio_out", output),
        image_out=known.get("image_out", output),
        reasoning=known.get("reasoning", output),
        image=known.get("image"),
        audio=known.get("audio"),
        characters=known.get("characters"),
        page=known.get("page"),
        search=known.get("search"),
        by_token="input" in known,
        steps=tuple(sorted(steps, key=lambda step: step.above)),
        tiers=tuple(tiers),
    )
    plain = not (known.keys() - {"input", "output", "cached", "per_request"} or steps or tiers)
    return Price(
        input=fresh,
        output=output,
        cached=known.get("cached", fresh),
        per_request=known.get("per_request", 0),
        source=source,
        rates=None if plain else rates,
    )


def _is_plain(price: Price, rates: Rates, usage: Usage) -> bool:
    """Whether it is all text, below every step, so that the rates do not matter."""
    if usage.reasoning and rates.reasoning != price.output:
        return False
    return usage.plain and not (rates.steps and usage.prompt > rates.steps[0].above)


# Functions of their own, since a comprehension would make every variable of the methods slower to read.
def _of(price: Price, usage: Usage) -> Nano | None:
    return _dearest([_cost(_stepped(one, usage.prompt), usage) for one in _billed(price, usage.tier)])


def _worst(price: Price, prompt: int, completion: int, units: Usage) -> Nano | None:
    return _dearest([_most(one, prompt, completion, units) for one in _possible(price, units.tier, prompt)])


def _dearest(costs: Sequence[Nano | None]) -> Nano | None:
    """The greatest that is known."""
    return costs[0] if len(costs) == 1 else max((cost for cost in costs if cost is not None), default=None)


def _billed(price: Price, tier: str) -> Sequence[Price]:
    """The prices one of which holds in a tier; none if nothing is known of it."""
    if tier in STANDARD_TIERS:
        return (price,)
    tiers = price.rates.tiers if price.rates else ()
    for known in tiers:
        if known.name == tier:
            return (known.price,)
    return (price, *(known.price for known in tiers)) if tiers or tier == ANY_TIER else ()


def _possible(price: Price, tier: str, prompt: int) -> Sequence[Price]:
    """The prices that a request may come to: those of its tier and the standard one, at each step it may reach."""
    billed = _billed(price, tier)
    tiers = billed if not billed or billed[0] is price else (price, *billed)
    steps = [step.price for one in tiers if one.rates for step in one.rates.steps if prompt > step.above]
    return (*tiers, *steps) if steps else tiers


def _stepped(price: Price, prompt: int) -> Price:
    """The price that holds for a prompt of this length."""
    for step in price.rates.steps if price.rates else ():
        if prompt > step.above:
            price = step.price
    return price


def _cost(price: Price, usage: Usage) -> Nano | None:
    """What a usage costs at one price, its steps and tiers aside."""
    rates = price.rates
    if rates is None:
        cached = min(usage.cached, usage.prompt)
        tokens = (usage.prompt - cached) * price.input + cached * price.cached + usage.completion * price.output
        return (tokens + 500_000) // 1_000_000 + price.per_request or _nothing(price, usage)
    scaled = _PER_TOKEN * _tokens(price, rates, usage) + (_pieces(rates, usage) if usage.pieces else 0)
    return (scaled + _WHOLE // 2) // _WHOLE + price.per_request or _nothing(price, usage)


def _most(price: Price, prompt: int, completion: int, units: Usage) -> Nano | None:
    """The most that a request can cost at one price, its steps and tiers aside."""
    rates, fresh, output, pieces = price.rates, max(price.input, price.cached), price.output, 0
    if rates is not None:
        fresh = max(fresh, rates.written, rates.written_1h, rates.audio_in, rates.image_in)
        output = max(output, rates.audio_out, rates.image_out, rates.reasoning)
        pieces = _pieces(rates, units) if units.pieces else 0
    scaled = _PER_TOKEN * (prompt * fresh + completion * output) + pieces
    whole = -(-scaled // _WHOLE) + price.per_request
    return whole or _nothing(price, msgspec.structs.replace(units, prompt=prompt, completion=completion))


def _tokens(price: Price, rates: Rates, usage: Usage) -> int:
    """Millionths of a nano-dollar. A token is of one kind: where the kinds are more than there are tokens, fewer were
    cached, since it is told how many were cached and how many were audio, but not how many were both."""
    audio, image = usage.audio_in, usage.image_in
    hour, written, cached = usage.written_1h, usage.written, usage.cached
    text = usage.prompt - audio - image - hour - written - cached
    if text < 0:
        audio, image, hour, written, cached = _fitted(usage.prompt, audio, image, hour, written, cached)
        text = 0
    spoken, drawn, thought = usage.audio_out, usage.image_out, usage.reasoning
    said = usage.completion - spoken - drawn - thought
    if said < 0:
        spoken, drawn, thought = _fitted(usage.completion, spoken, drawn, thought)
        said = 0
    return (
        text * price.input + cached * price.cached + written * rates.written + hour * rates.written_1h
        + audio * rates.audio_in + image * rates.image_in + said * price.output + thought * rates.reasoning
        + spoken * rates.audio_out + drawn * rates.image_out
    )  # fmt: skip


def _fitted(whole: int, *parts: int) -> list[int]:
    """The parts as far as they fit into the whole, the first of them first."""
    fitted: list[int] = []
    for part in parts:
        fitted.append(min(part, whole))
        whole -= fitted[-1]
    return fitted


def _pieces(rates: Rates, usage: Usage) -> int:
    """Nano-dollars times `_WHOLE`."""
    total = 0
    for amount, rate in _sold(rates, usage):
        if rate is not None:
            total += amount * rate
    return total


def _sold(rates: Rates, usage: Usage) -> Sequence[tuple[int, int | None]]:
    """What was used by the piece, in units of which `_WHOLE` cost the rate beside them."""
    return (
        (usage.images * _WHOLE, rates.image),
        (usage.audio_ms * _PER_MS, rates.audio),
        (usage.characters * _PER_TOKEN, rates.characters),
        (usage.pages * _WHOLE, rates.page),
        (usage.searches * _WHOLE, rates.search),
    )


def _nothing(price: Price, usage: Usage) -> Nano | None:
    """The cost of what comes to nothing: 0 if any of it has a price, or nothing was used; else it is not known."""
    rates = price.rates
    if usage.prompt or usage.completion:
        if rates is None or rates.by_token:
            return 0
    elif not usage.pieces:
        return 0
    priced = rates is not None and any(amount and rate is not None for amount, rate in _sold(rates, usage))
    return 0 if priced else None


def parse_usd(amount: str | int | float) -> Nano:
    """Dollars as people write them (`15`, `"0.25"`, `"$1,000"`) to nano-dollars.

    Raises ValueError if it is no amount, is negative, has more than nine decimal places, or is a billion or more.
    """
    text = (f"{amount:.9f}" if isinstance(amount, float) else str(amount))[:_LONGEST]
    plain = _dollars.fullmatch(text.replace("$", "").replace(",", "").replace("_", "").strip())
    if plain is None:
        raise ValueError(f"{text!r} is not an amount of dollars: at most nine digits before the point and nine behind")
    return int(plain[1] or 0) * NANO_PER_USD + int((plain[2] or "").ljust(9, "0"))


def show_usd(nano: Nano) -> str:
    """Nano-dollars as people read them: exact, without trailing zeros, at least two decimals."""
    sign, rest = ("-", -nano) if nano < 0 else ("", nano)
    whole, fraction = divmod(rest, NANO_PER_USD)
    return f"{sign}{whole}.{f'{fraction:09d}'.rstrip('0').ljust(2, '0')}"
