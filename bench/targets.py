"""The numbers to hold, and whether they were held: met, missed, or not measured; nothing in between."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.lines import Line


@dataclass(frozen=True)
class Verdict:
    """One target: what, the limit, what was measured (None: was not), in a unit."""

    what: str
    limit: float | None
    figure: float | None
    unit: str

    @property
    def word(self) -> str:
        """met, missed, or not measured."""
        if self.figure is None or self.limit is None:
            return "not measured"
        return "met" if self.figure <= self.limit else "missed"


def judge(lines: Sequence[Line]) -> list[Verdict]:
    """The gateway's figures against its targets, and against the routers written in Rust, of the same run."""
    found = {(each.system, each.case): each for each in lines}

    def figure(case: str, name: str, system: str = "intertie") -> float | None:
        one = found.get((system, case))
        value: float | None = getattr(one, name) if one is not None else None
        return value

    request, stream = "nonstream_1k", "stream_200"

    def not_above(what: str, case: str, rival: str) -> Verdict:
        return Verdict(f"{what}, beside {rival}", figure(case, "cpu_us", rival), figure(case, "cpu_us"), "µs")

    return [
        Verdict("CPU per request", 3.0, figure(request, "ratio_to_nginx"), "× nginx"),
        Verdict("CPU per request, at the very most", 4.0, figure(request, "ratio_to_nginx"), "× nginx"),
        not_above("CPU per request", request, "sglang-router"),
        not_above("CPU per request", request, "vllm-router"),
        Verdict("CPU per streamed chunk", 1.6, figure(stream, "ratio_to_nginx"), "× nginx"),
        not_above("CPU per streamed chunk", stream, "sglang-router"),
        not_above("CPU per streamed chunk", stream, "vllm-router"),
        *(
            Verdict(
                f"CPU per {what}, translated",
                2.0,
                _ratio(figure(translated, "cpu_us"), figure(same, "cpu_us")),
                "× same dialect",
            )
            for what, translated, same in (
                ("request", "messages_1k", request),
                ("streamed chunk", "messages_200", stream),
            )
        ),
        Verdict("added p50, one connection", 200.0, figure(request, "added_p50_us"), "µs"),
        Verdict("added p99, one connection", 1000.0, figure(request, "added_p99_us"), "µs"),
        Verdict("memory of a worker after load", 60.0, figure(request, "rss_mb"), "MB"),
    ]


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
