"""A small world to choose in: endpoints at sites whose facts a test names, and what it does not name is alike."""

from intertie.config.snapshot import Snapshot
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.money import NANO_PER_USD, Price
from intertie.core.plan import Plan, Weights
from intertie.core.site import Site
from intertie.policy.routing.choice import Choice, Wants
from intertie.policy.routing.choose import choose
from intertie.policy.routing.state import EndpointState, live_states
from intertie.policy.routing.table import Table, build_table

NOW = 1_000.0
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
    """Dollars per million tokens, cached input at a quarter."""
    nano = int(dollars_in * NANO_PER_USD)
    return Price(nano, int(dollars_out * NANO_PER_USD), nano // 4, source="test")


CHEAP = price(0.1, 0.3)


def site(name: str, **facts) -> Site:
    return Site(name, **{"tier": "regional", "rtt_ms": 20.0, "gco2_per_kwh": 300.0, "jurisdiction": ("EU",), **facts})


def endpoint(name: str, at: str, **facts) -> Endpoint:
    model = facts.pop("model", "m")
    return Endpoint(name, at, model, model, **{"origin": ORIGIN, "price": CHEAP, "watts": 700.0, **facts})


def snapshot(sites, endpoints, **facts) -> Snapshot:
    """Without a tolerance band unless a test asks for one, so that the pick is the best and not a lot."""
    by_id = {"sites": {one.id: one for one in sites}, "endpoints": {one.id: one for one in endpoints}}
    return Snapshot(version=1, **{"tolerance": 0.0, "pepper": b"pepper", **by_id, **facts})


def pair(one=None, other=None, **facts) -> Snapshot:
    """Endpoints `one` and `other` at sites of the same names; each takes facts of a site and of an endpoint alike."""
    sites, endpoints = [], []
    for name, own in (("one", one or {}), ("other", other or {})):
        of_site = {key: own[key] for key in own if key in Site.__struct_fields__}
        sites.append(site(name, **of_site))
        endpoints.append(endpoint(name, name, **{key: own[key] for key in own if key not in of_site}))
    return snapshot(sites, endpoints, **facts)


def eight_places(**facts) -> Snapshot:
    """Eight endpoints of one model in eight places, seen from Frankfurt."""
    sites = [Site(name, "regional", at, zones, gco2_per_kwh=grid) for name, (at, zones, grid) in PLACES.items()]
    endpoints = [
        endpoint(f"m-{name}", name, price=price(0.05 * (1 + index), 0.2 * (1 + index)))
        for index, name in enumerate(PLACES)
    ]
    return snapshot(sites, endpoints, **{"here": "fra", "tolerance": 0.03, **facts})


def world(known: Snapshot, name: str = "m") -> tuple[Table, dict[str, EndpointState]]:
    return build_table(known, name), live_states(known, {})


def asking(**facts) -> Choice:
    of_wants = {name: facts.pop(name) for name in Wants.__struct_fields__ if name in facts}
    wants = Wants(**{"objective": "test", "weights": EVEN, "slo_s": 2.0, **of_wants})
    return Choice(**{"operation": "chat", "prompt_tokens": 400, "wants": wants, **facts})


def only(axis: str) -> Weights:
    return Weights(**{axis: 1.0})


def plan_for(known: Snapshot, lot: float = 0.0, **facts) -> Plan:
    """The plan for a fresh world in which nothing was measured yet."""
    table, states = world(known)
    return choose(table, states, asking(**facts), NOW, lot)
