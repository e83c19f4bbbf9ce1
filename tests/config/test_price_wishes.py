"""What may be written under `price:`, and what is refused with its line."""

from pathlib import Path

import pytest

from intertie.config.document import load_document
from intertie.config.price_wishes import PriceWish
from intertie.core.faults import ConfigFaults


def load(tmp_path: Path, price: str) -> PriceWish:
    file = tmp_path / "intertie.yaml"
    file.write_text(f"endpoints:\n- {{id: a, site: s, model: m, url: http://h/v1, price: {price}}}\n")
    [endpoint] = load_document(file, {}).endpoints
    assert endpoint.price is not None
    return endpoint.price


def test_most_say_two_amounts_and_are_done(tmp_path: Path) -> None:
    price = load(tmp_path, "{input: 0.06, output: 0.30}")
    assert (price.input, price.output, price.cached, price.per_request) == (60_000_000, 300_000_000, None, None)


def test_all_that_is_sold_can_be_said(tmp_path: Path) -> None:
    kinds = "cached: 1, written: 2, written_1h: 3, audio_in: 4, image_in: 5, audio_out: 6, image_out: 7, reasoning: 8"
    pieces = "per_image: 0.04, per_audio_hour: 0.36, characters: 15, per_page: 0.001, per_search: 0.01, per_request: 1"
    price = load(tmp_path, f"{{input: 1, output: 2, {kinds}, {pieces}}}")
    names = ("cached", "written", "written_1h", "audio_in", "image_in", "audio_out", "image_out", "reasoning")
    assert [getattr(price, name) for name in names] == [number * 10**9 for number in range(1, 9)]
    assert (price.per_image, price.per_audio_hour, price.characters) == (40_000_000, 360_000_000, 15 * 10**9)
    assert (price.per_page, price.per_search, price.per_request) == (1_000_000, 10_000_000, 10**9)


def test_steps_and_tiers(tmp_path: Path) -> None:
    steps = "steps: [{above: 200k, input: 6, output: 22.5}]"
    tiers = "tiers: {batch: {factor: 0.5}, priority: {input: 5, output: 25, steps: {above: 1M, input: 9, output: 9}}}"
    price = load(tmp_path, f"{{input: 3, output: 15, {steps}, {tiers}}}")
    assert [(step.above, step.input) for step in price.steps] == [(200_000, 6 * 10**9)]
    assert price.tiers["batch"].factor == 500
    assert [step.above for step in price.tiers["priority"].steps] == [1_000_000]


OTHERS = [
    "{per_hour: 2}", "{per_hour: 2, per_request: 1}", "{per_request: 1}", "{input: 0, output: 0}",
    "{per_audio_hour: 0.36, tiers: {batch: {factor: 0.5}}}",
]  # fmt: skip


@pytest.mark.parametrize("price", OTHERS)
def test_other_ways_to_ask(tmp_path: Path, price: str) -> None:
    load(tmp_path, price)


EITHER = "a price is either"
TWO = "input: 1, output: 2"


@pytest.mark.parametrize(
    ("price", "complaint"),
    [
        ("{}", EITHER),
        ("{input: 1}", EITHER),
        ("{cached: 1, per_image: 1}", EITHER),
        ("{output: 1, per_image: 1}", EITHER),
        (f"{{{TWO}, per_hour: 1}}", EITHER),
        ("{per_hour: 1, per_image: 1}", EITHER),
        ("{per_hour: 1, tiers: {batch: {factor: 0.5}}}", EITHER),
        (f"{{{TWO}, per_mile: 1}}", "unknown key 'per_mile' in endpoints[0].price"),
        (f"{{{TWO}, steps: [{{above: 9, input: 1, output: 2, top: 1}}]}}", "unknown key 'top'"),
        (f"{{{TWO}, steps: [{{input: 1, output: 2}}]}}", "endpoints[0].price.steps[0] has no 'above'"),
        (f"{{{TWO}, cached: 1, steps: [{{above: 9, {TWO}}}]}}", "steps[0] has no `cached`, which the price has"),
        (f"{{{TWO}, steps: [{{above: 9, input: 1}}]}}", "steps[0] has no `output`, which the price has"),
        (f"{{{TWO}, steps: [{{above: 9, {TWO}}}, {{above: 9, {TWO}}}]}}", "steps[1] is not above the one before it"),
        ("{per_image: 1, steps: [{above: 9, input: 1}]}", "steps[0] has a price for tokens, the price itself has none"),
        (f"{{{TWO}, tiers: {{turbo: {{factor: 2}}}}}}", "unknown key 'turbo' in endpoints[0].price.tiers"),
        (f"{{{TWO}, tiers: {{flex: {{factor: 0.5, input: 1}}}}}}", "tiers.flex is either a `factor` or amounts"),
        (f"{{{TWO}, tiers: {{flex: {{}}}}}}", "tiers.flex is either a `factor` or amounts"),
        (f"{{{TWO}, tiers: {{flex: {{input: 1}}}}}}", "tiers.flex has no `output`, which the price has"),
        (f"{{{TWO}, tiers: {{flex: {{factor: 1, steps: {{above: 1, {TWO}}}}}}}}}", "takes the price's steps"),
        (
            f"{{{TWO}, tiers: {{flex: {{{TWO}, steps: {{above: 1, input: 1}}}}}}}}",
            "tiers.flex.steps[0] has no `output`",
        ),
        (f"{{{TWO}, tiers: {{flex: {{factor: 0.5001}}}}}}", "expected a factor from 0 to 1000 such as 0.5"),
        (f"{{{TWO}, tiers: {{flex: {{factor: half}}}}}}", "expected a factor from 0 to 1000 such as 0.5"),
        (f"{{{TWO}, tiers: {{flex: {{factor: nan}}}}}}", "expected a factor from 0 to 1000 such as 0.5"),
        (f"{{{TWO}, tiers: {{flex: {{factor: -1}}}}}}", "expected a factor from 0 to 1000 such as 0.5"),
        (f"{{{TWO}, written: -1}}", "expected an amount of dollars"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, price: str, complaint: str) -> None:
    with pytest.raises(ConfigFaults) as caught:
        load(tmp_path, price)
    [fault] = caught.value.faults
    assert fault.line == 2 and complaint in str(fault)
