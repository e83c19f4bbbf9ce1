"""The way from this gateway to a site: the round trip to expect before one was measured, and how good the path is."""

from intertie.catalog.distance import rtt_estimate_ms
from intertie.core.site import Site, Tier

TIER_RTT_S: dict[Tier, float] = {"edge": 0.010, "regional": 0.025, "central": 0.060, "provider": 0.080}

JITTER_MS = 50.0
LOSS = 0.02
TIER_DISTANCE: dict[Tier, float] = {"edge": 0.0, "regional": 0.1, "central": 0.2, "provider": 0.3}
FOREIGN = 0.2
"""A path is worth nothing at 50 ms of jitter or 2 % of loss; a farther tier or another jurisdiction takes a share."""


def rtt_prior(site: Site, here: Site | None) -> float:
    """Seconds for a round trip: as declared, else from the distance, else what is usual for the tier."""
    if site.rtt_ms is not None:
        return site.rtt_ms / 1_000
    if here is not None and here.at is not None and site.at is not None:
        return rtt_estimate_ms(here.at, site.at) / 1_000
    return TIER_RTT_S[site.tier]


def quality(site: Site, here: Site | None) -> float:
    """Utility of the path in [0, 1] without its round trip, which the time to first token already holds."""
    foreign = bool(here and here.jurisdiction and not set(here.jurisdiction) & set(site.jurisdiction))
    want = site.jitter_ms / JITTER_MS + site.loss / LOSS + TIER_DISTANCE[site.tier] + FOREIGN * foreign
    return 1.0 - min(1.0, want)
