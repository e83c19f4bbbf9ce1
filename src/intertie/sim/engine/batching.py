"""Continuous batching as a pure model: sequences, steps and KV blocks under whatever clock the caller keeps.

The engine works in steps. In a step every running sequence computes its next tokens: one when it decodes, a chunk of
its prompt when it prefills, `step_tokens` at most in all. A sequence that has computed all it has gains one token at
the step's end; that is why prefill, decode and the recomputation after a preemption need no cases of their own (the
idea of vLLM's V1 scheduler, `vllm/v1/core/sched/scheduler.py`). A step lasts

    step_s + sequence_s × (sequences that decode) + (prompt tokens in the step) / prefill_tps

Deterministic: no clock, no randomness. The caller asks `next_event_at`, waits (or turns its own clock), calls `step`.
"""

from collections import deque
from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Generic, TypeVar

from intertie.core.faults import ConfigFault
from intertie.sim.engine.blocks import BLOCK_TOKENS, BlockHash, BlockPool, blocks_for


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """How fast and how large a simulated engine is. Raises ConfigFault where a value makes no sense."""

    prefill_tps: float = 8_000.0
    """Prompt tokens computed per second."""
    step_s: float = 0.012
    """Seconds that any step takes."""
    sequence_s: float = 0.000_25
    """Seconds that each decoding sequence adds to a step."""
    overhead_s: float = 0.015
    """Seconds from a request's arrival until it may be scheduled."""
    step_tokens: int = 512
    """Tokens computed in one step at most; must exceed `slots`."""
    slots: int = 32
    """Sequences that run at once; the rest wait."""
    kv_blocks: int = 8_192
    """Blocks of KV cache, 16 tokens each."""

    def __post_init__(self) -> None:
        if not 0 < self.slots < self.step_tokens:
            raise ConfigFault(f"slots ({self.slots}) must be positive and below step_tokens ({self.step_tokens})")
        if self.kv_blocks < 1 or self.prefill_tps <= 0 or self.step_s <= 0:
            raise ConfigFault("kv_blocks, prefill_tps and step_s must be positive")
        if self.sequence_s < 0 or self.overhead_s < 0:
            raise ConfigFault("sequence_s and overhead_s must not be negative")


class Sequence:
    """One sequence on its way through the engine. Subclass it to hang something of your own on it.

    `prompt_tokens` and `output_tokens` are what it asks for (no output: the prompt is only computed, as for
    embeddings); `block_hashes` one hash per full block of the prompt. `cached_tokens` of the prompt were found in
    memory at admission; `produced` counts output tokens so far. Times are seconds of the caller's clock; None until it
    happens.
    """

    __slots__ = (
        "admitted_at",
        "block_hashes",
        "cached_tokens",
        "computed",
        "first_token_at",
        "output_tokens",
        "private_blocks",
        "produced",
        "prompt_tokens",
        "ready_at",
        "scheduled",
        "shared_blocks",
        "submitted_at",
    )

    def __init__(self, prompt_tokens: int, output_tokens: int, block_hashes: Series[BlockHash] = ()) -> None:
        self.prompt_tokens, self.output_tokens = prompt_tokens, output_tokens
        self.block_hashes = block_hashes[: prompt_tokens // BLOCK_TOKENS]
        self.submitted_at = self.ready_at = 0.0
        self.admitted_at: float | None = None
        self.first_token_at: float | None = None
        self.cached_tokens = self.produced = self.computed = self.scheduled = 0
        self.shared_blocks = self.private_blocks = 0  # the leading hashes it holds, and blocks of its own

    @property
    def done(self) -> bool:
        """Whether the prompt is computed and all output tokens are there."""
        return self.produced >= self.output_tokens and self.first_token_at is not None


S = TypeVar("S", bound=Sequence)


class ContinuousBatch(Generic[S]):
    """An engine's scheduler. `next_event_at` is when `step` is due, None while there is nothing to do."""

    def __init__(self, speed: EngineSpeed) -> None:
        self.speed = speed
        self.pool = BlockPool(speed.kv_blocks)
        self.next_event_at: float | None = None
        self.prompt_tokens = self.generated_tokens = 0
        self.prefix_queries = self.prefix_hits = self.preemptions = 0
        self._waiting: deque[S] = deque()
        self._running: list[S] = []  # oldest first: the last one is preempted first
        self._stepping = False

    @property
    def running(self) -> int:
        """Sequences that hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Sequences that wait for a slot or for blocks."""
        return len(self._waiting)

    def submit(self, sequence: S, now: float) -> None:
        """Queue a sequence. Raises ValueError if it could never fit into the KV cache."""
        if blocks_for(sequence.prompt_tokens + sequence.output_tokens) > self.pool.total:
            raise ValueError(f"{sequence.prompt_tokens} + {sequence.output_tokens} tokens exceed the KV cache")
        sequence.submitted_at, sequence.ready_at = now, now + self.speed.overhead_s
        self._waiting.append(sequence)
        if self.next_event_at is None:
            self.next_event_at = sequence.ready_at

    def abort(self, sequence: S) -> None:
        """Forget a sequence at once: its slot and blocks are free again. Nothing happens if it is not here any more."""
        if sequence in self._running:
            self._running.remove(sequence)
            self._release(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def step(self, now: float) -> list[S]:
        """End the step that was due and begin the next one at `now`; returns the sequences that gained a token.

        A sequence that is `done` has left the batch. `now` may lie after `next_event_at`: then the engine was held up.
        """
        gained = self._end_step(now) if self._stepping else []
        self._begin_step(now)
        return gained

    def _end_step(self, now: float) -> list[S]:
        gained = [sequence for sequence in self._running if self._advance(sequence, now)]
        for sequence in gained:
            if sequence.done:
                self._running.remove(sequence)
                self._release(sequence)
        return gained

    def _advance(self, sequence: S, now: float) -> bool:
        """Book what the step computed; True if the sequence gained a token (or, without output, is complete)."""
        sequence.computed += sequence.scheduled
        if sequence.computed < sequence.prompt_tokens + sequence.produced:
            return False
        if sequence.first_token_at is None:
            sequence.first_token_at = now
        if sequence.shared_blocks < len(sequence.block_hashes):
            self._publish(sequence)
        if sequence.output_tokens:
            sequence.produced += 1
            self.generated_tokens += 1
        return True

    def _begin_step(self, now: float) -> None:
        self._grow()
        self._admit(now)
        decoding, prefill = self._schedule()
        self._stepping = bool(self._running)
        if self._stepping:
            speed = self.speed
            self.next_event_at = now + speed.step_s + speed.sequence_s * decoding + prefill / speed.prefill_tps
        else:
            self.next_event_at = max(now, self._waiting[0].ready_at) if self._waiting else None

    def _schedule(self) -> tuple[int, int]:
        """Give each running sequence its tokens of this step, decoding first; returns (decoding, prompt tokens)."""
        prefilling: list[S] = []
        for sequence in self._running:
            sequence.scheduled = 1
            if sequence.prompt_tokens + sequence.produced - sequence.computed > 1 or not sequence.produced:
                prefilling.append(sequence)
        decoding = len(self._running) - len(prefilling)
        budget = room = self.speed.step_tokens - decoding
        for sequence in prefilling:
            left = sequence.prompt_tokens + sequence.produced - sequence.computed
            sequence.scheduled = min(left, room)
            room -= sequence.scheduled
        return decoding, budget - room

    def _admit(self, now: float) -> None:
        """First come, first served: a sequence that does not fit holds up those behind it."""
        while self._waiting and len(self._running) < self.speed.slots:
            sequence = self._waiting[0]
            if sequence.ready_at > now or not self._hold(sequence):
                return
            self._waiting.popleft()
            self._running.append(sequence)
            if sequence.admitted_at is None:
                sequence.admitted_at, sequence.cached_tokens = now, sequence.computed
                self.prompt_tokens += sequence.prompt_tokens
                self.prefix_queries += sequence.prompt_tokens
                self.prefix_hits += sequence.computed

    def _hold(self, sequence: S) -> bool:
        """Take blocks for all that the sequence must compute; the last token is computed even if it is in memory."""
        tokens = sequence.prompt_tokens + sequence.produced
        matched = self.pool.match(sequence.block_hashes, (tokens - 1) // BLOCK_TOKENS)
        private = blocks_for(tokens) - matched
        if not self.pool.hold(sequence.block_hashes[:matched], private):
            return False
        sequence.shared_blocks, sequence.private_blocks = matched, private
        sequence.computed = matched * BLOCK_TOKENS
        return True

    def _grow(self) -> None:
        """A block for each sequence whose next token needs one; where none is left, the youngest sequence gives way."""
        index = 0
        while index < len(self._running):
            sequence = self._running[index]
            room = (sequence.shared_blocks + sequence.private_blocks) * BLOCK_TOKENS
            if sequence.prompt_tokens + sequence.produced > room:
                if not self.pool.take(1):
                    self._preempt(self._running[-1])
                    continue
                sequence.private_blocks += 1
            index += 1

    def _preempt(self, sequence: S) -> None:
        self._running.remove(sequence)
        self._release(sequence)
        self._waiting.appendleft(sequence)
        self.preemptions += 1

    def _publish(self, sequence: S) -> None:
        fresh = sequence.block_hashes[sequence.shared_blocks :]
        self.pool.publish(fresh)
        sequence.shared_blocks += len(fresh)
        sequence.private_blocks -= len(fresh)

    def _release(self, sequence: S) -> None:
        self.pool.release(sequence.block_hashes[: sequence.shared_blocks], sequence.private_blocks)
        sequence.shared_blocks = sequence.private_blocks = sequence.computed = sequence.scheduled = 0
