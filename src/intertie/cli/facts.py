"""`intertie models` and `intertie groups`: what the configuration amounts to, and what it has been used for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import uvloop

from intertie.cli.books import budget_told
from intertie.cli.prices import price_told, token_columns
from intertie.cli.screen import Json, emit, out, show_table
from intertie.cli.stored import Gateway, On, compiled, opened
from intertie.config.settings import Settings
from intertie.config.snapshot import Snapshot
from intertie.config.wishes import Document, GroupWish
from intertie.control.budgets import BudgetState, budget_states
from intertie.core.clock import SystemClock
from intertie.core.endpoint import Endpoint
from intertie.core.principal import Meter, StoredKey
from intertie.store.stored_keys import all_keys

_PRICES = ("endpoint", "site", "$/M in", "$/M out", "$/M cached", "price from", "context")
_SHORT = {"requests": "requests/min", "tokens": "tokens/min", "concurrent": "at once"}


def models(*, json: Json = False, on: On = None) -> int:
    """What callers may ask for: models with their endpoints, sites and prices, and the routes over them.

    Parameters
    ----------
    json
        Print one JSON object: `models`, `routes`. Prices are dollars per million tokens; unknown is null, not zero.
    """
    settings, document = (on or Gateway()).configured()
    snapshot = compiled(document, settings, SystemClock.wall())
    served: dict[str, list[Endpoint]] = {}
    for endpoint in snapshot.endpoints.values():
        served.setdefault(endpoint.model, []).append(endpoint)
    if json:
        emit({"models": [_model_told(*each) for each in served.items()], "routes": list(snapshot.routes.values())})
    else:
        _show_models(served, snapshot)
    return 0


def groups(*, json: Json = False, on: On = None) -> int:
    """The groups: what they may use, their limits and budgets, what of these is spent, and how many keys they have.

    Parameters
    ----------
    json
        Print one JSON object: `groups`, and `keys_without_group`, the number of good keys by a group that is gone.
    """
    settings, document = (on or Gateway()).configured()
    now = SystemClock.wall()
    snapshot = compiled(document, settings, now)
    stored, budgets = uvloop.run(_books(settings, snapshot, now))
    keys = _good_keys(document, stored, now)
    told = [_group_told(wish, snapshot.meters.values(), budgets, keys[wish.name]) for wish in document.groups]
    lost = {
        name: number for name, number in keys.items() if name and name not in {wish.name for wish in document.groups}
    }
    if json:
        emit({"groups": told, "keys_without_group": lost})
    else:
        _show_groups(told, lost)
    return 0


async def _books(
    settings: Settings, snapshot: Snapshot, now: float
) -> tuple[Sequence[StoredKey], Sequence[BudgetState]]:
    async with opened(settings) as database:
        async with database.read() as connection:
            stored = await all_keys(connection)
        return stored, await budget_states(database, snapshot.meters.values(), now)


def _good_keys(document: Document, stored: Iterable[StoredKey], now: float) -> Counter[str]:
    """How many keys each group has, of the file and of the database, that are neither revoked nor expired."""
    good = [key.group for key in stored if key.revoked is None and (key.expires is None or key.expires > now)]
    return Counter(good + [key.group for key in document.keys if key.expires is None or key.expires > now])


def _group_told(wish: GroupWish, meters: Iterable[Meter], budgets: Iterable[BudgetState], keys: int) -> dict[str, Any]:
    owner = f"group {wish.name}"
    return {
        "name": wish.name,
        "models": wish.models,
        "objective": wish.objective,
        "residency": wish.residency,
        "keys": keys,
        "limits": [
            {"meter": meter.id, "kind": meter.kind, "cap": meter.cap, "model": meter.model}
            for meter in meters
            if meter.owner == owner and meter.kind != "usd"
        ],
        "budgets": [budget_told(state) for state in budgets if state.meter.owner == owner],
    }


def _show_groups(told: Sequence[Mapping[str, Any]], lost: Mapping[str, int]) -> None:
    if not told:
        out().print("The configuration declares no groups.")
    rows = [
        (
            group["name"],
            "all" if group["models"] is None else ", ".join(group["models"]) or "none",
            group["keys"],
            "; ".join(map(_limit_words, group["limits"])) or "-",
            "; ".join(map(_budget_words, group["budgets"])) or "-",
        )
        for group in told
    ]
    if rows:
        show_table("Groups", ("group", "models", "keys", "limits", "spent in this period"), rows)
    for name, number in lost.items():
        out().print(f"warning: {number} of the keys are of group {name!r}, which is gone: they may use nothing")


def _limit_words(limit: Mapping[str, Any]) -> str:
    only = f" of {limit['model']}" if limit["model"] else ""
    return f"{limit['cap']:,} {_SHORT[limit['kind']]}{only}"


def _budget_words(budget: Mapping[str, Any]) -> str:
    only = f" on {budget['model']}" if budget["model"] else ""
    per = "in total" if budget["period"] == "total" else f"per {budget['period']}"
    return f"${budget['settled_usd']} of ${budget['cap_usd']} {per}{only}"


def _model_told(name: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    return {
        "name": name,
        "context": max(endpoint.context for endpoint in endpoints),
        "simulated": all(endpoint.simulated for endpoint in endpoints),
        "endpoints": [_endpoint_told(endpoint) for endpoint in endpoints],
    }


def _endpoint_told(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "endpoint": endpoint.id,
        "site": endpoint.site,
        "operations": endpoint.operations,
        **price_told(endpoint.price),
        "context": endpoint.context,
        "simulated": endpoint.simulated,
    }


def _show_models(served: Mapping[str, Sequence[Endpoint]], snapshot: Snapshot) -> None:
    for name, endpoints in served.items():
        show_table(name, _PRICES, [_price_row(endpoint) for endpoint in endpoints])
        out().print("")
    for route in snapshot.routes.values():
        after = f", and when all fail {', '.join(route.fallback)}" if route.fallback else ""
        objective = route.objective or snapshot.default_objective
        words = f"{route.name} → {', '.join(route.candidates)}{after} (objective {objective})"
        out().print(f"[bold]route[/] {words}")
    if not served:
        out().print("The configuration declares no endpoints.")


def _price_row(endpoint: Endpoint) -> tuple[object, ...]:
    price = endpoint.price
    note = [price.source if price else "-", *(["simulated"] if endpoint.simulated else [])]
    return (endpoint.id, endpoint.site, *token_columns(price), ", ".join(note), f"{endpoint.context:,}")
