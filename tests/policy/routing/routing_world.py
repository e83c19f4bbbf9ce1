"""A small world to choose in: endpoints at sites whose facts a test names, and what it does not name is alike."""

from intertie.config.snapshot import BreakerPolicy, Snapshot
from intertie.core.endpoint import Endpoint, Origin, Speed
from intertie.core.money import Price
from intertie.core.plan import Weights
from intertie.core.site import Site
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.state import EndpointState, live_states
from intertie.policy.routing.table import Table, build_table

NOW = 1_000.0
USD = 1_000_000_000
ORIGIN = Origin("http", "127.0.0.1", 8000, "/v1")
EVEN = Weights(ttft=0.3, cost=0.25, affinity=0.15, capacity=0.15, proximity=0.05, carbon=0.1)
PLACES = {
    "fra": ((50.11, 8.68), ("EU", "DE"), 350.0),
    "par": ((48.86, 2.35), ("EU", "FR"), 50.0),
    "ash": ((39.04, -77.49), ("US",), 380.0),
    "sfo": ((37.77, -122.42), ("US",), 220.0),
    "sin": ((1.35, 103.82), ("SG",), 470.0),
    "osl": ((59.91, 10.75), ("NO",), 28.0),
    "gru": ((-23.55, -46.63), ("BR",), 95.0),
    "syd": ((-33.87, 151.21), ("AU",), 550.0),
}


def price(dollars_in: float, dollars_out: float) -> Price:
    return Price(int(dollars_in * USD), int(dollars_out * USD), int(dollars_in * USD / 4), source="test")


CHEAP = price(0.1, 0.3)


def endpoint(name: str, site: str, *, model: str = "m", dollars: Price | None = CHEAP, **facts: object) -> Endpoint:
    return Endpoint(name, site, model, model, ORIGIN, **{"price": dollars, "watts": 700.0, **facts})


def eight_places() -> Snapshot:
    """Eight endpoints of one model in eight places, seen from Frankfurt."""
    sites = {name: Site(name, "regional", at, zones, gco2_per_kwh=grid) for name, (at, zones, grid) in PLACES.items()}
    endpoints = {
        f"m-{site}": endpoint(f"m-{site}", site, dollars=price(0.05 * (1 + index), 0.2 * (1 + index)))
        for index, site in enumerate(PLACES)
    }
    return Snapshot(version=1, sites=sites, endpoints=endpoints, here="fra", pepper=b"pepper")


def world(snapshot: Snapshot, name: str = "m") -> tuple[Table, dict[str, EndpointState]]:
    return build_table(snapshot, name), live_states(snapshot, {})


def asking(**facts: object) -> Choice:
    return Choice(
        **{"operation": "chat", "prompt_tokens": 400, "objective": "t", "weights": EVEN, "slo_s": 2.0, **facts}
    )


def weights(**axes: float) -> Weights:
    return Weights(**axes)


PATIENT = BreakerPolicy(failures=1_000_000)
SPEED = Speed()
