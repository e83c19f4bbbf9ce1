"""What each candidate would do for a request: seconds to the first token, nano-dollars, grams of CO2.

    ttft = (network + queue + overhead + prefill) x exp(residual) + failures as latency
    network = round trip x (1 + handshakes and slow-start rounds of a new connection)
    queue   = own uncached tokens in flight / prefill rate + the wait for a slot where all are taken
    prefill = uncached tokens / prefill rate

The sum is GORGO's (arXiv 2602.11688) with own-dispatch accounting, connection setup and upload added.
"""

from collections.abc import Mapping, Sequence

from intertie.policy.routing.affinity import Warm
from intertie.policy.routing.choice import Choice
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Row

BYTES_PER_TOKEN = 4
FIRST_WINDOW_BYTES = 14_600
"""Ten segments of 1,460 bytes: what a new TCP connection sends before it hears back (RFC 6928)."""

Estimate = tuple[Row, EndpointState, float, float, float | None, float]
"""Row, state, time to first token and the queue's part of it (s), cost (nano-dollars; None unknown), gCO2."""


def upload_rounds(size: int) -> int:
    """Extra round trips to send `size` bytes on a new connection, whose window doubles with each."""
    return max(0, -(-size // FIRST_WINDOW_BYTES)).bit_length() - (size > 0)


def estimate(
    rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, warm: Warm, now: float
) -> list[Estimate]:
    """One estimate per row at monotonic time `now`; `warm` is where the prefix is believed to be cached."""
    prompt, limit = choice.prompt_tokens, choice.max_output
    cached = int(prompt * warm.hit)
    rounds = upload_rounds(prompt * BYTES_PER_TOKEN)
    estimates: list[Estimate] = []
    for row in rows:
        state = states[row.id]
        hit = cached if row.id == warm.endpoint else 0
        fresh, rate = prompt - hit, state.prefill_tps
        output = state.model.mean_output
        if limit is not None and limit < output:
            output = limit
        rtt = row.rtt_s if state.rtt_s is None else state.rtt_s
        wait = state.in_flight_tokens / rate
        if state.in_flight >= row.slots:
            wait += (state.in_flight + 1 - row.slots) / row.slots * output * state.decode_s
        new = 0 if state.idle and now <= state.idle_until else row.handshakes + rounds
        ttft = state.corrected(rtt * (1 + new) + wait + state.overhead_s + fresh / rate, now)
        cost = None
        if row.priced:
            cost = fresh * row.input_nano + hit * row.cached_nano + output * row.output_nano + row.request_nano
        estimates.append((row, state, ttft, wait, cost, fresh * row.input_grams + output * row.output_grams))
    return estimates
