"""The metrics page, and that the dashboard and the alert rules ask for nothing that is not on it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from intertie.adapters.telemetry.counters import Meters, Totals
from intertie.adapters.telemetry.prometheus import BudgetLeft, MetricsPage
from intertie.core.faults import RateLimited
from intertie.core.record import Settled
from intertie.core.usage import Usage

_ROOT = Path(__file__).parents[3]
_DASHBOARD = _ROOT / "deploy/grafana/intertie.json"
_RULES = _ROOT / "deploy/prometheus/intertie.rules.yaml"


def _row(endpoint: str) -> Settled:
    usage = Usage(100, 50, 20)
    return Settled(
        1, 0.0, "served", 200, endpoint, "fra", "q", usage, 2_500_000_000, "file", (), 0.12, 1.5, 0.1, 2, stream=True
    )


@pytest.fixture
def page() -> str:
    totals = Totals()
    for number in range(2):
        meters = Meters(f"worker-{number}")
        meters.ended("chat", "chat", "interns", _row("qwen-fra"))
        meters.ended("chat", "chat", "staff", _row("qwen-fra"))
        meters.refused("chat", "chat", RateLimited("slow down"), 0.001)
        meters.gauges.in_flight, meters.gauges.queued = 3, {"qwen-fra": 2}
        meters.journal_bytes = 1_000
        totals.merge(f"w{number}", meters.snapshot())
    _, body = MetricsPage(totals, lambda: [BudgetLeft("interns-usd", "group interns", 12_340_000_000)]).render()
    return body.decode()


def _samples(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(page)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_the_page_sums_the_workers_in_base_units(page: str) -> None:
    samples = _samples(page)
    where = (("endpoint", "qwen-fra"), ("model", "chat"))
    assert samples["intertie_tokens_total", (*where, ("type", "input"))] == 400
    assert samples["intertie_tokens_total", (*where, ("type", "cached"))] == 80
    assert samples["intertie_tokens_total", (*where, ("type", "output"))] == 200
    assert samples["intertie_cost_usd_total", (where[0], ("group", "interns"), where[1])] == 5.0
    assert samples["intertie_retries_total", where] == 4
    assert samples["intertie_refusals_total", (("code", "rate_limit_exceeded"),)] == 2
    assert samples["intertie_requests_in_flight", ()] == 6
    assert samples["intertie_queue_depth", (("endpoint", "qwen-fra"),)] == 4
    assert samples["intertie_budget_remaining_usd", (("meter", "interns-usd"), ("owner", "group interns"))] == 12.34
    assert samples["intertie_process_resident_memory_bytes", (("process", "worker-1"),)] > 1e6
    assert samples["intertie_process_cpu_seconds_total", (("process", "control"),)] > 0


def test_tokens_are_told_by_kind_and_pieces_by_unit() -> None:
    usage = Usage(
        100, 50, 20, reasoning=1, written=2, written_1h=3, audio_in=4, audio_out=5, image_in=6, image_out=7, images=8,
        audio_ms=1_500, characters=9, pages=10, searches=11,
    )  # fmt: skip
    totals, meters = Totals(), Meters("worker-0")
    row = _row("qwen-fra")
    row.usage = usage
    meters.ended("chat", "chat", "interns", row)
    totals.merge("w0", meters.snapshot())
    samples = _samples(MetricsPage(totals, list).render()[1].decode())
    types = {
        dict(labels)["type"]: value for (name, labels), value in samples.items() if name == "intertie_tokens_total"
    }
    units = {dict(labels)["unit"]: value for (name, labels), value in samples.items() if name == "intertie_units_total"}
    assert types == {
        "input": 100, "cached": 20, "output": 50, "reasoning": 1, "cache_write": 2, "cache_write_1h": 3,
        "input_audio": 4, "output_audio": 5, "input_image": 6, "output_image": 7,
    }  # fmt: skip
    assert units == {"images": 8, "audio_seconds": 1.5, "characters": 9, "pages": 10, "searches": 11}


def test_histograms_are_cumulative_and_their_count_is_that_of_the_requests(page: str) -> None:
    samples = _samples(page)
    where = {"endpoint": "qwen-fra", "model": "chat"}

    def ttft(le: str) -> float:
        return samples["intertie_time_to_first_token_seconds_bucket", tuple(sorted({**where, "le": le}.items()))]

    assert (ttft("0.1"), ttft("0.25"), ttft("+Inf")) == (0, 4, 4)
    labels = tuple(sorted({**where, "operation": "chat"}.items()))
    assert samples["intertie_request_duration_seconds_count", labels] == 4
    assert samples["intertie_request_duration_seconds_sum", labels] == 6.0


def test_the_page_can_be_read_as_openmetrics_and_before_any_request() -> None:
    content_type, body = MetricsPage(Totals(), list).render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")


def _asked(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"\bintertie_\w+", text)}


def test_dashboard_and_alerts_ask_only_for_metrics_that_exist(page: str) -> None:
    there = {name for name, _ in _samples(page)}
    # A family without a sample yet (no fault has happened) still has its line of type.
    there |= {
        name if name.endswith("_total") else f"{name}_total" for name in re.findall(r"# TYPE (\w+) counter", page)
    }
    dashboard = json.loads(_DASHBOARD.read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [variable["query"] for variable in dashboard["templating"]["list"]]
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    alerts = [rule["expr"] for group in groups for rule in group["rules"]]
    assert _asked(panels) and _asked(alerts)
    assert _asked(panels + variables + alerts) <= there


def test_every_metric_is_on_the_dashboard(page: str) -> None:
    families = set(re.findall(r"# TYPE (\w+) \w+", page)) - {"intertie_build_info"}
    asked = {re.sub("_bucket$", "", name) for name in _asked([_DASHBOARD.read_text()])}
    assert families <= asked
