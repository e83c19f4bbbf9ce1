"""Records: what a worker writes about a request before it spends and before it answers, and how a request can end."""

from typing import Literal

import msgspec

from intertie.core.usage import Usage

Outcome = Literal["served", "refused", "failed", "left", "cut", "interrupted"]
"""served: answered whole · refused: by us, before any upstream · failed: no endpoint could · left: the caller went
away · cut: the upstream ended early, told as an error event · interrupted: the worker died; charged its hold."""


class Charge(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An amount against one account (a budget in one period), in nano-dollars."""

    account: str
    amount: int


class Admitted(msgspec.Struct, array_like=True, tag="a"):
    """Written before the upstream is called: from now on this request can cost up to `holds`."""

    sequence: int
    at: float
    key_id: str
    user: str
    group: str
    project: str
    operation: str
    model: str
    holds: tuple[Charge, ...]
    tags: tuple[str, ...] = ()
    objective: str = ""


class Settled(msgspec.Struct, array_like=True, tag="s"):
    """Written before the last byte leaves: what it was, where it ran, what it cost.

    Durations in seconds; `cost_nano` None where no price was known; `charges` repeats the cost per account;
    `plan` is the encoded `Plan` (msgpack), for replay.
    """

    sequence: int
    at: float
    outcome: Outcome
    status: int
    endpoint: str
    site: str
    upstream_model: str
    usage: Usage
    cost_nano: int | None
    price_source: str
    charges: tuple[Charge, ...]
    ttft_s: float
    duration_s: float
    gco2: float
    attempts: int
    fault: str = ""
    plan: bytes = b""
    stream: bool = False


JournalRow = Admitted | Settled


class Observation(msgspec.Struct, omit_defaults=True):
    """One request as the log tells it: one line of JSON, never a body, never a key.

    `why` is how an endpoint failed, in our words: more than the caller is told, and nothing that the endpoint said.
    """

    at: str
    request: str
    outcome: Outcome
    status: int
    code: str = ""
    key: str = ""
    user: str = ""
    group: str = ""
    project: str = ""
    operation: str = ""
    model: str = ""
    endpoint: str = ""
    site: str = ""
    objective: str = ""
    stream: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usage_estimated: bool = False
    cost_nano: int | None = None
    gco2: float = 0.0
    ttft_ms: float = 0.0
    duration_ms: float = 0.0
    attempts: int = 0
    caller_id: str = ""
    retry: str = ""
    why: str = ""
    reasoning_tokens: int = 0
    written_tokens: int = 0
    tier: str = ""
