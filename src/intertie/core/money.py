"""Money as a whole number of nano-dollars (1 USD = 1,000,000,000), and the price of tokens.

A price is kept per million tokens so that $0.0375 per million is exact (37,500,000 nano-dollars) although one token
costs a fraction of a nano-dollar; a request is rounded once, half up. Unknown is not zero: no price is `None`.
"""

import re
from typing import TypeAlias

import msgspec

from intertie.core.usage import Usage

Nano: TypeAlias = int

NANO_PER_USD = 1_000_000_000
_MILLION = 1_000_000
_LONGEST = 64
_dollars = re.compile(r"(?=\.?[0-9])([0-9]{0,9})(?:\.([0-9]{0,9}))?")


class Price(msgspec.Struct, frozen=True, gc=False):
    """Nano-dollars per million tokens, by kind of token, and where the figures come from.

    `cached` is the price of input read from the engine's prefix cache; `per_request` is added once, in nano-dollars.
    `source` names the row the figures were read from, so that a bill can be traced.
    """

    input: int
    output: int
    cached: int
    per_request: int = 0
    source: str = ""

    def of(self, usage: Usage) -> Nano:
        """The cost of one request, rounded half up to a nano-dollar."""
        fresh = usage.prompt - usage.cached
        scaled = fresh * self.input + usage.cached * self.cached + usage.completion * self.output
        return (scaled + _MILLION // 2) // _MILLION + self.per_request

    def worst(self, prompt: int, completion: int) -> Nano:
        """The most that so many tokens can cost: nothing cached, every output token produced, rounded up."""
        dearest = self.input if self.input >= self.cached else self.cached
        return -(-(prompt * dearest + completion * self.output) // _MILLION) + self.per_request


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
