"""Counters: cheap to add to, summed over the living and the dead, bounded in number."""

from timeit import repeat

import msgspec
import pytest

from intertie.adapters.telemetry.counters import (
    DURATION_BOUNDS,
    MAX_SERIES,
    OTHER,
    TTFT_BOUNDS,
    Meters,
    Series,
    SeriesLabels,
    Totals,
    merge_series,
    unpack,
)
from intertie.core.faults import BudgetExhausted
from intertie.core.record import Settled
from intertie.core.usage import Usage


def settled(**changes: object) -> Settled:
    """A served stream: 100 tokens in, 20 of them cached, 50 out; 120 ms to the first token."""
    row = Settled(
        1, 0.0, "served", 200, "qwen-fra", "fra", "qwen3", Usage(100, 50, 20), 1_500, "file", (), 0.12, 1.5, 0.1, 2
    )
    row.stream = True
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def _sum(totals: Totals) -> Series:
    whole = Series.empty()
    for series in merge_series([reading.series for reading in totals.readings()], MAX_SERIES).values():
        whole.add(series)
    return whole


def test_a_request_is_counted_under_its_labels_with_tokens_cost_and_times() -> None:
    meters = Meters("worker-0")
    meters.ended("chat", "chat", "interns", settled())
    reading = unpack(meters.snapshot())
    ((labels, series),) = reading.series
    assert labels == SeriesLabels("chat", "qwen-fra", "interns", "chat", "served", 2)
    assert (series.requests, series.streams, series.retries) == (1, 1, 1)
    assert (series.input_tokens, series.cached_tokens, series.output_tokens, series.cost_nano) == (100, 20, 50, 1_500)
    assert series.duration[DURATION_BOUNDS.index(2.56)] == 1 and series.duration_sum == 1.5
    assert series.ttft[TTFT_BOUNDS.index(0.25)] == 1 and series.ttft_sum == 0.12
    assert reading.process == "worker-0" and reading.rss_bytes > 1_000_000 and reading.cpu_s > 0


MORE = Usage(100, 50, 20, reasoning=30, written=9, audio_in=8, images=2, audio_ms=1_500)


def test_what_few_requests_use_is_counted_where_there_is_any() -> None:
    totals = Totals()
    for worker in ("w0", "w1"):
        meters = Meters(worker)
        meters.ended("chat", "chat", "", settled())
        assert unpack(meters.snapshot()).series[0][1].more == {}
        meters.ended("chat", "chat", "", settled(usage=MORE))
        meters.ended("chat", "chat", "", settled(usage=MORE))
        totals.merge(worker, meters.snapshot())
    totals.gone("w0")
    heir = Totals(totals.keep())
    expected = {"reasoning": 120, "written": 36, "audio_in": 32, "images": 8, "audio_ms": 6_000}
    assert _sum(totals).more == _sum(heir).more == expected
    assert _sum(heir).input_tokens == 600


def test_a_reading_from_before_is_still_read() -> None:
    meters = Meters("worker-0")
    meters.ended("chat", "chat", "", settled())
    told = msgspec.msgpack.decode(meters.snapshot())
    assert told[1][0][1].pop() == {}
    ((_, series),) = unpack(msgspec.msgpack.encode(told)).series
    assert (series.input_tokens, series.more) == (100, {})


def test_an_unknown_price_counts_no_money_and_a_fault_counts_by_its_code() -> None:
    meters = Meters("worker-0")
    meters.ended("chat", "chat", "", settled(cost_nano=None, fault="upstream_cut", outcome="cut", ttft_s=0.0))
    reading = unpack(meters.snapshot())
    assert reading.faults == {"upstream_cut": 1}
    assert reading.series[0][1].cost_nano == 0 and sum(reading.series[0][1].ttft) == 0


def test_a_refusal_is_counted_by_code_and_as_a_request() -> None:
    meters = Meters("worker-0")
    meters.refused("chat", "chat", BudgetExhausted("spent"), 0.001)
    reading = unpack(meters.snapshot())
    assert reading.refusals == {"budget_exhausted": 1}
    assert reading.series[0][0] == SeriesLabels("chat", "", "", "chat", "refused", 4)


def test_label_sets_are_bounded_and_nothing_is_lost_over_the_bound() -> None:
    meters = Meters("worker-0")
    for number in range(2 * MAX_SERIES):
        meters.ended(f"model-{number}", "chat", "", settled())
    series = dict(unpack(meters.snapshot()).series)
    assert len(series) == MAX_SERIES + 1
    other = SeriesLabels(OTHER, OTHER, OTHER, "chat", "served", 2)
    assert series[other].requests == MAX_SERIES


def test_totals_add_workers_and_never_go_back_when_one_dies() -> None:
    totals = Totals()
    first, second = Meters("worker-0"), Meters("worker-1")
    for number, meters in enumerate((first, second)):
        for _ in range(10):
            meters.ended("chat", "chat", "", settled())
        totals.merge(f"w{number}", meters.snapshot())
    assert _sum(totals).requests == 20
    totals.gone("w0")
    totals.gone("w0")
    assert _sum(totals).requests == 20
    heir = Meters("worker-0")
    heir.ended("chat", "chat", "", settled())
    totals.merge("w2", heir.snapshot())
    totals.merge("w2", heir.snapshot())
    assert _sum(totals).requests == 21
    totals.gone("w2")
    assert _sum(totals).requests == 21
    assert len(totals.readings()) == 2, "one living worker, and one row for all the dead of the slot"


def test_totals_outlive_the_control_process_and_only_the_heard_have_gauges() -> None:
    totals = Totals()
    for worker in ("w0", "w1"):
        meters = Meters(worker)
        meters.ended("chat", "chat", "", settled())
        meters.gauges.in_flight = 5
        totals.merge(worker, meters.snapshot())
    totals.gone("w0")
    heir = Totals(totals.keep())
    assert heir.workers == {"w1"}
    assert _sum(heir).requests == 2 and _sum(heir).cost_nano == 3_000
    assert [reading.gauges.in_flight for reading in heir.readings()] == [0, 0]
    heir.merge("w1", meters.snapshot())
    assert _sum(heir).requests == 2, "who is heard again is not counted twice"
    heir.gone("w1")
    assert _sum(Totals(heir.keep())).requests == 2


def test_kept_bytes_that_are_something_else_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        Totals(b"nonsense")


def test_counting_a_request_costs_about_a_microsecond() -> None:
    meters, row, times = Meters("worker-0"), settled(), 5_000
    per_call = min(repeat(lambda: meters.ended("chat", "chat", "interns", row), number=times, repeat=10)) / times
    assert per_call < 6e-6, f"{per_call * 1e6:.2f} µs"  # 1.1 µs where nobody else runs; the bound leaves room for CI
