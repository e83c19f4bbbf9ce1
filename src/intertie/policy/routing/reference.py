"""Fixed scales for cost and carbon, so that a utility never depends on which candidates happen to be at hand.

Both are logarithmic, because prices and footprints span orders of magnitude: utility 1 at the low reference, 0 at the
high one. The references are per token and become amounts with the tokens of the request.
"""

from collections.abc import Iterable
from math import ceil, floor, log, log10

import msgspec

from intertie.config.snapshot import Snapshot
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.site import Site

JOULES_PER_KWH = 3_600_000.0
TYPICAL_USE = 0.5
"""The share of an engine's slots that is busy when energy is attributed to one of its requests."""


class Scale(msgspec.Struct, frozen=True, gc=False):
    """The low reference per prompt token and per output token, and ln(high / low)."""

    input: float
    output: float
    span: float

    def low(self, prompt: float, output: float) -> float:
        """The amount for so many tokens that has utility 1."""
        return prompt * self.input + output * self.output


CARBON = Scale(input=1e-7, output=1e-6, span=log(1_000))
"""gCO2 per token: 0.14 J per output token (8B model) on a clean grid, to 10 J (very large model) on a coal grid."""


def cost_scale(snapshot: Snapshot, operation: Operation) -> Scale:
    """The scale of cost in nano-dollars: the 5th and 95th percentile of the snapshot's prices for an operation.

    They are rounded outward to powers of ten, so that one endpoint more or less seldom shifts them and nearly equal
    prices are not torn apart.
    """
    prices = [end.price for end in snapshot.endpoints.values() if end.price and operation in end.operations]
    low_in, high_in = _decades(price.input for price in prices)
    low_out, high_out = _decades(price.output for price in prices)
    return Scale(low_in / 1e6, low_out / 1e6, log(max(high_in / low_in, high_out / low_out)))


def _decades(amounts: Iterable[int]) -> tuple[float, float]:
    positive = sorted(amount for amount in amounts if amount > 0) or [1]
    last = len(positive) - 1
    low = floor(log10(positive[round(0.05 * last)]))
    high = ceil(log10(positive[round(0.95 * last)]))
    return 10.0**low, 10.0 ** max(high, low + 1)


def grams_per_token(endpoint: Endpoint, site: Site) -> tuple[float, float] | None:
    """Grams of CO2 per uncached prompt token and per output token; None where power or grid intensity is unknown.

    Operational carbon = energy x intensity (Software Carbon Intensity, ISO/IEC 21031:2024, without its embodied part);
    energy = power x time, where decoding shares the power among the requests of a half-full batch.
    """
    if endpoint.watts is None or site.gco2_per_kwh is None:
        return None
    speed = endpoint.speed
    grams_per_second = endpoint.watts / JOULES_PER_KWH * site.gco2_per_kwh
    together = max(1.0, speed.slots * TYPICAL_USE)
    return grams_per_second / speed.prefill_tps, grams_per_second / (speed.decode_tps * together)
