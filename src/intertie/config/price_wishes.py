"""What a person may write under `price:`. Amounts are nano-dollars, per million tokens or characters, per hour of audio
or each; a factor is in thousandths.

Most say `input` and `output` and are done. What is wrong is refused here, and nothing is guessed: a step or a tier
names every kind of token that the price itself names.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from intertie.config.forms import COUNT, FACTOR, USD
from intertie.config.wish import Wish

ServiceTier = Literal["batch", "fast", "flex", "performance", "priority", "reserved", "scale"]

KINDS = ("cached", "written", "written_1h", "audio_in", "image_in", "audio_out", "image_out", "reasoning")
PIECES = ("per_image", "per_audio_hour", "characters", "per_page", "per_search")


class RatesWish(Wish, frozen=True, kw_only=True):
    """What is asked for tokens of each kind, and for what is sold by the piece."""

    input: Annotated[int | None, USD, "Dollars per million prompt tokens."] = None
    output: Annotated[int | None, USD, "Dollars per million completion tokens."] = None
    cached: Annotated[int | None, USD, "Dollars per million prompt tokens read from cache; else as `input`."] = None
    written: Annotated[int | None, USD, "Dollars per million prompt tokens put into a cache; else as `input`."] = None
    written_1h: Annotated[int | None, USD, "The same, kept for an hour; else as `written`."] = None
    audio_in: Annotated[int | None, USD, "Dollars per million prompt tokens of audio; else as `input`."] = None
    image_in: Annotated[int | None, USD, "Dollars per million prompt tokens of images; else as `input`."] = None
    audio_out: Annotated[int | None, USD, "Dollars per million completion tokens of audio; else as `output`."] = None
    image_out: Annotated[int | None, USD, "Dollars per million completion tokens of images; else as `output`."] = None
    reasoning: Annotated[int | None, USD, "Dollars per million reasoning tokens; else as `output`."] = None
    per_image: Annotated[int | None, USD, "Dollars per image made."] = None
    per_audio_hour: Annotated[int | None, USD, "Dollars per hour of audio; $0.006 a minute is 0.36."] = None
    characters: Annotated[int | None, USD, "Dollars per million characters spoken."] = None
    per_page: Annotated[int | None, USD, "Dollars per page read."] = None
    per_search: Annotated[int | None, USD, "Dollars per search."] = None
    per_request: Annotated[int | None, USD, "Dollars per request, added once."] = None

    def said(self, *names: str) -> list[str]:
        """Those of the names for which an amount was written."""
        return [name for name in names if getattr(self, name) is not None]


class StepWish(RatesWish, frozen=True, kw_only=True):
    """What a request with a longer prompt costs, the whole of it. What is left out of the pieces stays as it is."""

    above: Annotated[int, COUNT, "Prompts of more tokens than this."]


class TierWish(RatesWish, frozen=True, kw_only=True):
    """What a request costs that was served in another tier: a factor, or amounts as in a step."""

    factor: Annotated[
        int | None, FACTOR, "All but `per_request` and `per_search` times this, as 0.5; in place of amounts."
    ] = None
    steps: Annotated[tuple[StepWish, ...], "Where its prices rise with the prompt; a factor takes the price's."] = ()


class PriceWish(RatesWish, frozen=True, kw_only=True):
    """What an endpoint costs: dollars per million tokens or by the piece, or dollars per hour of the machine."""

    per_hour: Annotated[int | None, USD, "Dollars per hour, spread over tokens by speed at 50 % use."] = None
    steps: Annotated[tuple[StepWish, ...], "Where a long prompt makes the whole request dearer."] = ()
    tiers: Annotated[
        dict[ServiceTier, TierWish], "Service tiers that cost something else; the tier returned is billed."
    ] = msgspec.field(default_factory=dict[ServiceTier, TierWish])

    def __post_init__(self) -> None:
        by_token, pieces = self.said("input", "output"), self.said(*PIECES)
        kinds = self.said(*KINDS)
        if self.per_hour is not None:
            sound = not (by_token or kinds or pieces or self.steps or self.tiers)
        else:
            sound = len(by_token) == 2 or (not by_token and not kinds and bool(pieces or self.per_request))
        if not sound:
            raise ValueError(
                "a price is either `input` and `output` (dollars per million tokens), or by the piece, or `per_hour`"
            )
        for problem in self._problems([*by_token, *kinds]):
            raise ValueError(problem)

    def _problems(self, kinds: list[str]) -> Iterator[str]:
        yield from _in_steps("", self.steps, kinds)
        for name, tier in self.tiers.items():
            if (tier.factor is None) == (not tier.said("input", *KINDS, *PIECES, "output", "per_request")):
                yield f"tiers.{name} is either a `factor` or amounts"
            if tier.factor is None:
                yield from _unsaid(f"tiers.{name}", tier, kinds)
                yield from _in_steps(f"tiers.{name}.", tier.steps, kinds)
            elif tier.steps:
                yield f"tiers.{name} takes the price's steps by its factor, or gives amounts"


def _in_steps(where: str, steps: tuple[StepWish, ...], kinds: list[str]) -> Iterator[str]:
    for index, step in enumerate(steps):
        yield from _unsaid(f"{where}steps[{index}]", step, kinds)
        if index and step.above <= steps[index - 1].above:
            yield f"{where}steps[{index}] is not above the one before it"


def _unsaid(where: str, rates: RatesWish, kinds: list[str]) -> Iterator[str]:
    for kind in kinds:
        if not rates.said(kind):
            yield f"{where} has no `{kind}`, which the price has"
    if not kinds and rates.said("input", "output", *KINDS):
        yield f"{where} has a price for tokens, the price itself has none"
