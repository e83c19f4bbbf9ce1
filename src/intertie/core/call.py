"""A call: what one request asks for, read once from its bytes."""

from typing import TypeAlias

import msgspec

from intertie.core.endpoint import Dialect, Operation

Fields: TypeAlias = dict[str, msgspec.Raw]
"""The top level of a JSON body: each value as the bytes it came in, so that what nobody knows survives."""


class Ask(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the caller wants of the choice, by `x-intertie-*` header or the body's `intertie` object.

    `weights` per axis (ttft, cost, affinity, capacity, proximity, carbon); `slo_ttft_ms` a target; `max_cost_usd` a
    cap on this request, `max_gco2` one in grams of CO2; `residency` jurisdictions; `session` a name or a signed token;
    `explain` asks for the reasons.
    """

    objective: str = ""
    weights: dict[str, float] | None = None
    slo_ttft_ms: float | None = None
    max_cost_usd: str | None = None
    max_gco2: float | None = None
    residency: tuple[str, ...] = ()
    session: str = ""
    tags: tuple[str, ...] = ()
    explain: bool = False


NO_ASK = Ask()


class Call(msgspec.Struct, frozen=True):
    """One request, understood as far as the gateway must; everything else stays in `body`.

    `body` is canonical: what was authorised, one key each, no white space between values; `fields` is its top level.
    `prompt_tokens` is an estimate from the size (the upstream's count settles the bill); `max_output` the most output
    tokens per choice, None if the caller named no limit; `affinity` an 8-byte digest of what earlier requests are
    likely to share; `wants_usage` whether a streaming caller asked for the usage chunk itself;
    `dialect` is the caller's, `content_type` that of `body`.
    """

    operation: Operation
    model: str
    body: bytes
    fields: Fields = {}
    stream: bool = False
    wants_usage: bool = False
    prompt_tokens: int = 0
    max_output: int | None = None
    choices: int = 1
    affinity: bytes = b""
    ask: Ask = NO_ASK
    dialect: Dialect = "openai_chat"
    content_type: bytes = b"application/json"
