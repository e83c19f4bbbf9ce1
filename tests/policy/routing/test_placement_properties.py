"""What holds of every choice, whatever is asked: nothing that is excluded is ever in a plan, and what may serve is."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from routing_world import NOW, endpoint, price, site, snapshot

from intertie.config.snapshot import Route, Snapshot
from intertie.core.call import NO_ASK, Ask, Call, MaxPrice
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest, NoCandidate
from intertie.core.plan import Objective, Plan, Weights, unpack
from intertie.core.principal import Principal
from intertie.policy.routing.choice import resolve, wants_of
from intertie.policy.routing.choose import choose
from intertie.policy.routing.placement import placement_of
from intertie.policy.routing.replay import replay
from intertie.policy.routing.state import live_states
from intertie.policy.routing.table import build_table

SITES = ("s0", "s1", "s2")
PROVIDERS = ("Groq", "openai", "")
MODELS = ("m", "n", "o")
SOMEONE = Principal("k", "key")
WORDS = st.sampled_from((*(f"e{index}" for index in range(6)), "E1", *SITES, "S2", "groq", "OPENAI", "nobody"))
LISTS = st.lists(WORDS, max_size=4).map(tuple)
CAPS = st.none() | st.sampled_from(("0", "0.5", "1", "5", "100"))


@dataclass
class World:
    known: Snapshot
    busy: dict[str, int]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    ends = [
        endpoint(
            f"e{index}",
            draw(st.sampled_from(SITES)),
            model=draw(st.sampled_from(MODELS)),
            names=(draw(st.sampled_from(PROVIDERS)),),
            retains=draw(st.booleans()),
            price=draw(st.none() | st.builds(price, st.sampled_from((0, 0.5, 1, 7)), st.sampled_from((0, 1, 9)))),
        )
        for index in range(draw(st.integers(1, 6)))
    ]
    places = [site(name, rtt_ms=draw(st.floats(1, 2_000))) for name in SITES]
    models = tuple(sorted({end.model for end in ends}))
    split = draw(st.integers(0, len(models)))
    routes = {"r": Route("r", models[:split], fallback=models[split:])}
    return World(
        snapshot(places, ends, routes=routes, tolerance=draw(st.sampled_from((0.0, 0.2)))),
        {end.id: draw(st.sampled_from((0, 0, 5, 60))) for end in ends},
    )


ASKS = st.builds(
    Ask,
    only=LISTS,
    ignore=LISTS,
    order=LISTS,
    models=st.lists(st.sampled_from((*MODELS, "r")), max_size=3).map(tuple),
    fallbacks=st.booleans(),
    no_retention=st.booleans(),
    max_price=st.none() | st.builds(MaxPrice, prompt=CAPS, completion=CAPS, request=CAPS),
    slo_ttft_ms=st.none() | st.floats(1, 3_000),
    weights=st.none() | st.just({"cost": 1.0}),
)


def names(end: Endpoint) -> set[str]:
    return {name.casefold() for name in (end.id, end.site, *end.names)}


def folded(words: tuple[str, ...]) -> set[str]:
    return {word.casefold() for word in words}


def excluded(end: Endpoint, ask: Ask) -> bool:
    """The same said anew, so that it is not its own judge."""
    caps = ask.max_price or MaxPrice()
    limits = [(caps.prompt, "input"), (caps.completion, "output"), (caps.request, "per_request")]
    capped = [(float(cap) * 1e9, part) for cap, part in limits if cap is not None]
    return bool(
        (ask.only and not folded(ask.only) & names(end))
        or folded(ask.ignore) & names(end)
        or (ask.no_retention and end.retains)
        or (capped and end.price is None)
        or any(end.price is not None and getattr(end.price, part) > cap for cap, part in capped)
    )


def models_behind(known: Snapshot, name: str) -> tuple[str, ...]:
    route = known.routes.get(name)
    return (*route.candidates, *route.fallback) if route else (name,)


def planned(world: World, ask: Ask, name: str, lot: float) -> Plan | None:
    known = world.known
    public = [
        one for one in (*MODELS, "r") if any(end.model in models_behind(known, one) for end in known.endpoints.values())
    ]
    tables = {one: build_table(known, one) for one in public}
    states = live_states(known, {})
    for end, count in world.busy.items():
        for _ in range(count):
            states[end].dispatched(NOW - 1, 100, 0.1)
    call = Call("chat", name, b"{}", prompt_tokens=400, ask=ask)
    try:
        choice = resolve(known, tables, SOMEONE, call, wants_of(tables[name], SOMEONE, NO_ASK, False), 0.0)
        return choose(tables[name], states, choice, NOW, lot)
    except (InvalidRequest, NoCandidate):
        return None


def offered(world: World, ask: Ask, name: str) -> list[str]:
    """The names a call may ask for, the first of them its model."""
    known = world.known
    there = {end.model for end in known.endpoints.values()} | {"r"}
    return [one for one in dict.fromkeys((name, *ask.models)) if one in there]


@given(world=worlds(), ask=ASKS, name=st.sampled_from((*MODELS, "r")), lot=st.floats(0, 1, exclude_max=True))
def test_a_plan_names_exactly_what_is_asked_for_and_not_excluded(world: World, ask: Ask, name: str, lot: float) -> None:
    known = world.known
    public = offered(world, ask, name)
    if name not in public:
        return
    ask = Ask(**{field: getattr(ask, field) for field in Ask.__struct_fields__} | {"models": tuple(public[1:])})
    wanted = {model for one in public for model in models_behind(known, one)}
    allowed = {end.id for end in known.endpoints.values() if end.model in wanted and not excluded(end, ask)}
    plan = planned(world, ask, name, lot)
    told = {one.endpoint for one in plan.candidates} if plan else set[str]()
    assert told == allowed
    if plan is None:
        return
    assert len(plan.candidates) == len(told)
    assert plan.order == tuple(one.endpoint for one in plan.candidates)[: None if ask.fallbacks else 1]
    own = {end.id for end in known.endpoints.values() if end.model in models_behind(known, name)}
    stays = [one.endpoint in own for one in plan.candidates]
    assert stays == sorted(stays, reverse=True)


@given(world=worlds(), ask=ASKS, lot=st.floats(0, 1, exclude_max=True))
def test_an_order_is_kept_whatever_else_holds(world: World, ask: Ask, lot: float) -> None:
    """Asked for one model, so that there is one order to keep."""
    ask = Ask(only=ask.only, ignore=ask.ignore, order=ask.order, slo_ttft_ms=ask.slo_ttft_ms, weights=ask.weights)
    model = next(iter(world.known.endpoints.values())).model
    plan = planned(world, ask, model, lot)
    if plan is None:
        return
    words = list(dict.fromkeys(word.casefold() for word in ask.order))
    places = [
        next((index for index, word in enumerate(words) if word in names(world.known.endpoints[end])), len(words))
        for end in plan.order
    ]
    assert places == sorted(places)


@given(
    world=worlds(),
    ask=ASKS,
    again=ASKS,
    objective=st.none() | st.builds(Objective, st.just("x"), st.just(Weights(ttft=1.0)), st.floats(1, 3_000)),
)
def test_a_plan_replayed_names_nothing_that_is_excluded_anew(
    world: World, ask: Ask, again: Ask, objective: Objective | None
) -> None:
    model = next(iter(world.known.endpoints.values())).model
    plan = planned(world, Ask(order=ask.order, slo_ttft_ms=ask.slo_ttft_ms), model, 0.5)
    placement = placement_of(again, model)
    if plan is None or placement is None:
        return
    rows = {row.id: row for row in build_table(world.known, model).offers["chat"].rows}
    allowed = {end for end in plan.order if not excluded(world.known.endpoints[end], again)}
    try:
        then = replay(unpack(plan.packed), objective or {}, placement, rows)
    except InvalidRequest:
        assert not allowed
        return
    assert {one.endpoint for one in then.candidates} == allowed
    assert then.order == tuple(one.endpoint for one in then.candidates)[: None if again.fallbacks else 1]
    assert {end for group in then.dropped for end in group.endpoints} >= set(plan.order) - allowed
