"""The control port: metrics and health of the control process."""

from intertie.adapters.telemetry.prometheus import MetricsPage
from intertie.core.faults import Fault, NotFound
from intertie.wire.server import Rendered, Reply, Request

_TEXT = b"content-type: text/plain\r\n"
_LIVE = (b"/livez", b"/healthz", b"/health/liveness", b"/health/liveliness")
_READY = (b"/readyz", b"/health/readiness")


class ControlPage:
    """The application on the control port. `ready` is set by the control process."""

    def __init__(self, metrics: MetricsPage) -> None:
        self.ready = False
        self._metrics = metrics

    def screen(self, request: Request) -> Rendered | None:
        """Nothing is refused by its head."""

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer one request."""
        reply.send(*self._page(request))

    def render(self, fault: Fault) -> Rendered:
        """A fault in plain words."""
        return fault.status, _TEXT, fault.message.encode() + b"\n"

    def _page(self, request: Request) -> Rendered:
        if request.path == b"/metrics":
            accept = request.headers.get(b"accept", b"").decode("latin-1")
            content_type, body = self._metrics.render(accept)
            return 200, f"content-type: {content_type}\r\n".encode(), body
        if request.path in _LIVE:
            return 200, _TEXT, b"ok\n"
        if request.path in _READY:
            return (200, _TEXT, b"ready\n") if self.ready else (503, _TEXT, b"not ready\n")
        return self.render(NotFound("here are /metrics, /livez and /readyz"))
