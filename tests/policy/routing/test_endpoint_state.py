"""What is learned of an endpoint from its answers, and what a request under way adds and takes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_world import NOW, asking, endpoint, only, pair, site, snapshot, world

from intertie.config.snapshot import BreakerPolicy
from intertie.core.endpoint import Origin, Speed
from intertie.core.faults import CallerLeft, ConnectFailed, EgressRefused, UpstreamBusy, UpstreamRefused
from intertie.core.usage import Usage
from intertie.policy.routing.choose import choose
from intertie.policy.routing.estimate import upload_rounds
from intertie.policy.routing.state import EndpointState, live_states

USAGE = Usage(400, 61)
ENDS = {
    "answered": lambda flight, now: flight.answered(now, 0.1, 1.1, USAGE),
    "failed": lambda flight, now: flight.failed(now, ConnectFailed("refused")),
    "busy": lambda flight, now: flight.failed(now, UpstreamBusy("full", 429)),
    "refused": lambda flight, now: flight.failed(now, UpstreamRefused("no", 400)),
    "left": lambda flight, now: flight.left(),
}


def fresh() -> EndpointState:
    return world(pair())[1]["one"]


def expected_ms(state: EndpointState, now: float, **facts) -> float:
    table, states = world(pair())
    plan = choose(table, {**states, "one": state}, asking(**facts), now, 0.0)
    return next(one.ttft_ms for one in plan.candidates if one.endpoint == "one")


@given(st.lists(st.tuples(st.sampled_from(sorted(ENDS)), st.booleans(), st.integers(0, 9_000)), max_size=30))
def test_whatever_the_way_it_ends_a_request_takes_back_what_it_added_once(ends: list[tuple[str, bool, int]]) -> None:
    state = fresh()
    flights = [(state.dispatched(NOW, tokens, 0.1), way, spoke) for way, spoke, tokens in ends]
    assert (state.in_flight, state.in_flight_tokens) == (len(ends), sum(tokens for _, _, tokens in ends))
    for flight, way, spoke in flights:
        if spoke:
            flight.first_byte()
        ENDS[way](flight, NOW + 1)
        flight.left()
        flight.failed(NOW + 1, ConnectFailed("again"))
    assert (state.in_flight, state.in_flight_tokens) == (0, 0)


def test_a_prompt_stops_waiting_at_the_first_byte() -> None:
    state = fresh()
    flight = state.dispatched(NOW, 4_000, 0.5)
    waiting = expected_ms(state, NOW)
    flight.first_byte()
    assert waiting - expected_ms(state, NOW) == pytest.approx(500.0)


def test_an_answer_three_times_slower_than_expected_is_believed_at_once_and_forgiven_with_time() -> None:
    state = fresh()
    first = expected_ms(state, NOW)
    state.dispatched(NOW, 400, first / 1_000).answered(NOW + 1, 3 * first / 1_000, 2.0, USAGE)
    assert expected_ms(state, NOW + 1, prompt_tokens=4_000) > 1.5 * first
    assert state.residual == pytest.approx(1.0986, rel=0.01)
    fades = [state.corrected(1.0, NOW + after) for after in (1, 61, 600)]
    assert fades == sorted(fades, reverse=True)
    assert fades[-1] < 1.2


def test_good_news_is_believed_slowly_while_answers_come_fast() -> None:
    state, now = fresh(), NOW

    def answer(pause: float, seconds: float) -> None:
        nonlocal now
        now += pause
        state.dispatched(now, 400, state.corrected(0.1, now)).answered(now, seconds, 2.0, USAGE)

    for _ in range(50):
        answer(0.01, 0.1)
    answer(0.01, 0.4)
    bad = state.residual
    assert bad == pytest.approx(1.386 / 2, rel=0.05)
    for _ in range(10):
        answer(0.01, 0.1)
    assert 0.8 * bad < state.residual < bad
    for _ in range(5):
        answer(10, 0.1)
    assert abs(state.residual) < 0.1 * bad


def test_many_requests_expecting_the_same_do_not_add_up_their_error() -> None:
    state = fresh()
    flights = [state.dispatched(NOW, 400, 0.1) for _ in range(30)]
    for flight in flights:
        flight.answered(NOW + 1, 0.2, 1.0, USAGE)
    assert state.residual == pytest.approx(0.693, abs=0.05)


def test_an_answer_that_comes_whole_is_compared_with_its_whole_expected_time() -> None:
    state = fresh()
    whole = 0.1 + 60 * state.decode_s
    state.dispatched(NOW, 400, 0.1).answered(NOW + 2, whole, whole, Usage(400, 60))
    assert state.residual == pytest.approx(0.0, abs=1e-9)
    assert state.decode_s == pytest.approx(1 / 60)


def test_streams_teach_the_pace_of_decoding() -> None:
    state = fresh()
    for step in range(40):
        state.dispatched(NOW + step, 400, 0.1).answered(NOW + step, 0.1, 0.1 + 60 * 0.03, USAGE)
    assert state.decode_s == pytest.approx(0.03, rel=0.01)


def test_prefill_and_overhead_are_learned_from_answers_that_had_the_endpoint_to_themselves() -> None:
    state, now = fresh(), NOW
    state.connected(0.01)
    for _ in range(200):
        for tokens in (4_000, 20):
            now += 1
            seen = 0.01 + 0.05 + tokens / 16_000
            state.dispatched(now, tokens, seen).answered(now, seen, seen + 1, Usage(tokens, 61))
    assert state.prefill_tps == pytest.approx(16_000, rel=0.05)
    assert state.overhead_s == pytest.approx(0.05, rel=0.1)


def test_the_round_trip_is_measured_quick_to_rise_and_slow_to_fall() -> None:
    state = fresh()
    state.connected(0.1)
    assert state.rtt_s == 0.1
    state.connected(0.3)
    assert state.rtt_s == pytest.approx(0.2)
    state.connected(0.1)
    assert state.rtt_s == pytest.approx(0.18)


def test_a_new_connection_costs_round_trips_and_an_idle_one_saves_them() -> None:
    state = fresh()
    cold = expected_ms(state, NOW)
    state.dispatched(NOW, 400, cold / 1_000).answered(NOW, cold / 1_000, 1.1, USAGE)
    assert cold - expected_ms(state, NOW + 0.001) == pytest.approx(20.0)
    assert expected_ms(state, NOW + 51) == pytest.approx(cold, rel=0.01)


def test_a_big_upload_on_a_new_connection_takes_the_rounds_of_slow_start() -> None:
    assert [upload_rounds(size) for size in (0, 1, 14_600, 14_601, 29_200, 58_400, 128_000)] == [0, 0, 0, 1, 1, 2, 3]


def test_the_endpoint_of_a_session_is_expected_sooner_and_cheaper() -> None:
    table, states = world(pair())
    plan = choose(table, states, asking(session="one", prompt_tokens=8_000), NOW, 0.0)
    held, other = plan.candidates
    assert held.endpoint == "one"
    assert other.ttft_ms - held.ttft_ms == pytest.approx(800.0)
    assert held.cost_nano < other.cost_nano


def test_answers_teach_how_much_a_model_says_for_all_its_endpoints() -> None:
    table, states = world(pair())
    before = choose(table, states, asking(), NOW, 0.0).candidates[1].cost_nano
    for step in range(20):
        states["one"].dispatched(NOW + step, 1, 0.1).answered(NOW + step, 0.1, 9.0, Usage(400, 1_000))
    after = choose(table, states, asking(weights=only("proximity")), NOW + 60, 0.0).candidates
    assert {one.cost_nano for one in after} == {before + (1_000 - 256) * 300}
    limited = choose(table, states, asking(max_output=10), NOW + 60, 0.0).candidates[0]
    assert limited.cost_nano == 400 * 100 + 10 * 300


def test_what_the_endpoint_cannot_help_does_not_count_against_it() -> None:
    state = fresh()
    for fault in (UpstreamRefused("no", 400), CallerLeft("gone"), UpstreamBusy("full", 503)):
        for _ in range(30):
            state.dispatched(NOW, 1, 0.1).failed(NOW, fault)
    assert state.breaker.closed
    assert state.latency_penalty == 0
    state.dispatched(NOW, 1, 0.1).failed(NOW, EgressRefused("not allowed"))
    assert state.latency_penalty == 5.0


def test_states_outlive_a_snapshot_unless_their_engine_changed() -> None:
    old = pair()
    states = live_states(old, {})
    states["one"].connected(0.123)
    states["one"].dispatched(NOW, 1, 0.1).answered(NOW, 0.1, 9.0, Usage(400, 999))
    moved = endpoint("other", "other", origin=Origin("http", "127.0.0.1", 9_999))
    renewed = snapshot(
        [site("one"), site("other")],
        [endpoint("one", "one", context=9), moved, endpoint("new", "one", speed=Speed(slots=1))],
        breaker=BreakerPolicy(failures=1),
    )
    after = live_states(renewed, states)
    assert after["one"] is states["one"]
    assert (after["one"].endpoint.context, after["one"].breaker.policy.failures) == (9, 1)
    assert after["other"] is not states["other"]
    assert after["new"].model is after["one"].model
    assert after["new"].model.mean_output == pytest.approx(999)
