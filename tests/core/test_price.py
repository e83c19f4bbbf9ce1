"""What a request costs that used more than plain tokens: exact, rounded once, never more than its worst case."""

from fractions import Fraction
from math import floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.money import NANO_PER_USD, Price, Rates, Step, Tier, rated
from intertie.core.usage import NOTHING, Usage

PROMPT_KINDS = {"cached": "cached", "written": "written", "written_1h": "written_1h", "audio_in": "audio_in",
                "image_in": "image_in"}  # fmt: skip
COMPLETION_KINDS = {"audio_out": "audio_out", "image_out": "image_out", "reasoning": "reasoning"}
PIECES = {"images": ("image", 1), "audio_ms": ("audio", 3_600_000), "characters": ("characters", 1_000_000),
          "pages": ("page", 1), "searches": ("search", 1)}  # fmt: skip
RATES = ("input", "output", "cached", "per_request", "written", "written_1h", "audio_in", "image_in", "audio_out",
         "image_out", "reasoning", "image", "audio", "characters", "page", "search")  # fmt: skip
TIERS = ("batch", "flex", "priority")

amounts = st.integers(0, 100 * NANO_PER_USD)
counts = st.integers(0, 300_000)


@st.composite
def rates_known(draw: st.DrawFn) -> dict[str, int]:
    known = draw(st.dictionaries(st.sampled_from(RATES), amounts))
    return known | {name: draw(amounts) for name in ("input", "output")}


@st.composite
def prices(draw: st.DrawFn, depth: int = 2) -> Price:
    """Prices of every kind, with steps and tiers at the first level, steps at the second."""
    steps = [Step(above, draw(prices(0))) for above in draw(st.sets(counts, max_size=2))] if depth else []
    tiers = [Tier(name, draw(prices(1))) for name in draw(st.sets(st.sampled_from(TIERS)))] if depth == 2 else []
    return rated(draw(rates_known()), "drawn", steps, tiers)


@st.composite
def usages(draw: st.DrawFn, tier: bool = True) -> Usage:
    """Usages in which every token is of one kind."""
    values = {name: draw(counts) for name in (*PROMPT_KINDS, *COMPLETION_KINDS, *PIECES)}
    text_in, text_out = draw(counts), draw(counts)
    return Usage(
        prompt=text_in + sum(values[name] for name in PROMPT_KINDS),
        completion=text_out + sum(values[name] for name in COMPLETION_KINDS),
        tier=draw(st.sampled_from(("", "default", *TIERS, "unheard-of"))) if tier else "",
        **values,
    )


def plus(one: Usage, other: Usage) -> Usage:
    """Both usages, in the tier of the first."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in (*PROMPT_KINDS, *COMPLETION_KINDS, *PIECES)}
    return Usage(one.prompt + other.prompt, one.completion + other.completion, tier=one.tier, **sums)


def exact(price: Price, usage: Usage) -> Fraction:
    """The cost at one price, its steps and tiers aside, reckoned kind by kind."""
    rates = msgspec.structs.asdict(price.rates) if price.rates else {}
    total = Fraction(price.per_request)
    text_in, text_out = usage.prompt, usage.completion
    for name, rate in PROMPT_KINDS.items():
        tokens = getattr(usage, name)
        text_in -= tokens
        total += Fraction(tokens * (price.cached if name == "cached" else rates.get(rate, price.input)), 10**6)
    for name, rate in COMPLETION_KINDS.items():
        tokens = getattr(usage, name)
        text_out -= tokens
        total += Fraction(tokens * rates.get(rate, price.output), 10**6)
    for name, (rate, unit) in PIECES.items():
        total += Fraction(getattr(usage, name) * (rates.get(rate) or 0), unit)
    return total + Fraction(text_in * price.input + text_out * price.output, 10**6)


@given(prices(0), usages(tier=False))
def test_every_kind_is_reckoned_and_the_sum_is_rounded_once_half_up(price: Price, usage: Usage) -> None:
    cost = price.of(usage)
    if cost is None:
        assert exact(price, usage) == 0
    else:
        assert type(cost) is int and cost == floor(exact(price, usage) + Fraction(1, 2))


@given(prices(), usages())
def test_the_worst_case_covers_every_usage_within_its_bound(price: Price, usage: Usage) -> None:
    cost, worst = price.of(usage), price.worst(usage.prompt, usage.completion, usage)
    assert type(worst) is type(cost)
    if cost is not None and worst is not None:
        assert 0 <= cost <= worst


@given(prices(), usages(), usages())
def test_who_asks_for_less_than_the_bound_pays_no_more_than_its_worst_case(
    price: Price, less: Usage, by: Usage
) -> None:
    bound, cost = plus(less, by), price.of(less)
    worst = price.worst(bound.prompt, bound.completion, bound)
    assert worst is None or cost is None or cost <= worst
    if cost is not None:
        anywhere = price.worst(bound.prompt, bound.completion, msgspec.structs.replace(bound, tier="auto"))
        assert anywhere is not None and (worst or 0) <= anywhere and cost <= anywhere


@given(prices(0), usages(tier=False), usages(tier=False))
def test_costs_add_up_and_more_never_costs_less(price: Price, one: Usage, other: Usage) -> None:
    price = msgspec.structs.replace(price, per_request=0)
    first, second, both = price.of(one), price.of(other), price.of(plus(one, other))
    assert both is None or abs((first or 0) + (second or 0) - both) <= 1
    assert both is None or both >= max(first or 0, second or 0)


@given(prices(0), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_text_costs_the_same_by_either_way(price: Price, prompt: int, cached: int, completion: int) -> None:
    plain = Price(price.input, price.output, price.cached, price.per_request)
    usage = Usage(prompt, completion, min(prompt, cached))
    assert price.of(usage) == plain.of(usage)


@given(prices(), prices(), usages())
def test_a_price_that_covers_another_has_no_lower_worst_case(one: Price, other: Price, usage: Usage) -> None:
    if one.covers(other):
        mine = one.worst(usage.prompt, usage.completion, usage)
        assert mine is None or mine >= (other.worst(usage.prompt, usage.completion, usage) or 0)
    plain = msgspec.structs.replace(one, rates=None)
    assert one.covers(plain) and one.covers(msgspec.structs.replace(one, source="elsewhere", rates=one.rates))
    worst = one.worst(usage.prompt, usage.completion)
    assert worst is not None and worst >= (plain.worst(usage.prompt, usage.completion) or 0)


TEXT = {"input": 1_000_000_000, "output": 4_000_000_000}
LONG = rated({"input": 2_000_000_000, "output": 6_000_000_000}, "long")
FLEX = rated({"input": 500_000_000, "output": 2_000_000_000}, "flex")
FAST = rated({"input": 3_000_000_000, "output": 9_000_000_000}, "fast")


def test_a_long_prompt_costs_the_step_as_a_whole() -> None:
    price = rated(TEXT, "x", [Step(200_000, LONG)])
    assert price.of(Usage(200_000, 10)) == 200_000_000 + 40_000
    assert price.of(Usage(200_001, 10)) == 400_002_000 + 60_000
    assert price.worst(200_000, 10) == 200_040_000
    assert price.worst(200_001, 10) == 400_062_000


def test_a_step_that_costs_less_does_not_lower_the_worst_case() -> None:
    price = rated(TEXT, "x", [Step(1_000, FLEX)])
    assert price.of(Usage(1_001)) == 500_500
    assert price.worst(2_000, 0) == 2_000_000


def test_the_tier_that_was_returned_is_billed() -> None:
    price = rated(TEXT, "x", [Step(200_000, LONG)], [Tier("flex", FLEX), Tier("fast", FAST)])
    costs = {tier: price.of(Usage(1_000, 0, tier=tier)) for tier in ("", "default", "standard", "on_demand", "flex")}
    assert costs == {"": 10**6, "default": 10**6, "standard": 10**6, "on_demand": 10**6, "flex": 500_000}
    assert price.of(Usage(300_000, tier="flex")) == 150_000_000  # a tier has steps of its own, or none


def test_a_tier_nobody_heard_of_costs_as_the_dearest_or_is_unknown() -> None:
    assert rated(TEXT, "x", (), [Tier("flex", FLEX)]).of(Usage(1_000, tier="scale")) == 1_000_000
    assert rated(TEXT, "x", (), [Tier("flex", FLEX), Tier("fast", FAST)]).of(Usage(1_000, tier="scale")) == 3_000_000
    plain = rated(TEXT, "x")
    assert plain.rates is None
    assert plain.of(Usage(1_000, tier="scale")) is plain.worst(1_000, 0, Usage(tier="scale")) is None


def test_the_worst_case_knows_what_tier_was_asked_for() -> None:
    price = rated(TEXT, "x", (), [Tier("flex", FLEX), Tier("fast", FAST)])
    worst = {tier: price.worst(1_000, 0, Usage(tier=tier)) for tier in ("", "flex", "fast", "auto", "scale")}
    assert worst == {"": 10**6, "flex": 10**6, "fast": 3 * 10**6, "auto": 3 * 10**6, "scale": 3 * 10**6}
    assert rated(TEXT, "x").worst(1_000, 0, Usage(tier="auto")) == 1_000_000


@pytest.mark.parametrize(
    ("rate", "usage", "cost"),
    [
        ({"image": 40_000_000}, Usage(images=3), 120_000_000),
        ({"audio": 360_000_000}, Usage(audio_ms=60_000), 6_000_000),  # $0.006 a minute
        ({"audio": 360_000_000}, Usage(audio_ms=1), 100),
        ({"characters": 15 * NANO_PER_USD}, Usage(characters=7), 105_000),
        ({"page": 1_000_000}, Usage(pages=12), 12_000_000),
        ({"search": 2_000_000}, Usage(searches=1), 2_000_000),
        ({"image": 0}, Usage(images=3), 0),
    ],
)
def test_what_is_sold_by_the_piece_alone(rate: dict[str, int], usage: Usage, cost: int) -> None:
    price = rated(rate, "x")
    assert price.of(usage) == price.worst(0, 0, usage) == price.worst(900, 900, usage) == cost
    assert price.of(Usage(100, 100)) is price.worst(100, 100) is None


def test_what_has_no_rate_is_in_the_price_of_the_tokens_but_not_where_there_are_none() -> None:
    for price in (rated(TEXT, "x"), rated(TEXT | {"page": 1}, "x")):
        assert price.of(Usage(1_000, images=3)) == 1_000_000
        assert price.of(Usage(images=3)) is price.worst(0, 0, Usage(images=3)) is None
        assert price.of(NOTHING) == price.worst(0, 0) == 0
    assert rated(TEXT | {"per_request": 5}, "x").of(Usage(images=3)) == 5
    free = rated({"input": 0, "output": 0}, "x")
    assert free.of(Usage(1_000, 10, images=1)) == free.worst(1_000, 10) == 0


def test_tokens_of_two_kinds_cost_as_the_kind_that_is_not_cached() -> None:
    price = rated(TEXT | {"cached": 100_000_000, "audio_in": 8_000_000_000}, "x")
    assert price.of(Usage(1_000, cached=900, audio_in=100)) == 890_000
    assert price.of(Usage(1_000, cached=900, audio_in=600)) == 4_840_000  # 600 of audio, 400 cached
    assert price.of(Usage(1_000, cached=5_000, audio_in=5_000)) == 8_000_000
    spoken = rated(TEXT | {"audio_out": 8_000_000_000, "reasoning": 1_000_000_000}, "x")
    assert spoken.of(Usage(0, 1_000, audio_out=600, reasoning=600)) == 5_200_000


def test_what_is_not_known_costs_as_plain_tokens_do() -> None:
    assert rated({"input": 7, "output": 9}, "x") == Price(7, 9, 7, source="x")
    assert rated({"input": 7}, "x").output == 7
    rates = rated(TEXT | {"written": 5, "cached": 3}, "x").rates
    assert rates is not None
    assert (rates.written, rates.written_1h, rates.audio_in, rates.reasoning) == (5, 5, TEXT["input"], TEXT["output"])


def test_a_price_survives_the_wire_and_an_older_one_is_read() -> None:
    price = rated(TEXT | {"written": 3, "search": 2}, "x", [Step(9, LONG)], [Tier("flex", FLEX)])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(price), type=Price) == price
    older = {"input": 1, "output": 2, "cached": 3, "per_request": 4, "source": "x"}
    assert msgspec.convert(older, Price) == Price(1, 2, 3, 4, "x")
    assert isinstance(hash(price), int) and isinstance(price.rates, Rates)
