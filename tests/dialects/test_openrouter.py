"""OpenRouter's routing preferences as our own; what cannot be kept is refused by name."""

import json
from typing import Any

import msgspec
import pytest

from intertie.core.call import Ask, MaxPrice
from intertie.core.faults import InvalidRequest
from intertie.dialects.openrouter import asked, said


def fields(body: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(json.dumps(body).encode(), type=dict[str, msgspec.Raw])


def ask(provider: object = None, models: object = None, mine: Ask | None = None, model: str = "") -> Ask:
    body = {"provider": provider, "models": models}
    return asked(fields({name: value for name, value in body.items() if value is not None}), mine or Ask(), model)


def test_only_an_object_or_a_list_is_openrouters_way() -> None:
    assert said(fields({"provider": {}}))
    assert said(fields({"models": []}))
    assert not said(fields({"provider": "somebody's own field", "models": "m", "model": "m"}))


def test_names_are_wanted_refused_and_ordered() -> None:
    found = ask({"order": ["groq", "together"], "only": ["groq", "together", "x"], "ignore": ["y"]})
    assert (found.order, found.only, found.ignore, found.fallbacks) == (
        ("groq", "together"), ("groq", "together", "x"), ("y",), True,
    )  # fmt: skip


def test_without_fallbacks_an_order_is_all_there_is() -> None:
    found = ask({"order": ["groq", "together"], "allow_fallbacks": False})
    assert (found.only, found.order, found.fallbacks) == (("groq", "together"), ("groq", "together"), True)
    assert ask({"order": ["a", "b"], "only": ["b", "c"], "allow_fallbacks": False}).only == ("b",)
    assert ask({"allow_fallbacks": False}).fallbacks is False


def test_an_order_that_leaves_nothing_is_refused_and_does_not_become_anything() -> None:
    with pytest.raises(InvalidRequest, match="leaves nothing") as caught:
        ask({"order": ["a"], "only": ["b"], "allow_fallbacks": False})
    assert caught.value.param == "provider.only"


@pytest.mark.parametrize("provider", [{"data_collection": "deny"}, {"zdr": True}])
def test_who_must_not_collect_must_keep_nothing(provider: dict[str, Any]) -> None:
    assert ask(provider).no_retention
    assert not ask({"data_collection": "allow", "zdr": False}).no_retention


def test_sorting_puts_all_weight_on_one_axis() -> None:
    for sort, axis in (("price", "cost"), ("latency", "ttft"), ({"by": "price", "partition": "model"}, "cost")):
        weights = ask({"sort": sort}).weights
        assert weights is not None
        assert {name for name, weight in weights.items() if weight} == {axis}
        assert len(weights) == 6


def test_prices_and_latency_keep_their_units() -> None:
    found = ask({"max_price": {"prompt": 0.5, "completion": "1.25"}, "preferred_max_latency": 1.5})
    assert found.max_price == MaxPrice(prompt="0.500000000", completion="1.25")
    assert found.slo_ttft_ms == 1_500


def test_all_parameters_may_be_required() -> None:
    assert ask({"require_parameters": True}).strict
    assert not ask({"require_parameters": False}).strict


def test_fallback_models_are_each_tried_once_and_never_instead_of_themselves() -> None:
    assert ask(models=["a", "b", "a", "c"], model="a").models == ("b", "c")


def test_our_own_way_of_asking_weighs_more() -> None:
    mine = Ask(only=("mine",), slo_ttft_ms=100.0)
    found = ask({"only": ["theirs"], "ignore": ["x"], "preferred_max_latency": 9}, mine=mine)
    assert (found.only, found.ignore, found.slo_ttft_ms) == (("mine",), ("x",), 100.0)


@pytest.mark.parametrize(
    ("provider", "param"),
    [
        ({"quantizations": ["fp8"]}, "provider.quantizations"),
        ({"preferred_min_throughput": 50}, "provider.preferred_min_throughput"),
        ({"enforce_distillable_text": True}, "provider.enforce_distillable_text"),
        ({"sort": "throughput"}, "provider.sort"),
        ({"sort": {"by": "price", "partition": "none"}}, "provider.sort.partition"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": "1e999"}}, "provider.max_price.prompt"),
        ({"max_price": {"image": 1}}, "provider.max_price"),
        ({"only": "groq"}, "provider.only"),
        ({"only": ["x" * 257]}, "provider.only[0]"),
        ({"only": ["x"] * 65}, "provider.only"),
        ({"only": [""]}, "provider.only[0]"),
        ({"data_collection": "maybe"}, "provider.data_collection"),
        ({"preferred_max_latency": 0}, "provider.preferred_max_latency"),
        ({"preferred_max_latency": {"p90": 1}}, "provider.preferred_max_latency"),
        ({"experimental": 1}, "provider"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(provider: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(provider)
    assert caught.value.status == 400
    assert caught.value.param == param


def test_what_is_not_asked_for_is_not_refused() -> None:
    assert ask({"quantizations": [], "enforce_distillable_text": False, "preferred_min_throughput": None}) == Ask()
    assert ask({}, []) == Ask()


def test_the_list_of_models_is_bounded() -> None:
    with pytest.raises(InvalidRequest):
        ask(models=["m"] * 17)
    with pytest.raises(InvalidRequest):
        ask(models=[1])
