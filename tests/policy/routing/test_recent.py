"""A question asked again within milliseconds is not judged anew, and nothing stale is ever used for long."""

from hypothesis import given
from hypothesis import strategies as st
from routing_world import NOW, asking, eight_places, world

from intertie.core.faults import ConnectFailed
from intertie.policy.routing.choose import choose
from intertie.policy.routing.placement import Placement
from intertie.policy.routing.recent import FRESH_S, MOST_USES, Recent


@given(st.floats(0, 0.999), st.integers(1, 100_000), st.binary(min_size=8, max_size=8))
def test_the_first_answer_is_exactly_what_choosing_says(lot: float, prompt: int, digest: bytes) -> None:
    table, states = world(eight_places())
    choice = asking(prompt_tokens=prompt, affinity=digest)
    assert Recent().choose(table, states, choice, NOW, lot) == choose(table, states, choice, NOW, lot)


def test_an_equal_question_gets_the_same_judgement_and_a_lot_of_its_own() -> None:
    table, states = world(eight_places(tolerance=0.5))
    recent = Recent()
    plans = [recent.choose(table, states, asking(), NOW, lot / 8) for lot in range(8)]
    assert len({plan.order[0] for plan in plans}) > 1
    judged = {tuple(sorted((one.endpoint, one.score) for one in plan.candidates)) for plan in plans}
    assert len(judged) == 1


def test_what_was_found_is_used_for_a_few_milliseconds_and_a_few_times_only() -> None:
    table, states = world(eight_places())
    recent = Recent()
    first = recent.choose(table, states, asking(), NOW, 0.0)
    for state in states.values():
        state.in_flight_tokens = 50_000
    again = [recent.choose(table, states, asking(), NOW, 0.0) for _ in range(MOST_USES)]
    assert [plan.candidates[0].ttft_ms == first.candidates[0].ttft_ms for plan in again] == [True] * (MOST_USES - 1) + [
        False
    ]
    later = Recent()
    later.choose(table, states, asking(), NOW, 0.0)
    states[first.order[0]].in_flight_tokens = 0
    fresh = later.choose(table, states, asking(), NOW + FRESH_S, 0.0)
    assert fresh == choose(table, states, asking(), NOW + FRESH_S, 0.0)


def test_different_questions_share_nothing() -> None:
    table, states = world(eight_places())
    recent = Recent()
    asked = [
        asking(), asking(prompt_tokens=800), asking(slo_s=0.1), asking(residency=(("US",),)), asking(max_output=10),
        asking(permitted=frozenset({"m"})), asking(under_budget=True), asking(session="m-syd"), asking(max_cost_nano=1),
        asking(placement=Placement(only=("fra", "syd"))), asking(placement=Placement(fallbacks=False)),
        asking(placement=Placement(models=("m",)), others=(table,)),
    ]  # fmt: skip
    for choice in asked:
        assert recent.choose(table, states, choice, NOW, 0.3) == choose(table, states, choice, NOW, 0.3)


def test_a_failure_makes_it_forget_and_a_probe_is_for_one_request() -> None:
    table, states = world(eight_places())
    recent = Recent()
    best = recent.choose(table, states, asking(), NOW, 0.0).order[0]
    for _ in range(5):
        states[best].dispatched(NOW, 1, 0.1).failed(NOW, ConnectFailed("down"))
    recent.forget()
    assert best not in recent.choose(table, states, asking(), NOW, 0.0).order
    half_open = NOW + 60
    assert best in recent.choose(table, states, asking(), half_open, 0.0).order
    states[best].dispatched(half_open, 1, 0.1)
    assert best not in recent.choose(table, states, asking(), half_open, 0.0).order


def test_whoever_asks_why_is_judged_anew() -> None:
    table, states = world(eight_places())
    recent = Recent()
    recent.choose(table, states, asking(), NOW, 0.0)
    assert recent.choose(table, states, asking(want_reasons=True), NOW, 0.0).reasons
    assert not recent.choose(table, states, asking(), NOW, 0.0).reasons
