"""No sinkholes and no herds: what fails fast attracts nothing, and those who know little do not all run one way."""

import heapq
from collections import Counter
from random import Random

import pytest
from routing_world import NOW, asking, endpoint, only, pair, site, snapshot, world

from intertie.config.snapshot import BreakerPolicy
from intertie.core.faults import ConnectFailed, NoCandidate, UpstreamBusy, UpstreamError
from intertie.core.plan import Weights
from intertie.core.usage import Usage
from intertie.policy.routing.choose import choose

SPEEDY = Weights(ttft=0.5, cost=0.2, capacity=0.3)


def alike(count: int, **facts):
    """So many endpoints in so many places, with nothing to tell them apart."""
    places = [site(f"s{index}") for index in range(count)]
    return snapshot(places, [endpoint(f"e{index}", f"s{index}") for index in range(count)], tolerance=0.03, **facts)


def simulate(known, failing: str, picks: int, rng: Random) -> Counter[str]:
    """Fifty requests a second; the failing endpoint refuses after a millisecond, the others answer in half a second."""
    table, states = world(known)
    now, count, ends = NOW, Counter[str](), []
    for number in range(picks):
        now += rng.expovariate(50)
        while ends and ends[0][0] <= now:
            at, _, flight, good = heapq.heappop(ends)
            if good:
                flight.answered(at, 0.12, 0.5, Usage(400, 20))
            else:
                flight.failed(at, ConnectFailed("refused"), rng.random())
        plan = choose(table, states, asking(weights=SPEEDY), now, rng.random())
        first = plan.candidates[0]
        count[first.endpoint] += 1
        good = first.endpoint != failing
        flight = states[first.endpoint].dispatched(now, 400, first.ttft_ms / 1_000)
        flight.first_byte()
        heapq.heappush(ends, (now + (0.5 if good else 0.001), number, flight, good))
    return count


@pytest.mark.parametrize("policy", [BreakerPolicy(), BreakerPolicy(failures=1_000_000, open_s=0.0, max_open_s=0.0)])
def test_an_endpoint_that_fails_fast_attracts_nothing_even_where_its_breaker_never_opens(policy: BreakerPolicy) -> None:
    count = simulate(alike(4, breaker=policy), "e0", 2_000, Random(7))
    assert count["e0"] < 40
    assert min(count[f"e{index}"] for index in (1, 2, 3)) > 400


def test_the_first_picks_of_many_choosers_that_know_nothing_of_each_other_spread() -> None:
    known, count = alike(8), Counter[str]()
    for seed in range(400):
        table, states = world(known)
        count[choose(table, states, asking(), NOW, Random(seed).random()).order[0]] += 1
    assert len(count) == 8
    assert max(count.values()) < 2 * 400 / 8


def test_six_choosers_with_stale_states_share_the_load_of_a_second() -> None:
    known, count = alike(8), Counter[str]()
    for seed in range(6):
        rng, (table, states) = Random(seed), world(known)
        for _ in range(20):
            first = choose(table, states, asking(weights=SPEEDY), NOW, rng.random()).candidates[0]
            states[first.endpoint].dispatched(NOW, 400, first.ttft_ms / 1_000)
            count[first.endpoint] += 1
    assert max(count.values()) < 2 * 120 / 8
    assert min(count.values()) > 120 / 8 / 2


def test_what_one_chooser_sent_itself_counts_at_once() -> None:
    table, states = world(alike(2))
    first = choose(table, states, asking(prompt_tokens=8_000, weights=only("ttft")), NOW, 0.0).order[0]
    states[first].dispatched(NOW, 8_000, 1.0)
    assert choose(table, states, asking(prompt_tokens=8_000, weights=only("ttft")), NOW, 0.0).order[0] != first


def test_the_lot_favours_free_slots() -> None:
    table, states = world(alike(2))
    for _ in range(24):
        states["e0"].dispatched(NOW, 0, 0.1)
    plan = choose(table, states, asking(weights=only("proximity")), NOW, 0.99)
    assert (plan.order[0], plan.probability) == ("e1", pytest.approx(32 / 40))


def test_a_long_queue_is_passed_over_before_the_score_is_asked_and_kept_for_failover() -> None:
    table, states = world(pair({"gco2_per_kwh": 20.0}))
    states["one"].dispatched(NOW, 8_000, 0.1)
    plan = choose(table, states, asking(weights=only("carbon")), NOW, 0.0)
    assert plan.order == ("other", "one")
    assert plan.dropped[0].endpoints == ("one",)
    assert "long queue" in plan.dropped[0].reason


def test_the_endpoint_of_a_session_stays_until_its_queue_takes_half_of_the_target() -> None:
    table, states = world(pair())
    states["one"].dispatched(NOW, 6_000, 0.1)
    held = {"weights": only("affinity"), "session": "one"}
    assert choose(table, states, asking(**held), NOW, 0.0).order[0] == "one"
    states["one"].dispatched(NOW, 6_000, 0.1)
    assert choose(table, states, asking(**held), NOW, 0.0).order[0] == "other"


def test_an_endpoint_that_asked_for_a_pause_gets_it_and_is_not_called_ill() -> None:
    table, states = world(pair({"rtt_ms": 1.0}))
    states["one"].dispatched(NOW, 10, 0.1).failed(NOW, UpstreamBusy("full", 429, retry_after=20), 0.0)
    plan = choose(table, states, asking(), NOW + 19, 0.0)
    assert plan.order == ("other",)
    assert "busy" in plan.dropped[0].reason
    assert states["one"].breaker.closed
    assert choose(table, states, asking(weights=only("ttft")), NOW + 20, 0.0).order[0] == "one"


def test_a_failure_weighs_as_seconds_of_latency_that_fade() -> None:
    table, states = world(pair({"rtt_ms": 1.0}, {"rtt_ms": 400.0}))
    states["one"].dispatched(NOW, 10, 0.1).failed(NOW, UpstreamError("oops", 500))
    wanted = asking(weights=only("ttft"), slo_s=20.0)
    soon, later = (choose(table, states, wanted, now, 0.0) for now in (NOW + 0.1, NOW + 60))
    assert soon.order == ("other", "one")
    assert soon.candidates[1].ttft_ms > 4_900
    assert later.order == ("one", "other")


def test_all_breakers_open_means_no_candidate_and_says_when() -> None:
    table, states = world(pair())
    for state in states.values():
        for _ in range(5):
            state.dispatched(NOW, 10, 0.1).failed(NOW, ConnectFailed("refused"))
    with pytest.raises(NoCandidate, match="2 by health") as caught:
        choose(table, states, asking(), NOW + 4, 0.0)
    assert caught.value.retry_after == pytest.approx(6.0)
    assert caught.value.should_retry


def test_failover_prefers_another_place_before_a_better_neighbour() -> None:
    places = [site("a"), site("b", rtt_ms=300.0)]
    known = snapshot(places, [endpoint("a1", "a"), endpoint("a2", "a"), endpoint("b1", "b")])
    table, states = world(known)
    assert choose(table, states, asking(weights=only("ttft")), NOW, 0.0).order == ("a1", "b1", "a2")
