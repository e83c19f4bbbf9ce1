"""A site: where endpoints stand, and what the place means for latency, law and carbon."""

from typing import Literal

import msgspec

Tier = Literal["edge", "regional", "central", "provider"]


class Site(msgspec.Struct, frozen=True):
    """A place.

    `at` is latitude and longitude in degrees; `jurisdiction` the legal zones it lies in (`("EU", "DE")`); `rtt_ms` the
    round trip from this gateway when it is declared (else estimated from the distance, then measured); `jitter_ms` and
    `loss` (share of packets) the declared quality of the path; `gco2_per_kwh` the grid's intensity there.
    """

    id: str
    tier: Tier = "central"
    at: tuple[float, float] | None = None
    jurisdiction: tuple[str, ...] = ()
    carrier: str = ""
    zone: str = ""
    gco2_per_kwh: float | None = None
    rtt_ms: float | None = None
    jitter_ms: float = 0.0
    loss: float = 0.0
    power_kw: float | None = None
