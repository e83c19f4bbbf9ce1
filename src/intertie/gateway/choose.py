"""Step 5, choose: constraints, estimates, score, plan. The decision is pure (`policy.routing`); here are its facts."""

from intertie.core.plan import Plan
from intertie.gateway.live import Live
from intertie.gateway.passage import Passage, now


def choose(live: Live, passage: Passage) -> Plan:
    """The plan for an admitted call. Raises NoCandidate with the reasons if nothing may serve it now."""
    call, choice, view = passage.call, passage.choice, passage.view
    assert call is not None and choice is not None
    return view.recent.choose(view.tables[call.model], view.states, choice, now(), live.lot())
