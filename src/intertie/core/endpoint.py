"""An endpoint: one place that can serve one model. It is what the router chooses."""

from typing import Literal, get_args

import msgspec

from intertie.core.money import Price

Operation = Literal[
    "chat", "completions", "embeddings", "rerank", "images", "image_edits", "speech", "transcription", "translation",
    "moderations", "count_tokens", "realtime",
]  # fmt: skip
Dialect = Literal[
    "openai_chat", "openai_responses", "anthropic_messages", "gemini", "vertex", "bedrock", "azure_openai", "cohere"
]

Quirk = Literal[
    "no_stream_options", "no_developer_role", "max_tokens", "max_completion_tokens", "random_seed", "no_hints",
    "text_content",
]  # fmt: skip
"""Where an endpoint departs from the dialect it speaks; `dialects.quirks` says what each does to a body."""

OnUnsupported = Literal["refuse", "drop"]
"""What becomes of a parameter that an endpoint's dialect cannot say: the request is refused there, or goes without."""

OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class Origin(msgspec.Struct, frozen=True):
    """Where an endpoint listens: scheme, host, port and the path under which its operations hang (`/v1`)."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """The `Host` header: the port only where it is not the scheme's own; IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


class Speed(msgspec.Struct, frozen=True, gc=False):
    """What an endpoint is believed to do before it was measured.

    Tokens per second of prefill (one request alone) and of decode (one request alone), the fixed seconds before the
    first token, and how many requests run at once before they queue.
    """

    prefill_tps: float = 8_000.0
    decode_tps: float = 60.0
    overhead_s: float = 0.03
    slots: int = 32


class Endpoint(msgspec.Struct, frozen=True):
    """One model at one site.

    `model` is the public name, `upstream_model` the name the endpoint itself knows; `credential` the secret it wants
    (a bearer token), never shown; `watts` the power one busy replica draws, for the footprint of a request;
    `simulated` is true where no real model stands behind it, and is told wherever the endpoint shows. `region` and
    `project` place it within a cloud (Bedrock, Vertex); `api_version` is asked for where a provider has several.
    `provider` is the preset it was made from, "" for none; `names` are all by which a request may want or refuse it:
    its own, its site's, its provider's. `retains` tells that it may keep what it is sent: unknown is yes.
    `on_unsupported` None leaves it to the route. `rpm` and `tpm` are what one worker may send in any 60 seconds.
    """

    id: str
    site: str
    model: str
    upstream_model: str
    origin: Origin
    operations: tuple[Operation, ...] = ("chat", "completions")
    dialect: Dialect = "openai_chat"
    credential: str = ""
    price: Price | None = None
    speed: Speed = Speed()
    context: int = 131_072
    max_output: int = 4_096
    watts: float | None = None
    quality: float = 0.5
    max_connections: int = 256
    simulated: bool = False
    verify_tls: bool = True
    allow_private: bool = True
    region: str = ""
    project: str = ""
    api_version: str = ""
    provider: str = ""
    names: tuple[str, ...] = ()
    quirks: frozenset[Quirk] = frozenset()
    retains: bool = True
    on_unsupported: OnUnsupported | None = None
    rpm: int | None = None
    tpm: int | None = None

    def __repr__(self) -> str:
        """Only its id: what is printed by accident must not hold the credential."""
        return f"Endpoint({self.id!r})"
