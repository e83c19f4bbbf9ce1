"""Names of the OpenTelemetry conventions for generative AI, in one place because they still move.

State of 2026-11: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (status: development). `input_tokens` includes
what was read from the cache. What has no name there is ours, under `intertie.`. Content is never told.
"""

from intertie.core.record import Observation

OPERATIONS = {"chat": "chat", "completions": "text_completion", "embeddings": "embeddings"}
PROVIDER = "intertie"

_FIELDS = {
    "model": "gen_ai.request.model",
    "stream": "gen_ai.request.stream",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "status": "http.response.status_code",
    "user": "user.id",
    "request": "intertie.request",
    "outcome": "intertie.outcome",
    "endpoint": "intertie.endpoint",
    "site": "intertie.site",
    "objective": "intertie.objective",
    "key": "intertie.key",
    "group": "intertie.group",
    "project": "intertie.project",
    "attempts": "intertie.attempts",
    "cost_nano": "intertie.cost_nano",
    "gco2": "intertie.gco2",
    "usage_estimated": "intertie.usage_estimated",
}
_RARE = {
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "written_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "tier": "intertie.service_tier",
}


def span_name(seen: Observation) -> str:
    """`{operation} {model}`, as the conventions ask."""
    return f"{OPERATIONS.get(seen.operation, seen.operation)} {seen.model}".strip()


def attributes(seen: Observation) -> dict[str, str | bool | int | float]:
    """A request's attributes; what is not known is left out."""
    told: dict[str, str | bool | int | float] = {
        "gen_ai.operation.name": OPERATIONS.get(seen.operation, seen.operation),
        "gen_ai.provider.name": PROVIDER,
    }
    for field, name in _FIELDS.items():
        value: str | bool | int | float = getattr(seen, field)
        if value != "":
            told[name] = value
    for field, name in _RARE.items():
        if more := getattr(seen, field):
            told[name] = more
    if seen.ttft_ms:
        told["gen_ai.response.time_to_first_chunk"] = seen.ttft_ms / 1000
    if seen.code:
        told["error.type"] = seen.code
    return told
