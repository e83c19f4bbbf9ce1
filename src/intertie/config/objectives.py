"""The objectives that exist without being configured: what a business may want of a choice, as weights and a target.

The weights follow published routers' classes of traffic (real-time control, code completion, chat, batch), spread over
our axes; they are starting points, meant to be overridden. A target is the time to first token, in milliseconds, beyond
which an answer is worth nothing on that axis.
"""

from intertie.core.plan import Objective, Weights

BUILT_IN: tuple[Objective, ...] = (
    Objective(
        "realtime",
        Weights(ttft=0.55, cost=0.0, affinity=0.10, capacity=0.20, proximity=0.15, carbon=0.0),
        slo_ttft_ms=200.0,
    ),
    Objective(
        "interactive",
        Weights(ttft=0.40, cost=0.15, affinity=0.20, capacity=0.15, proximity=0.10, carbon=0.0),
        slo_ttft_ms=500.0,
    ),
    Objective(
        "balanced",
        Weights(ttft=0.25, cost=0.25, affinity=0.20, capacity=0.15, proximity=0.05, carbon=0.10),
        slo_ttft_ms=2_000.0,
    ),
    Objective(
        "economy",
        Weights(ttft=0.10, cost=0.60, affinity=0.10, capacity=0.15, proximity=0.0, carbon=0.05),
        slo_ttft_ms=5_000.0,
    ),
    Objective(
        "batch",
        Weights(ttft=0.0, cost=0.65, affinity=0.05, capacity=0.20, proximity=0.0, carbon=0.10),
        slo_ttft_ms=60_000.0,
    ),
    Objective(
        "green",
        Weights(ttft=0.10, cost=0.15, affinity=0.10, capacity=0.10, proximity=0.0, carbon=0.55),
        slo_ttft_ms=5_000.0,
    ),
)
