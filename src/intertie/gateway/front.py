"""The front door, the application of `wire.server`: which path means what, and how faults look before a request is."""

from collections.abc import Awaitable
from urllib.parse import unquote

from intertie.core.faults import Fault, MethodNotAllowed, NotFound
from intertie.core.ids import RequestId
from intertie.dialects.openai_chat.both import PATHS
from intertie.dialects.openai_chat.pages import model_card, model_list
from intertie.dialects.registry import INBOUND
from intertie.gateway.authenticate import authenticate
from intertie.gateway.door import Door
from intertie.gateway.exchange import exchange
from intertie.gateway.guard import usable
from intertie.gateway.live import Live
from intertie.gateway.observe import note
from intertie.gateway.respond import JSON, refusal
from intertie.wire.server import Reply, Request

_OPENAI = INBOUND["openai_chat"]
_DOORS: dict[bytes, Door] = {
    prefix + path.encode(): Door(operation, _OPENAI) for operation, path in PATHS.items() for prefix in (b"/v1", b"")
}
_MODELS = (b"/v1/models", b"/models")
_LIVE = (b"/livez", b"/healthz", b"/health/liveness", b"/health/liveliness")
_READY = (b"/readyz", b"/health/readiness")
_TEXT = b"content-type: text/plain\r\n"


class Front:
    """Sends each request where its path points. Paths work with and without `/v1`."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, request: Request, reply: Reply) -> Awaitable[None]:
        """Answer one request."""
        door = _DOORS.get(request.path)
        if door is not None and request.method == "POST":
            return exchange(self._live, request, reply, door)
        return self._show(request, reply, door)

    async def _show(self, request: Request, reply: Reply, door: Door | None) -> None:
        try:
            status, headers, body = self._page(request, door)
        except Fault as fault:
            reply.send(*self.render(fault))
        else:
            reply.send(status, headers + _id_line(self._live.next_name()), body)

    def screen(self, request: Request) -> tuple[int, bytes, bytes] | None:
        """Refuse before a large body is read: nobody without a key may make us hold megabytes."""
        try:
            authenticate(self._live, request)
        except Fault as fault:
            return self.render(fault)
        return None

    def render(self, fault: Fault) -> tuple[int, bytes, bytes]:
        """A fault as an answer where no passage tells it: it gets an id of its own, by which the log knows it."""
        name = self._live.next_name()
        note(self._live, name, fault)
        status, headers, body = refusal(fault, _OPENAI, name)
        return status, headers + _id_line(name), body

    def _page(self, request: Request, door: Door | None) -> tuple[int, bytes, bytes]:
        path, live = request.path, self._live
        if door is not None:
            raise MethodNotAllowed(f"{path.decode('latin-1')} wants POST, not {request.method}.")
        if request.method not in ("GET", "HEAD"):
            raise NotFound(f"There is nothing at {request.method} {path[:200].decode('latin-1')}.")
        if path in _LIVE or path == b"/":
            return 200, _TEXT, b"ok\n"
        if path in _READY:
            return (200, _TEXT, b"ready\n") if live.ready else (503, _TEXT, b"not ready\n")
        for prefix in _MODELS:
            if path == prefix:
                return 200, JSON, self._models(request)
            if path.startswith(prefix + b"/"):
                return 200, JSON, self._model(request, unquote(path[len(prefix) + 1 :].decode("latin-1")))
        raise NotFound(f"There is nothing at {path[:200].decode('latin-1')}; the API is under /v1.")

    def _models(self, request: Request) -> bytes:
        principal = authenticate(self._live, request)
        return model_list([(name, self._owner(name)) for name in usable(self._live, principal)])

    def _model(self, request: Request, name: str) -> bytes:
        principal = authenticate(self._live, request)
        if name not in usable(self._live, principal):
            raise NotFound(
                f"The model {name[:200]!r} does not exist or you do not have access to it.", code="model_not_found"
            )
        return model_card(name, self._owner(name))

    def _owner(self, name: str) -> str:
        """Routes are the gateway's own; a model that only simulated engines serve says so."""
        rows = [one for one in self._live.snapshot.endpoints.values() if one.model == name]
        return "intertie-simulated" if rows and all(one.simulated for one in rows) else "intertie"


def _id_line(name: RequestId) -> bytes:
    return b"x-request-id: %b\r\n" % name.encode()
