"""Recent choices: a question that is asked again within milliseconds is not judged anew; only the lot is drawn again.

Two requests ask the same if they want and may have the same, are about as long, and likely find their prefix cached at
the same place. Under load most do, and judging costs many times what drawing costs. What is kept is never older than
`FRESH_S` and never used more than `MOST_USES` times, so the choice lags its own dispatches by at most that many, spread
by lot; at less than a few hundred requests a second every request is judged by itself. Any failure makes it forget.
"""

from collections.abc import Mapping

from intertie.core.plan import Plan
from intertie.policy.routing.affinity import likely_owner
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.choose import Ranking, choose, rank
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Table

FRESH_S = 0.005
MOST_USES = 16
_MOST_QUESTIONS = 1_024
_MOST_OWNERS = 16_384
_SIZE_BITS = 4
"""Prompts are about as long if their lengths agree in the highest four bits: within one part in eight."""

Question = tuple[object, ...]


class _Known:
    __slots__ = ("ranking", "until", "uses")

    def __init__(self, ranking: Ranking, until: float) -> None:
        self.ranking, self.until, self.uses = ranking, until, MOST_USES - 1


class Recent:
    """What one worker lately found. To be forgotten with the snapshot that it was found under."""

    __slots__ = ("_known", "_owners")

    def __init__(self) -> None:
        self._known: dict[Question, _Known] = {}
        self._owners: dict[tuple[str, bytes], str] = {}

    def choose(self, table: Table, states: Mapping[str, EndpointState], choice: Choice, now: float, lot: float) -> Plan:
        """As `choose.choose`; whoever wants to know the reasons gets a choice of its own."""
        if choice.want_reasons:
            return choose(table, states, choice, now, lot)
        question = self._question(table, choice)
        known = self._known.get(question)
        if known is not None and known.uses and now < known.until:
            known.uses -= 1
            return known.ranking.draw(lot)
        ranking = rank(table, states, choice, now)
        plan = ranking.draw(lot)
        if _lasts(plan, states):
            self._keep(question, _Known(ranking, now + FRESH_S))
        return plan

    def forget(self) -> None:
        """Something happened that changes what may serve."""
        self._known.clear()

    def _keep(self, question: Question, known: "_Known") -> None:
        if len(self._known) >= _MOST_QUESTIONS:
            self._known.clear()
        self._known[question] = known

    def _question(self, table: Table, choice: Choice) -> Question:
        size = choice.prompt_tokens
        bits = size.bit_length() - _SIZE_BITS
        return (
            table.name, choice.operation, choice.session or self._owner(table, choice),
            bits, size >> bits if bits > 0 else size, choice.max_output, choice.wants,
        )  # fmt: skip

    def _owner(self, table: Table, choice: Choice) -> str:
        digest = choice.affinity
        if not digest:
            return ""
        owner = self._owners.get((table.name, digest))
        if owner is None:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            owner = self._owners[table.name, digest] = likely_owner(table.offers[choice.operation].rows, digest)
        return owner


def _lasts(plan: Plan, states: Mapping[str, EndpointState]) -> bool:
    """Whether what was found holds for the next request too: an endpoint that is being probed gets one at a time, and
    of limits that are scarce each leaves less.
    """
    return all(state.breaker.closed for state in states.values()) and not any(
        states[endpoint].scarce for endpoint in plan.order
    )
