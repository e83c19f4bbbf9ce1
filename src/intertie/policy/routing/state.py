"""What is learned of an endpoint while requests run: the moving half of what the choice knows.

States belong to one worker, live in the gateway's memory and outlive snapshots. A request under way is a `Flight`;
whatever it added to the state is taken back exactly once, by the way it ended. All times are monotonic seconds.
"""

from collections.abc import Mapping
from math import exp, log

from intertie.config.snapshot import BreakerPolicy, Snapshot
from intertie.core.endpoint import Endpoint
from intertie.core.faults import Fault, UpstreamBusy
from intertie.core.usage import Usage
from intertie.policy.health import Breaker
from intertie.policy.provider_limits import NOTHING_SENT, ProviderLimits, limits_told

DECAY_S = 10.0
"""How fast good news replaces bad (Peak-EWMA as in Finagle, Envoy and Linkerd)."""
FADE_S = 60.0
"""After so long without a sample a learned correction counts half: an endpoint once slow is tried again."""
PEAK_SHARE = 0.5
RATE_SHARE = 0.2
OUTPUT_SHARE = 0.05
LARGEST_RESIDUAL = 3.0
EXPECTED_OUTPUT = 256.0
LONG_PROMPT = 512
BUSY_S, LONGEST_BUSY_S, MOST_DOUBLINGS = 1.0, 300.0, 9
"""An endpoint that is busy and does not say for how long is left alone for a second; twice as long each next time."""
SCARCE = 0.1
SHORTEST_S = 1e-6
WHOLE = 0.1
"""An answer whose bytes follow the first one ten times faster than the endpoint decodes was not streamed."""


class ModelState:
    """What is learned of a model wherever it runs: how many tokens it answers with, on average."""

    __slots__ = ("mean_output", "name", "samples")

    def __init__(self, name: str) -> None:
        self.name, self.mean_output, self.samples = name, EXPECTED_OUTPUT, 0

    def answered(self, completion: int) -> None:
        """Take one answer's completion tokens into the mean."""
        self.samples += 1
        share = OUTPUT_SHARE if self.samples * OUTPUT_SHARE > 1.0 else 1.0 / self.samples
        self.mean_output += share * (completion - self.mean_output)


class EndpointState:
    """One endpoint, as this worker has come to know it.

    `rtt_s` None until measured; `prefill_tps`, `decode_s` (seconds per output token) and `overhead_s` begin as
    declared; `in_flight` requests, of whose prompts `in_flight_tokens` are not answered yet; `residual` the learned
    ln(observed / predicted) of the time to first token, of `samples` answers, the last `seen` then; `idle` connections
    believed open until `idle_until`; `busy_until` as the endpoint asked, `refusals` times in
    a row; `latency_penalty` seconds since `failed_at`; `limits` of its account, None until one is told or declared, and
    whether they were `scarce` when a request last went out or was answered.
    """

    __slots__ = (
        "breaker",
        "busy_until",
        "decode_s",
        "endpoint",
        "failed_at",
        "idle",
        "idle_until",
        "in_flight",
        "in_flight_tokens",
        "keep_alive_s",
        "latency_penalty",
        "limits",
        "model",
        "overhead_s",
        "prefill_tps",
        "refusals",
        "residual",
        "rtt_s",
        "samples",
        "scarce",
        "seen",
    )

    def __init__(self, endpoint: Endpoint, model: ModelState, policy: BreakerPolicy, keep_alive_s: float) -> None:
        self.endpoint, self.model, self.breaker, self.keep_alive_s = endpoint, model, Breaker(policy), keep_alive_s
        self.rtt_s: float | None = None
        self.prefill_tps = endpoint.speed.prefill_tps
        self.decode_s = 1 / endpoint.speed.decode_tps
        self.overhead_s = endpoint.speed.overhead_s
        self.in_flight = self.idle = self.samples = self.refusals = 0
        self.in_flight_tokens = 0.0
        self.residual = self.seen = self.idle_until = 0.0
        self.busy_until = self.latency_penalty = self.failed_at = 0.0
        declared = (endpoint.rpm, endpoint.tpm)
        self.scarce = False
        self.limits = None if declared == (None, None) else ProviderLimits(*declared)

    def corrected(self, predicted_s: float, now: float) -> float:
        """A predicted time to first token with what was learned: the faded residual, and failures as latency."""
        if self.residual:
            predicted_s *= exp(self.residual / (1.0 + (now - self.seen) / FADE_S))
        if self.latency_penalty:
            predicted_s += self.latency_penalty * exp((self.failed_at - now) / DECAY_S)
        return predicted_s

    def free_at(self, tokens: int, now: float) -> float:
        """The moment from which it takes a request with so many prompt tokens; not after `now` if it does already."""
        return self.busy_until if self.limits is None else max(self.busy_until, self.limits.free_at(tokens, now))

    def connected(self, rtt_s: float) -> None:
        """A connection was made in `rtt_s` seconds, which is one round trip."""
        known = rtt_s if self.rtt_s is None else self.rtt_s
        self.rtt_s = known + (PEAK_SHARE if rtt_s > known else RATE_SHARE) * (rtt_s - known)

    def dispatched(self, now: float, tokens: int, predicted_ttft_s: float) -> "Flight":
        """A request with `tokens` prompt tokens to compute goes out, answered by the flight that must be ended."""
        return Flight(self, now, tokens, predicted_ttft_s)

    def learn(self, now: float, error: float) -> None:
        """Take one ln(observed / predicted) into the residual: half way up at once, down over ten seconds."""
        gap = now - self.seen
        faded = self.residual / (1.0 + gap / FADE_S)
        self.samples += 1
        share = PEAK_SHARE if error > faded else 1.0 - exp(-gap / DECAY_S)
        if share * self.samples < 1.0:
            share = 1.0 / self.samples
        residual = faded + share * (error - faded)
        self.residual = -LARGEST_RESIDUAL if residual < -LARGEST_RESIDUAL else min(residual, LARGEST_RESIDUAL)
        self.seen = now

    def punish(self, now: float, seconds: float) -> None:
        """Let a failure weigh as so much latency, fading over ten seconds: what fails fast must not look fast."""
        self.latency_penalty = max(seconds, self.latency_penalty * exp((self.failed_at - now) / DECAY_S))
        self.failed_at = now


class Flight:
    """One request under way at an endpoint. Exactly one of `answered`, `failed` and `left` ends it; more do nothing."""

    __slots__ = ("_alone", "_open", "_predicted_s", "_probe", "_sent", "_state", "_waiting")

    def __init__(self, state: EndpointState, now: float, tokens: int, predicted_ttft_s: float) -> None:
        self._state, self._waiting, self._open = state, tokens, True
        # What the formula alone said, so that the error is that of the formula and not of earlier corrections.
        if state.latency_penalty:
            predicted_ttft_s -= state.latency_penalty * exp((state.failed_at - now) / DECAY_S)
        if state.residual:
            predicted_ttft_s /= exp(state.residual / (1.0 + (now - state.seen) / FADE_S))
        self._predicted_s = predicted_ttft_s if predicted_ttft_s > SHORTEST_S else SHORTEST_S
        self._alone = state.in_flight == 0 and state.idle > 0 and now <= state.idle_until
        self._probe = state.breaker.dispatched()
        if state.idle:
            state.idle -= 1
        state.in_flight += 1
        state.in_flight_tokens += tokens
        self._sent = NOTHING_SENT
        if state.limits is not None:
            self._sent = state.limits.sent(tokens, now)
            state.scarce = state.limits.part_left(now) < SCARCE

    def told(self, now: float, headers: Mapping[bytes, bytes]) -> bool:
        """The head of an answer came, whatever its status: what it says of the account's limits is believed.

        Whether it said that little is left, so that choices made before it count no more.
        """
        if not limits_told(headers):
            return False
        state = self._state
        if state.limits is None:
            state.limits = ProviderLimits()
        state.limits.told(headers, now, self._sent)
        state.scarce = state.limits.part_left(now) < SCARCE
        return state.scarce

    def first_byte(self) -> None:
        """The endpoint speaks: its prompt no longer waits."""
        self._state.in_flight_tokens -= self._waiting
        self._waiting = 0

    def answered(self, now: float, ttft_s: float, duration_s: float, usage: Usage) -> None:
        """The answer is whole: first byte after `ttft_s`, last after `duration_s`, both since the dispatch."""
        if not self._end():
            return
        state = self._state
        state.idle, state.idle_until = state.idle + 1, now + state.keep_alive_s
        state.breaker.succeeded(now, self._probe)
        state.refusals = 0
        if state.limits is not None:
            state.limits.answered(usage.completion, now)
        if usage.completion and not usage.estimated:
            state.model.answered(usage.completion)
        decoding = usage.completion * state.decode_s
        if duration_s - ttft_s >= WHOLE * decoding:
            state.learn(now, log((ttft_s if ttft_s > SHORTEST_S else SHORTEST_S) / self._predicted_s))
            self._measure(ttft_s, duration_s, usage)
        else:
            whole_s = duration_s if duration_s > SHORTEST_S else SHORTEST_S
            state.learn(now, log(whole_s / (self._predicted_s + decoding)))

    def failed(self, now: float, fault: Fault, lot: float = 0.5) -> None:
        """It ended in `fault`. `lot` in [0, 1) spreads the return of many workers to an endpoint left alone."""
        if not self._end():
            return
        state, policy = self._state, self._state.breaker.policy
        if isinstance(fault, UpstreamBusy):
            state.breaker.left(self._probe)
            if now >= state.busy_until:  # else it was sent together with the first that was refused: nothing new
                state.refusals = min(state.refusals + 1, MOST_DOUBLINGS)
            advised = BUSY_S * 2.0 ** (state.refusals - 1) if fault.retry_after is None else fault.retry_after
            wait = min(max(advised, 0.0), LONGEST_BUSY_S)
            state.busy_until = max(state.busy_until, now + wait * (1 + 0.2 * lot))
        elif fault.elsewhere:
            state.breaker.failed(now, self._probe, lot)
            state.punish(now, min(max(policy.failure_latency_s, fault.retry_after or 0.0), LONGEST_BUSY_S))
        else:
            state.breaker.left(self._probe)

    def left(self) -> None:
        """The caller went away: nothing is learned of the endpoint."""
        if self._end():
            self._state.breaker.left(self._probe)

    def _end(self) -> bool:
        if not self._open:
            return False
        self._open = False
        self.first_byte()
        self._state.in_flight -= 1
        return True

    def _measure(self, ttft_s: float, duration_s: float, usage: Usage) -> None:
        """Take the rates from a streamed answer; those of prefill only if it had the endpoint to itself."""
        state = self._state
        if usage.completion > 1:
            state.decode_s += RATE_SHARE * ((duration_s - ttft_s) / (usage.completion - 1) - state.decode_s)
        if not self._alone or state.rtt_s is None:
            return
        service, fresh = ttft_s - state.rtt_s, max(0, usage.prompt - usage.cached)
        if fresh >= LONG_PROMPT:
            rate = fresh / max(service - state.overhead_s, 1e-4)
            state.prefill_tps += RATE_SHARE * (rate - state.prefill_tps)
        else:
            overhead = max(0.0, service - fresh / state.prefill_tps)
            state.overhead_s += RATE_SHARE * (overhead - state.overhead_s)


def live_states(snapshot: Snapshot, previous: Mapping[str, EndpointState]) -> dict[str, EndpointState]:
    """The states for a snapshot's endpoints: those known already go on, unless what they describe has changed."""
    models = {state.model.name: state.model for state in previous.values()}
    states: dict[str, EndpointState] = {}
    for endpoint in snapshot.endpoints.values():
        known = previous.get(endpoint.id)
        if known is None or not _same_engine(known.endpoint, endpoint):
            model = models.setdefault(endpoint.model, ModelState(endpoint.model))
            known = EndpointState(endpoint, model, snapshot.breaker, snapshot.upstream.keep_alive_s)
        known.endpoint, known.breaker.policy = endpoint, snapshot.breaker
        known.keep_alive_s = snapshot.upstream.keep_alive_s
        states[endpoint.id] = known
    return states


def _same_engine(one: Endpoint, other: Endpoint) -> bool:
    return (one.origin, one.model, one.upstream_model, one.speed, one.rpm, one.tpm) == (
        other.origin,
        other.model,
        other.upstream_model,
        other.speed,
        other.rpm,
        other.tpm,
    )
