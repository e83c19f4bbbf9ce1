"""What a replay saw, counted as it goes and summed up at the end."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import msgspec

from intertie.core.money import NANO_PER_USD, parse_usd
from intertie.sim.caller import Reply
from intertie.sim.percentile import percentiles

REFUSED = 429
UNKNOWN_SITE = "unknown"
_SHARES = (0.5, 0.9, 0.99)


class _Tokens(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Error(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None


class _Told(msgspec.Struct):
    usage: _Tokens | None = None
    error: _Error | None = None


_told = msgspec.json.Decoder(_Told).decode


class Waits(msgspec.Struct, frozen=True):
    """Percentiles of the time to first token in milliseconds, from the moment each request was due."""

    p50: float
    p90: float
    p99: float


class ObjectiveReport(msgspec.Struct, frozen=True):
    """The requests of one objective. `attainment` is the share of all of them, unanswered ones included, whose first
    token came within `target_ms`; None where there is no target.
    """

    requests: int
    answered: int
    ttft_ms: Waits
    target_ms: float | None
    attainment: float | None


class SiteReport(msgspec.Struct):
    """What was answered at one site. `cost_usd` is None where it is not known: the answers did not tell it (a stream's
    head leaves before its cost is known), nor the books.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


class Report(msgspec.Struct, frozen=True):
    """A replay in figures. `refusals` (429) and `errors` count by code; `late_ms_p99` is how late requests left."""

    trace: str
    speed: float
    duration_s: float
    requests: int
    answered: int
    refusals: dict[str, int]
    errors: dict[str, int]
    ttft_ms: Waits
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    late_ms_p99: float
    objectives: dict[str, ObjectiveReport]
    sites: dict[str, SiteReport]


class Tally:
    """Counts requests as they end. `waits` are the seconds to the first token, by objective."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.waits: defaultdict[str, list[float]] = defaultdict(list)
        self.refusals: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.sites: defaultdict[str, SiteReport] = defaultdict(SiteReport)
        self.costs: defaultdict[str, list[int]] = defaultdict(list)
        self.late: list[float] = []
        self.duration_s = 0.0

    @property
    def answered(self) -> int:
        """Requests that were answered whole."""
        return sum(len(waits) for waits in self.waits.values())

    @property
    def ended(self) -> int:
        """Requests that ended, one way or another."""
        return self.answered + self.refusals.total() + self.errors.total()

    def add(self, objective: str, reply: Reply) -> None:
        """Count the end of one request."""
        told = _read(reply)
        code = _cause(reply, told)
        if code:
            (self.refusals if reply.status == REFUSED else self.errors)[code] += 1
            return
        self.waits[objective].append(reply.first - reply.due)
        name = reply.header("x-intertie-site") or UNKNOWN_SITE
        site = self.sites[name]
        site.requests += 1
        if told.usage is not None:
            site.prompt_tokens += told.usage.prompt_tokens
            site.completion_tokens += told.usage.completion_tokens
        cost = reply.header("x-intertie-cost-usd")
        if cost:
            self.costs[name].append(parse_usd(cost))

    def price(self, costs: Mapping[str, int]) -> None:
        """Take the cost of each site from the books, in nano-dollars."""
        for name, cost in costs.items():
            self.sites[name].cost_usd = cost / NANO_PER_USD

    def report(self, trace: str, speed: float, targets: Mapping[str, float]) -> Report:
        """Sum up; `targets` are milliseconds to the first token, by objective."""
        for name, site in self.sites.items():
            if site.cost_usd is None and len(self.costs[name]) == site.requests:
                site.cost_usd = sum(self.costs[name]) / NANO_PER_USD
        costs = [site.cost_usd for site in self.sites.values()]
        known = [cost for cost in costs if cost is not None]
        return Report(
            trace=trace,
            speed=speed,
            duration_s=round(self.duration_s, 3),
            requests=self.sent.total(),
            answered=self.answered,
            refusals=dict(self.refusals),
            errors=dict(self.errors),
            ttft_ms=_waits([wait for waits in self.waits.values() for wait in waits]),
            prompt_tokens=sum(site.prompt_tokens for site in self.sites.values()),
            completion_tokens=sum(site.completion_tokens for site in self.sites.values()),
            cost_usd=sum(known) if known and len(known) == len(costs) else None,
            late_ms_p99=round(percentiles(self.late, (0.99,))[0] * 1000, 1),
            objectives={name: self._objective(name, targets.get(name)) for name in self.sent},
            sites=dict(sorted(self.sites.items())),
        )

    def _objective(self, name: str, target_ms: float | None) -> ObjectiveReport:
        waits, sent = self.waits[name], self.sent[name]
        kept = None if target_ms is None else sum(wait * 1000 <= target_ms for wait in waits)
        share = None if kept is None else round(kept / sent, 4)
        return ObjectiveReport(sent, len(waits), _waits(waits), target_ms, share)


def _waits(seconds: list[float]) -> Waits:
    return Waits(*(round(value * 1000, 1) for value in percentiles(seconds, _SHARES)))


def _cause(reply: Reply, told: _Told) -> str:
    """Why a request was not answered whole: the error's code, or what happened; empty if it was."""
    if reply.fault:
        return f"connection_{reply.fault}"
    if told.error is not None:
        return str(told.error.code or told.error.type or "error")
    if reply.status != 200:
        return f"http_{reply.status}"
    return "truncated" if reply.truncated else ""


def _read(reply: Reply) -> _Told:
    """What an answer told of usage and error: a body of JSON, or the last events of a stream."""
    if not reply.streamed:
        return _decoded(reply.tail)
    found = _Told()
    for event in reversed(reply.tail.split(b"\n\n")[1 if reply.size > len(reply.tail) else 0 :]):
        one = _decoded(event.partition(b"data:")[2])
        found = _Told(found.usage or one.usage, found.error or one.error)
        if found.usage or found.error:
            break
    return found


def _decoded(text: bytes) -> _Told:
    try:
        return _told(text)
    except msgspec.DecodeError:  # [DONE], a comment, or a body whose beginning is not in the tail
        return _Told()
