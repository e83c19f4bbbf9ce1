"""A call: what one request asks for, read once from its bytes."""

from typing import TypeAlias

import msgspec

from intertie.core.endpoint import Dialect, Operation
from intertie.core.usage import NOTHING, Usage

Fields: TypeAlias = dict[str, msgspec.Raw]
"""The top level of a JSON body: each value as the bytes it came in, so that what nobody knows survives."""


class MaxPrice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The dearest list price a request accepts, in dollars: per million prompt and completion tokens, per request."""

    prompt: str | None = None
    completion: str | None = None
    request: str | None = None


class Ask(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the caller wants of the choice, by `x-intertie-*` header or the body's `intertie` object.

    `weights` per axis (ttft, cost, affinity, capacity, proximity, carbon); `slo_ttft_ms` a target; `max_cost_usd` a
    cap on this request, `max_gco2` one in grams of CO2; `residency` jurisdictions; `session` a name or a signed token;
    `explain` asks for the reasons. `models` are public names to fall back to, in this order; `only`, `ignore` and
    `order` (to be tried first, in this order) name endpoints, sites or providers; `fallbacks` False: one endpoint, no
    other; `max_price` the dearest list price; `no_retention` that nothing may be kept; `strict` that no parameter may
    be dropped, whatever the route says.
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
    models: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    fallbacks: bool = True
    max_price: MaxPrice | None = None
    no_retention: bool = False
    strict: bool = False


NO_ASK = Ask()


class Call(msgspec.Struct, frozen=True):
    """One request, understood as far as the gateway must; everything else stays in `body`.

    `body` is canonical: what was authorised, one key each, no white space between values; `fields` is its top level.
    `prompt_tokens` is an estimate from the size (the upstream's count settles the bill); `max_output` the most output
    tokens per choice, None if the caller named no limit; `affinity` an 8-byte digest of what earlier requests are
    likely to share; `wants_usage` whether a streaming caller asked for the usage chunk itself;
    `dialect` is the caller's, `content_type` that of `body`.

    `units` is the worst case of what the size of the body does not tell, over all choices: tokens of a prompt with
    media in it (`prompt`, 0 where every byte may be one; of it `image_in` and `audio_in`), tokens of output that is no
    text (`image_out`, `audio_out`), and what is sold by the piece. `hosted`: the endpoint may run tools of its own,
    whose results are read as more prompt than the body has.
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
    units: Usage = NOTHING
    hosted: bool = False
