"""The pure model: slots, blocks, prefixes and times, under a clock that the test turns."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.core.faults import ConfigFault
from intertie.sim.engine.batching import ContinuousBatch, EngineSpeed, Sequence
from intertie.sim.engine.blocks import BLOCK_TOKENS

SPEED = EngineSpeed(prefill_tps=1000, step_s=0.01, sequence_s=0.001, overhead_s=0.02, step_tokens=100, slots=4)


def sequence(prompt: int, output: int, name: object = None) -> Sequence:
    """A sequence whose prompt shares its prefix with every other of the same name."""
    hashes = [(name, block) for block in range(prompt // BLOCK_TOKENS)] if name is not None else ()
    return Sequence(prompt, output, hashes)


def run(batch: ContinuousBatch[Sequence], until: float = 1e9) -> list[tuple[float, list[Sequence]]]:
    """Step until nothing is due; each moment with the sequences that gained a token then."""
    moments: list[tuple[float, list[Sequence]]] = []
    while batch.next_event_at is not None and batch.next_event_at <= until:
        at = batch.next_event_at
        moments.append((at, batch.step(at)))
    return moments


def test_an_idle_engine_has_nothing_due() -> None:
    assert ContinuousBatch[Sequence](SPEED).next_event_at is None


def test_time_to_first_token_of_one_request_is_overhead_and_prefill() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    one = sequence(250, 3)
    batch.submit(one, now=5.0)
    run(batch)
    assert one.first_token_at == pytest.approx(5.0 + 0.02 + 3 * 0.01 + 250 / 1000)
    assert one.produced == 3 and batch.running == 0 and batch.next_event_at is None


def test_the_decode_interval_grows_with_the_batch() -> None:
    intervals: list[float] = []
    for size in (1, 4):
        batch = ContinuousBatch[Sequence](SPEED)
        for _ in range(size):
            batch.submit(sequence(10, 6), now=0.0)
        moments = [at for at, gained in run(batch) if gained]
        intervals.append(moments[2] - moments[1])
    assert intervals == pytest.approx([0.011, 0.014])


def test_waiting_requests_get_their_slot_in_order_and_their_wait_shows_in_their_first_token() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    all_of_them = [sequence(50, 5) for _ in range(9)]
    for each in all_of_them:
        batch.submit(each, now=0.0)
    assert batch.waiting == 9
    batch.step(0.02)
    assert (batch.running, batch.waiting) == (4, 5)
    run(batch)
    admitted = [each.admitted_at for each in all_of_them]
    assert admitted == sorted(admitted)
    last = all_of_them[-1]
    queue, prefill = last.admitted_at - last.submitted_at, last.first_token_at - last.admitted_at
    assert queue > 0.1 and prefill >= 0.05
    assert last.first_token_at - last.submitted_at == pytest.approx(queue + prefill)


def test_two_prompts_share_the_prefill_rate() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    first, second = sequence(100, 1), sequence(100, 1)
    batch.submit(first, 0.0)
    batch.submit(second, 0.0)
    run(batch)
    assert first.first_token_at == pytest.approx(0.02 + 0.01 + 0.1)
    assert second.first_token_at == pytest.approx(0.02 + 2 * 0.01 + 0.2)


def test_a_long_prompt_is_prefilled_in_chunks_beside_running_sequences() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    talker = sequence(10, 50)
    batch.submit(talker, 0.0)
    run(batch, until=0.1)
    batch.submit(sequence(1000, 1), 0.1)
    before = talker.produced
    run(batch, until=1.0)
    assert talker.produced - before >= 7


def test_a_prefix_in_memory_is_not_computed_again() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    cold, warm = sequence(320, 1, "a"), sequence(336, 1, "a")
    batch.submit(cold, 0.0)
    run(batch)
    batch.submit(warm, 10.0)
    run(batch)
    assert (cold.cached_tokens, warm.cached_tokens) == (0, 320)
    assert warm.first_token_at == pytest.approx(10.0 + 0.02 + 0.01 + 16 / 1000)
    assert (batch.prefix_queries, batch.prefix_hits) == (656, 320)


def test_the_last_token_of_a_known_prompt_is_computed_all_the_same() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    for at in (0.0, 10.0):
        again = sequence(32, 1, "a")
        batch.submit(again, at)
        run(batch)
    assert again.cached_tokens == 16


def test_equal_prompts_at_the_same_moment_do_not_find_each_other() -> None:
    batch = ContinuousBatch[Sequence](SPEED)
    twins = [sequence(64, 2, "a") for _ in range(2)]
    for twin in twins:
        batch.submit(twin, 0.0)
    run(batch)
    assert [twin.cached_tokens for twin in twins] == [0, 0]
    assert batch.pool.idle == 4


def test_the_prefix_used_longest_ago_is_evicted_first() -> None:
    batch = ContinuousBatch[Sequence](EngineSpeed(kv_blocks=10))
    for at, name in enumerate("abab", start=1):
        batch.submit(sequence(64, 1, name), float(at))
        run(batch)
    batch.submit(sequence(48, 1, "c"), 9.0)  # 3 prompt blocks and one more: evicts two of a's four
    run(batch)
    hits = batch.prefix_hits
    for at, name in ((20.0, "b"), (21.0, "a")):
        batch.submit(sequence(80, 1, name), at)
        run(batch)
    assert batch.prefix_hits - hits == 64 + 32


def test_when_memory_ends_the_youngest_gives_way_and_still_finishes() -> None:
    batch = ContinuousBatch[Sequence](EngineSpeed(kv_blocks=8, slots=2))
    old, young = sequence(32, 60), sequence(32, 60)
    batch.submit(old, 0.0)
    batch.submit(young, 0.0)
    run(batch)
    assert batch.preemptions >= 1
    assert (old.produced, young.produced) == (60, 60)
    assert batch.pool.private == batch.pool.held == 0


def test_an_abort_frees_slot_and_blocks_at_once_whether_running_or_waiting() -> None:
    batch = ContinuousBatch[Sequence](EngineSpeed(slots=1))
    running, waiting = sequence(160, 100, "a"), sequence(160, 100)
    batch.submit(running, 0.0)
    batch.submit(waiting, 0.0)
    run(batch, until=0.2)
    assert (batch.running, batch.waiting) == (1, 1) and batch.pool.usage > 0
    batch.abort(waiting)
    batch.abort(running)
    batch.abort(running)
    assert (batch.running, batch.waiting, batch.pool.usage) == (0, 0, 0.0)
    run(batch)
    assert running.produced < 100 and batch.next_event_at is None


def test_what_can_never_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="exceed the KV cache"):
        ContinuousBatch[Sequence](EngineSpeed(kv_blocks=4)).submit(sequence(60, 5), 0.0)


@pytest.mark.parametrize(
    "wrong", [{"slots": 0}, {"slots": 512}, {"kv_blocks": 0}, {"prefill_tps": 0}, {"overhead_s": -1}]
)
def test_a_speed_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigFault, match="must"):
        EngineSpeed(**wrong)


Arrival = tuple[float, int, int, int]
arrivals = st.lists(
    st.tuples(st.floats(0, 2), st.integers(1, 200), st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=25
)


def simulate(plan: list[Arrival], kv_blocks: int, seed: int) -> tuple[list[Sequence], list[tuple[float, int]]]:
    """Run a plan with random aborts, checking at each step what must always hold."""
    batch = ContinuousBatch[Sequence](EngineSpeed(slots=3, step_tokens=64, kv_blocks=kv_blocks))
    lots, pending = random.Random(seed), sorted(plan)
    sequences: list[Sequence] = []
    trace: list[tuple[float, int]] = []
    while pending or batch.next_event_at is not None:
        due = batch.next_event_at
        if pending and (due is None or pending[0][0] <= due):
            at, prompt, output, name = pending.pop(0)
            sequences.append(sequence(prompt, output, name))
            batch.submit(sequences[-1], at)
        elif due is not None:
            trace.append((due, len(batch.step(due))))
        if sequences and lots.random() < 0.05:
            batch.abort(lots.choice(sequences))
        check(batch, sequences)
    assert batch.pool.usage == 0.0
    return sequences, trace


def check(batch: ContinuousBatch[Sequence], sequences: list[Sequence]) -> None:
    pool = batch.pool
    assert batch.running <= batch.speed.slots
    assert min(pool.free, pool.private, pool.held, pool.idle) >= 0
    assert pool.free + pool.private + pool.held + pool.idle == pool.total
    assert pool.private == sum(each.private_blocks for each in sequences)
    held = {block for each in sequences for block in each.block_hashes[: each.shared_blocks]}
    assert pool.held == len(held)


@given(arrivals, st.integers(16, 60), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_slots_and_blocks_are_conserved_whatever_happens(plan: list[Arrival], kv_blocks: int, seed: int) -> None:
    sequences, _ = simulate(plan, kv_blocks, seed)
    for each in sequences:
        assert each.produced <= each.output_tokens
        assert each.cached_tokens < each.prompt_tokens
        if each.first_token_at is not None:
            assert each.submitted_at <= each.ready_at <= each.admitted_at < each.first_token_at


@given(arrivals, st.integers(16, 60), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_the_same_arrivals_give_the_same_times(plan: list[Arrival], kv_blocks: int, seed: int) -> None:
    assert simulate(plan, kv_blocks, seed)[1] == simulate(plan, kv_blocks, seed)[1]
