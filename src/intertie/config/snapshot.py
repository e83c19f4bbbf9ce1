"""The snapshot: the one immutable value that is all a gateway worker knows of configuration.

The control process builds it from the file, the catalog and the stored keys (`control.publish`), writes it beside the
state and pushes it to the workers; a worker swaps it whole and keeps the last good one. Nothing edits a snapshot.
"""

from typing import Annotated, Literal

import msgspec

from intertie.core.endpoint import Endpoint, OnUnsupported
from intertie.core.plan import Objective
from intertie.core.principal import Meter, Principal
from intertie.core.site import Site


class Route(msgspec.Struct, frozen=True):
    """A virtual model: public models that may serve it, the objective it asks for, and where to go when all fail.

    `on_unsupported` holds for those of its endpoints that do not say themselves; None: refuse.
    """

    name: str
    candidates: tuple[str, ...]
    objective: str = ""
    fallback: tuple[str, ...] = ()
    on_unsupported: OnUnsupported | None = None


class ServerLimits(msgspec.Struct, frozen=True):
    """What the data port accepts. Bytes and seconds."""

    max_header_bytes: Annotated[int, "Most bytes of request line and headers."] = 32 * 1024
    max_headers: Annotated[int, "Most headers of a request."] = 100
    max_body_bytes: Annotated[int, "Most bytes of a request body."] = 32 * 1024 * 1024
    header_timeout_s: Annotated[float, "Seconds in which all headers must arrive."] = 10.0
    body_idle_timeout_s: Annotated[float, "Seconds a body may pause."] = 15.0
    body_timeout_s: Annotated[float, "Seconds in which the whole body must arrive."] = 120.0
    min_body_rate: Annotated[int, "Bytes per second a body must keep up."] = 1024
    keep_alive_s: Annotated[float, "Seconds an idle connection of a caller is kept."] = 75.0
    max_connections: Annotated[int, "Connections a worker holds at most."] = 10_000
    write_stall_s: Annotated[float, "Seconds a caller may not read before it is let go."] = 60.0


class SocketLimits(msgspec.Struct, frozen=True):
    """What a WebSocket may be, a caller's or one to an endpoint. Bytes and seconds."""

    max_message_bytes: Annotated[int, "Most bytes of a message."] = 16 * 1024 * 1024
    ping_s: Annotated[float, "Seconds of silence after which it is asked whether anybody is there."] = 20.0
    stall_s: Annotated[float, "Seconds the other side may not read before it is let go."] = 60.0
    idle_s: Annotated[float, "Seconds without a message after which a caller is let go."] = 900.0
    age_s: Annotated[float, "Seconds a caller's socket may last."] = 3_600.0


class UpstreamLimits(msgspec.Struct, frozen=True):
    """How long an endpoint may take, in seconds, and how much it may answer, in bytes."""

    connect_timeout_s: Annotated[float, "Seconds to wait for a connection."] = 5.0
    first_byte_timeout_s: Annotated[float, "Seconds to wait for the first byte of a stream."] = 60.0
    answer_timeout_s: Annotated[float, "Seconds to wait for an answer that comes whole, once all of it is made."] = (
        600.0
    )
    idle_stream_timeout_s: Annotated[float, "Seconds a stream may be silent."] = 60.0
    keep_alive_s: Annotated[float, "Seconds an idle connection to an endpoint is kept."] = 50.0
    max_answer_bytes: Annotated[int, "Most bytes of an answer that is not a stream."] = 64 * 1024 * 1024


class RetryPolicy(msgspec.Struct, frozen=True):
    """Failover before the first byte: how many endpoints at most, and which share of recent requests may be retries."""

    max_attempts: Annotated[int, "Endpoints tried for one request at most."] = 3
    budget_share: Annotated[float, "Share of recent requests that may be retries."] = 0.2
    budget_floor: Annotated[int, "Retries always allowed in that window."] = 10


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When an endpoint is left alone: after so many failures in a row, for so long (doubling to a cap), then probed."""

    failures: Annotated[int, "Failures in a row that open the breaker."] = 5
    open_s: Annotated[float, "Seconds it stays open the first time."] = 10.0
    max_open_s: Annotated[float, "Seconds it stays open at most; each time doubles."] = 300.0
    close_after: Annotated[int, "Probes in a row that must succeed to close it."] = 2
    failure_latency_s: Annotated[float, "Seconds a failure counts as in the latency estimate."] = 5.0


class ResponsePolicy(msgspec.Struct, frozen=True):
    """Which responses of the Responses API the gateway keeps, for calls that build on them, and for how long."""

    keep: Annotated[
        Literal["never", "asked", "always"],
        "Which responses are kept: none; those whose caller says `store: true` or builds on a kept one; all but those "
        "whose caller says `store: false`.",
    ] = "asked"
    days: Annotated[int, "Days a response is kept."] = 30

    @property
    def lifetime_s(self) -> int:
        """For how many seconds a response is kept."""
        return self.days * 24 * 3_600


class Snapshot(msgspec.Struct, frozen=True):
    """All a worker knows. `keys` maps the keyed digest (hex) of a key to its principal.

    `here` is the gateway's own site id, if it stands at one; `pepper` the secret that keys the digests and signs
    session tokens; `tolerance` the width of the score band within which the pick is drawn by lot.
    """

    version: int
    sites: dict[str, Site] = {}
    endpoints: dict[str, Endpoint] = {}
    routes: dict[str, Route] = {}
    objectives: dict[str, Objective] = {}
    default_objective: str = "balanced"
    meters: dict[str, Meter] = {}
    keys: dict[str, Principal] = {}
    pepper: bytes = b""
    here: str = ""
    tolerance: float = 0.03
    max_in_flight: int = 4_096
    default_max_output: int = 4_096
    server: ServerLimits = ServerLimits()
    websocket: SocketLimits = SocketLimits()
    upstream: UpstreamLimits = UpstreamLimits()
    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    responses: ResponsePolicy = ResponsePolicy()
    journal_fsync: str = "50ms"
    log_requests: bool = True
    record_plans: bool = True
    otlp_endpoint: str = ""

    def __repr__(self) -> str:
        """Only its version: what is printed by accident must not hold secrets."""
        return f"Snapshot({self.version})"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def pack(snapshot: Snapshot) -> bytes:
    """The snapshot as bytes, for the file and the link."""
    return _encode(snapshot)


def unpack(data: bytes) -> Snapshot:
    """The snapshot from bytes; raises msgspec.DecodeError if they are not one."""
    return _decode(data)
