"""A price as the configuration says it, and what requests then cost."""

from pathlib import Path

import pytest

from intertie.config.document import load_document
from intertie.control.prices import price_as_said
from intertie.core.endpoint import Speed
from intertie.core.money import Price
from intertie.core.usage import Usage


def price(tmp_path: Path, said: str) -> Price:
    file = tmp_path / "intertie.yaml"
    file.write_text(f"endpoints:\n- {{id: a, site: s, model: m, url: http://h/v1, price: {said}}}\n")
    [endpoint] = load_document(file, {}).endpoints
    assert endpoint.price is not None
    return price_as_said(endpoint.price, Speed())


def test_the_simple_form_stays_a_plain_price(tmp_path: Path) -> None:
    assert price(tmp_path, "{input: 1, output: 2}") == Price(10**9, 2 * 10**9, 10**9, 0, "configuration")
    full = price(tmp_path, "{input: 1, output: 2, cached: 0.1, per_request: 0.5}")
    assert full == Price(10**9, 2 * 10**9, 10**8, 5 * 10**8, "configuration")


def test_an_hourly_price_may_add_a_fee(tmp_path: Path) -> None:
    made = price(tmp_path, "{per_hour: 2, per_request: 0.001}")
    assert made.rates is None and made.per_request == 1_000_000 and made.input > 0


@pytest.mark.parametrize(
    ("said", "usage", "dollars"),
    [
        ("{input: 1, output: 2, written: 4}", Usage(1_000_000, written=500_000, written_1h=250_000), 3.25),
        ("{input: 1, output: 2, written: 4, written_1h: 8}", Usage(1_000_000, written_1h=500_000), 4.5),
        ("{input: 1, output: 2, audio_in: 9, image_in: 5}", Usage(1_000_000, audio_in=10**5, image_in=10**5), 2.2),
        ("{input: 1, output: 2, audio_out: 9}", Usage(0, 1_000_000, audio_out=500_000, reasoning=100_000), 5.5),
        ("{input: 1, output: 2, image_out: 9, reasoning: 1}", Usage(0, 10**6, image_out=10**5, reasoning=10**5), 2.6),
        ("{per_image: 0.04}", Usage(images=2), 0.08),
        ("{per_audio_hour: 0.36}", Usage(audio_ms=600_000), 0.06),
        ("{characters: 15}", Usage(characters=100_000), 1.5),
        ("{per_page: 0.001, per_request: 1}", Usage(pages=10), 1.01),
        ("{input: 1, output: 2, per_search: 0.01}", Usage(10**6, searches=5), 1.05),
        ("{per_request: 0.25}", Usage(100, 100), 0.25),
    ],
)
def test_each_amount_is_asked_for_its_unit(tmp_path: Path, said: str, usage: Usage, dollars: float) -> None:
    assert price(tmp_path, said).of(usage) == round(dollars * 10**9)


STEPS = "steps: [{above: 200k, input: 6, output: 22.5, written: 7}]"
TIERS = "tiers: {batch: {factor: 0.5}, flex: {input: 1, output: 2, written: 3, per_search: 0.5}}"
WHOLE = f"{{input: 3, output: 15, written: 4, per_search: 0.01, per_image: 1, per_request: 2, {STEPS}, {TIERS}}}"


def test_a_step_prices_the_whole_request_and_leaves_the_pieces(tmp_path: Path) -> None:
    made = price(tmp_path, WHOLE)
    assert made.of(Usage(200_000, searches=1)) == 600_000_000 + 10_000_000 + 2 * 10**9
    assert made.of(Usage(300_000, 0, written=100_000, searches=1)) == 1_900_000_000 + 10_000_000 + 2 * 10**9


def test_a_factor_leaves_searches_and_the_fee_alone(tmp_path: Path) -> None:
    made = price(tmp_path, WHOLE)
    small, large = Usage(100_000, images=1, searches=1, tier="batch"), Usage(300_000, images=1, tier="batch")
    assert made.of(small) == 150_000_000 + 500_000_000 + 10_000_000 + 2 * 10**9
    assert made.of(large) == 900_000_000 + 500_000_000 + 2 * 10**9


def test_a_tier_with_amounts_has_its_own(tmp_path: Path) -> None:
    made = price(tmp_path, WHOLE)
    usage = Usage(300_000, written=100_000, images=1, searches=1, tier="flex")
    assert made.of(usage) == 500_000_000 + 10**9 + 500_000_000 + 2 * 10**9


def test_a_factor_is_rounded_up(tmp_path: Path) -> None:
    made = price(tmp_path, "{input: 0.000000001, output: 1, tiers: {flex: {factor: 0.001}}}")
    assert made.rates is not None and made.rates.tiers[0].price.input == 1
