"""The health port: whether the gateway lives, whether it takes requests, and what its processes do.

Answered by the supervisor, which does nothing else, so that a busy worker never fails a probe.
"""

from collections.abc import Callable

import msgspec

from intertie.config.snapshot import ServerLimits
from intertie.core.faults import Fault, NotFound
from intertie.wire.server import Rendered, Reply, Request

LIMITS = ServerLimits(max_header_bytes=8_192, max_body_bytes=0, header_timeout_s=5.0, max_connections=256)

_JSON = b"content-type: application/json\r\ncache-control: no-store\r\n"
_LIVE = (b"/livez", b"/healthz", b"/health/liveness", b"/health/liveliness")  # the last spelling is LiteLLM's
_READY = (b"/readyz", b"/health/readiness")


class ChildStatus(msgspec.Struct, frozen=True):
    """One child process. `busy` is its number of open requests; `leaving` that it was told to drain."""

    name: str
    pid: int
    state: str
    busy: int
    uptime_s: float
    restarts: int
    leaving: bool


class Status(msgspec.Struct, frozen=True):
    """All of the processes. `waiting_for` says what is missing to be ready; empty: nothing."""

    version: str
    ready: bool
    waiting_for: str
    uptime_s: float
    data: str
    control: str
    children: tuple[ChildStatus, ...]


class HealthApp:
    """The application on the health port."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def screen(self, request: Request) -> Rendered | None:
        """Nothing is refused by its head."""

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer a probe."""
        reply.send(*self._page(request))

    def render(self, fault: Fault) -> Rendered:
        """A fault as JSON."""
        return (
            fault.status,
            _JSON,
            msgspec.json.encode({"error": {"code": fault.code, "message": fault.message}}) + b"\n",
        )

    def _page(self, request: Request) -> Rendered:
        status = self._status()
        if request.path in _LIVE:
            return 200, _JSON, b'{"live":true}\n'
        if request.path in _READY:
            body = msgspec.json.encode({"ready": status.ready, "waiting_for": status.waiting_for}) + b"\n"
            return 200 if status.ready else 503, _JSON, body
        if request.path == b"/status":
            return 200, _JSON, msgspec.json.encode(status) + b"\n"
        return self.render(NotFound("here are /livez, /readyz and /status"))
