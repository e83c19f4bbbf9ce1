"""The way from this gateway to a site: the round trip to expect before one was measured, and how good the path is."""

from math import asin, cos, radians, sin, sqrt

from intertie.core.site import Site, Tier

EARTH_KM = 6_371.0
NEAR_S = 0.0005
FIXED_S = 0.003
PER_KM_S = 0.000_02
"""Round trip = 3 ms + 0.02 ms/km: light in fibre (0.01 ms/km there and back) on a route twice the distance. It meets
the medians of WonderNetwork's pings between 242 cities: 3.8 ms below 100 km, 48 ms at 1-3 Mm, 118 ms at 3-8 Mm."""

TIER_RTT_S: dict[Tier, float] = {"edge": 0.010, "regional": 0.025, "central": 0.060, "provider": 0.080}

JITTER_MS = 50.0
LOSS = 0.02
TIER_DISTANCE: dict[Tier, float] = {"edge": 0.0, "regional": 0.1, "central": 0.2, "provider": 0.3}
FOREIGN = 0.2
"""A path is worth nothing at 50 ms of jitter or 2 % of loss; a farther tier or another jurisdiction takes a share."""


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great circle between two places given in degrees of latitude and longitude (haversine), in kilometres."""
    (lat1, lon1), (lat2, lon2) = one, other
    across = sin(radians(lat2 - lat1) / 2) ** 2
    along = cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, across + along)))


def rtt_prior(site: Site, here: Site | None) -> float:
    """Seconds for a round trip: as declared, else from the distance, else what is usual for the tier."""
    if site.rtt_ms is not None:
        return site.rtt_ms / 1_000
    if here is not None and here.id == site.id:
        return NEAR_S
    if here is not None and here.at is not None and site.at is not None:
        return FIXED_S + PER_KM_S * distance_km(here.at, site.at)
    return TIER_RTT_S[site.tier]


def quality(site: Site, here: Site | None) -> float:
    """Utility of the path in [0, 1] without its round trip, which the time to first token already holds."""
    foreign = bool(here and here.jurisdiction and not set(here.jurisdiction) & set(site.jurisdiction))
    want = site.jitter_ms / JITTER_MS + site.loss / LOSS + TIER_DISTANCE[site.tier] + FOREIGN * foreign
    return 1.0 - min(1.0, want)
