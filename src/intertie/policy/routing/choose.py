"""The choice: which endpoints to try for one request, in which order, and why.

constraints -> estimates -> hot or cold -> score -> a lot among the best -> the rest in order of failover. A fallback of
a route is judged in the same way and stands behind everything else; behind that, what serves the other models that the
call names, in their order. Pure: time and lot are arguments.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter

from intertie.core.money import Nano
from intertie.core.plan import Candidate, Dropped, Plan
from intertie.core.usage import NOTHING, Usage
from intertie.policy.routing.affinity import warm_place
from intertie.policy.routing.choice import Choice, Wants
from intertie.policy.routing.constraints import Drops, dropped_groups, feasible, nothing_left
from intertie.policy.routing.estimate import Estimate, estimate
from intertie.policy.routing.explain import sentences
from intertie.policy.routing.reasons import FALLBACK, LATER_MODEL, Why
from intertie.policy.routing.score import PLACE, QUEUED, behind, judge, relaxed, violations
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Row, Table

HOT_QUANTILE = 0.84
HOT_FLOOR = 0.1
"""Prequal's rule (NSDI '24): hot is a queue above the 0.84 quantile of all, never one under a tenth of the target."""
SESSION_PATIENCE = 0.5
"""The session's endpoint stays cold up to a queue of half the target."""

Later = Sequence[tuple[Why, list[Row]]]
"""Rows that may serve when all before them fail, group by group, and why they stand there."""


def choose(table: Table, states: Mapping[str, EndpointState], choice: Choice, now: float, lot: float) -> Plan:
    """The plan for a request at monotonic time `now`, the first pick drawn by `lot` in [0, 1).

    `states` holds one state per endpoint. Raises NoCandidate if nothing may serve the request now, InvalidRequest if
    nothing ever could.
    """
    plan = rank(table, states, choice, now).draw(lot)
    if choice.want_reasons:
        plan.reasons = sentences(plan)
    return plan


def rank(table: Table, states: Mapping[str, EndpointState], choice: Choice, now: float) -> "Ranking":
    """All that a choice is, but for the lot. Raises as `choose` does."""
    offer = table.offers[choice.operation]
    rows, drops = feasible(table, offer.rows, states, choice, now)
    later = _later(table, states, choice, now, drops) if offer.fallback or choice.others else ()
    if not rows:
        if not later:
            raise nothing_left(table, choice, states, drops, now)
        (_, rows), *later = later
    ranking = _ranked(table, rows, states, choice, now)
    if drops or offer.unable:
        ranking.dropped = dropped_groups(offer.unable, drops) + ranking.dropped
    if later:
        ranking.later = tuple([(why, _ranked(table, more, states, choice, now)) for why, more in later])
    return ranking


def _later(table: Table, states: Mapping[str, EndpointState], choice: Choice, now: float, drops: Drops) -> Later:
    """What may serve as fallback and of other models that the call names, each endpoint where it comes first.

    `drops` grows.
    """
    operation, later = choice.operation, list[tuple[Why, list[Row]]]()
    seen = {row.id for row in table.offers[operation].rows}
    groups = [(FALLBACK, table.offers[operation].fallback)]
    for other in choice.others:
        offer = other.offers[operation]
        groups += [(LATER_MODEL, offer.rows), (LATER_MODEL, offer.fallback)]
    for why, rows in groups:
        fresh = [row for row in rows if row.id not in seen]
        seen.update(row.id for row in fresh)
        kept, dropped = feasible(table, fresh, states, choice, now)
        drops += dropped
        if kept:
            later.append((why, kept))
    return later


def worst_cost(table: Table, choice: Choice, prompt: int, choices: int, units: Usage = NOTHING) -> Nano | None:
    """The most the request can cost at any endpoint it may be sent to; None if none of them has a known price.

    `prompt` is the most tokens that the prompt can have, `choices` how many answers are asked for, `units` the most of
    what is no text (see `core.call`); one endpoint at which that has no price makes the whole unknown. Looks at
    permission only, not at health or place: a hold must cover whatever the plan will turn out to be, and so the other
    models that the call names.
    """
    permitted, limit = choice.wants.permitted, choice.max_output
    prices = table.offers[choice.operation].dearest
    for other in choice.others:
        prices += other.offers[choice.operation].dearest
    worst = None
    for dear in prices:
        if permitted is None or dear.model in permitted:
            cost = dear.price.worst(prompt, choices * (dear.max_output if limit is None else limit), units)
            if cost is None:
                return None
            if worst is None or cost > worst:
                worst = cost
    return worst


class Ranking:
    """Candidates, judged, and who may be drawn: `near` are within the tolerance of the best, as likely as their `room`.
    What stands behind all of them is `later`, the first of it first, each with its reason.

    A plan depends on the lot only through its first pick, so each is made once; they are shared, and nobody edits them.
    """

    __slots__ = ("_best", "_candidates", "_near", "_plans", "_ranks", "_room", "_total", "_wants", "dropped", "later")

    def __init__(
        self, wants: Wants, candidates: Sequence[Candidate], ranks: Sequence[int], near: Sequence[tuple[int, int]]
    ) -> None:
        self._wants, self._candidates, self._ranks = wants, candidates, ranks
        self._best = min(ranks)
        self._near, self._room = [index for index, _ in near], [room for _, room in near]
        self._total = sum(self._room)
        self._plans: dict[int, Plan] = {}
        self.dropped = _behind(candidates, ranks, self._best) if max(ranks) > self._best else ()
        self.later: tuple[tuple[Why, Ranking], ...] = ()

    def draw(self, lot: float) -> Plan:
        """The plan whose first pick the lot in [0, 1) falls on."""
        mark, pick, room = lot * self._total, 0, self._room
        while mark >= room[pick] and pick < len(room) - 1:
            mark -= room[pick]
            pick += 1
        return self._plans.get(pick) or self._plan(pick, lot)

    def _plan(self, pick: int, lot: float) -> Plan:
        order = _order(self._candidates, self._ranks, self._near[pick])
        plan = Plan(
            order=tuple([candidate.endpoint for candidate in order]),
            objective=self._wants.objective,
            weights=self._wants.weights,
            candidates=tuple(order),
            dropped=self.dropped,
            relaxed=relaxed(self._best) if self._best else (),
            probability=self._room[pick] / self._total,
        )
        for why, ranking in self.later:
            more = ranking.draw(lot).candidates
            names = tuple([candidate.endpoint for candidate in more])
            plan.order += names
            plan.candidates += more
            plan.dropped += (Dropped(names, why.reason, why.code),)
        placement = self._wants.placement
        if placement is not None and not placement.fallbacks:
            plan.order = plan.order[:1]
        self._plans[pick] = plan
        return plan


def _ranked(
    table: Table, rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, now: float
) -> Ranking:
    """The rows, which may all serve, in ranks: the sum of what is broken, which decides before the score."""
    warm = warm_place(rows, states, choice.session, choice.affinity, choice.prompt_tokens)
    estimates = estimate(rows, states, choice, warm, now)
    candidates, scores = judge(estimates, choice, table.offers[choice.operation].cost, warm)
    ranks = violations(estimates, choice)
    for index in _hot(estimates, choice.wants.slo_s, warm.endpoint):
        ranks[index] += QUEUED
    placement = choice.wants.placement
    if placement is not None and placement.order:
        ranks = [rank + PLACE * placement.place(row) for rank, row in zip(ranks, rows, strict=True)]
    best, worst = min(ranks), max(ranks)
    eligible = scores if best == worst else [s if rank == best else -1.0 for s, rank in zip(scores, ranks, strict=True)]
    return Ranking(choice.wants, candidates, ranks, _near(eligible, estimates, table.tolerance))


def _hot(estimates: Sequence[Estimate], slo_s: float, session: str) -> list[int]:
    """The rows with queues so long, beside those of the others, that the score is not asked about them.

    The longest of unequal queues is above the quantile and the shortest is not, so a cold row always remains.
    """
    waits = [wait for _, _, _, wait, _, _ in estimates]
    floor = HOT_FLOOR * slo_s
    if max(waits) <= floor:
        return []
    ordered = sorted(waits)
    position = HOT_QUANTILE * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    limit = max(floor, ordered[low] + (position - low) * (ordered[high] - ordered[low]))
    patience = max(limit, SESSION_PATIENCE * slo_s)
    return [
        index
        for index, (row, _, _, wait, _, _) in enumerate(estimates)
        if wait > (patience if row.id == session else limit)
    ]


def _near(scores: Sequence[float], estimates: Sequence[Estimate], tolerance: float) -> list[tuple[int, int]]:
    """Those within the tolerance of the highest score, each with its free slots, counting at least one."""
    least = max(scores) - tolerance
    return [
        (index, max(1, estimates[index][0].slots - estimates[index][1]))
        for index, score in enumerate(scores)
        if score >= least
    ]


def _order(candidates: Sequence[Candidate], ranks: Sequence[int], first: int) -> list[Candidate]:
    """The first pick, then the others: by rank, those at another site first, by score. Scores are at most 1."""
    site = candidates[first].site
    keys = [2.0 - one.score if one.site == site else -one.score for one in candidates]
    if any(ranks):
        keys = [4.0 * rank + key for rank, key in zip(ranks, keys, strict=True)]
    keys[first] = -2.0
    return [candidates[index] for index in sorted(range(len(keys)), key=keys.__getitem__)]


def _behind(candidates: Sequence[Candidate], ranks: Sequence[int], best: int) -> tuple[Dropped, ...]:
    """Those that were not considered for the first pick although they may serve, by what stands against them.

    The best rank comes first, and each place in an order that was asked for is a group of its own.
    """
    groups: dict[tuple[int, Why], list[str]] = {}
    for rank, candidate in sorted(zip(ranks, candidates, strict=True), key=itemgetter(0)):
        if rank > best:
            groups.setdefault((rank // PLACE, behind(rank, best)), []).append(candidate.endpoint)
    return tuple(Dropped(tuple(endpoints), why.reason, why.code) for (_, why), endpoints in groups.items())
