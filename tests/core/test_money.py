"""Dollars in and out, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.money import NANO_PER_USD, Price, parse_usd, show_usd
from intertie.core.usage import Usage


@given(st.integers(0, 10**18 - 1))
def test_what_is_shown_reads_back_exactly(nano: int) -> None:
    assert parse_usd(show_usd(nano)) == nano


@pytest.mark.parametrize(("text", "nano"), [("$1,000", 10**12), (15, 15 * 10**9), (0.1, 10**8), (".5", 5 * 10**8)])
def test_amounts_are_read_as_people_write_them(text: str | float, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize("text", ["1e999990", "1e99999999999", "-1", "", ".", "NaN", "0.0000000001", "9" * 10, 1e300])
def test_what_is_no_amount_is_refused_at_once(text: str | float) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_usd(text)


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**12))
def test_the_worst_case_covers_every_actual_cost(prompt: int, cached: int, completion: int, rate: int) -> None:
    price = Price(input=rate, output=3 * rate, cached=rate // 4)
    usage = Usage(prompt, completion, min(prompt, cached))
    assert 0 <= price.of(usage) <= price.worst(prompt, completion)


def test_a_request_is_rounded_once() -> None:
    price = Price(input=37_500_000, output=0, cached=0)
    assert price.of(Usage(1_000_000)) == 37_500_000
    assert price.of(Usage(1)) == 38
    assert NANO_PER_USD == 1_000_000_000
