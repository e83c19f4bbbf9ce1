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

Estimate = tuple[Row, int, float, float, float | None, float | None]
"""Row, slots taken, time to first token and the queue's part of it (s), nano-dollars, gCO2 (None: unknown)."""


def upload_rounds(size: int) -> int:
    """Extra round trips to send `size` bytes on a new connection, whose window doubles with each."""
    return max(0, -(-size // FIRST_WINDOW_BYTES)).bit_length() - (size > 0)


def estimate(
    rows: Sequence[Row], states: Mapping[str, EndpointState], choice: Choice, warm: Warm, now: float
) -> list[Estimate]:
    """One estimate per row at monotonic time `now`; `warm` is where the prefix is believed to be cached."""
    prompt, limit = float(choice.prompt_tokens), choice.max_output
    cached = prompt * warm.hit
    rounds = upload_rounds(choice.prompt_tokens * BYTES_PER_TOKEN)
    held = warm.endpoint
    estimates: list[Estimate] = []
    for row in rows:
        state = states[row.id]
        hit = cached if row.id == held else 0.0
        fresh, rate, in_flight = prompt - hit, state.prefill_tps, state.in_flight
        output = state.model.mean_output
        if limit is not None and limit < output:
            output = limit
        rtt = row.rtt_s if state.rtt_s is None else state.rtt_s
        if not state.idle or now > state.idle_until:
            rtt *= 1 + row.handshakes + rounds
        wait = state.in_flight_tokens / rate
        if in_flight >= row.slots:
            wait += (in_flight + 1 - row.slots) / row.slots * output * state.decode_s
        ttft = state.corrected(rtt + wait + state.overhead_s + fresh / rate, now)
        if state.limits is not None:  # slots that the account has no room for are as good as taken
            in_flight = max(in_flight, int(row.slots * (1.0 - state.limits.part_left(now))))
        cost = gco2 = None
        if row.priced:
            cost = fresh * row.input_nano + hit * row.cached_nano + output * row.output_nano + row.request_nano
        if row.metered:
            gco2 = fresh * row.input_grams + output * row.output_grams
        estimates.append((row, in_flight, ttft, wait, cost, gco2))
    return estimates
