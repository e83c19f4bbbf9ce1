"""The front door, the application of `wire.server`: which path means what, and how faults look before a request is."""

from collections.abc import Awaitable
from urllib.parse import unquote

from intertie.core.faults import Fault, MethodNotAllowed, NotFound
from intertie.core.ids import RequestId
from intertie.dialects.pages import (
    anthropic_card,
    anthropic_list,
    counted,
    gemini_card,
    gemini_list,
    model_card,
    model_list,
)
from intertie.dialects.registry import INBOUND
from intertie.dialects.weight import weigh
from intertie.gateway.authenticate import authenticate
from intertie.gateway.door import Door
from intertie.gateway.doors import DOORS, KEPT, REALTIME, RESPONSES, SOCKETS, by_prefix
from intertie.gateway.ephemeral import mint
from intertie.gateway.exchange import exchange
from intertie.gateway.guard import guard, usable
from intertie.gateway.later import later
from intertie.gateway.live import Live
from intertie.gateway.observe import note
from intertie.gateway.realtime import converse
from intertie.gateway.receive import receive
from intertie.gateway.respond import JSON, refusal
from intertie.gateway.turns import take_turns
from intertie.gateway.visit import visit
from intertie.wire.server import Reply, Request
from intertie.wire.upgrade import is_asked

_GOOGLE = b"/v1beta/models"
_MODELS = (b"/v1/models", b"/models", _GOOGLE)
_SECRETS = (b"/v1/realtime/client_secrets", b"/realtime/client_secrets")
_LIVE = (b"/livez", b"/healthz", b"/health/liveness", b"/health/liveliness")
_READY = (b"/readyz", b"/health/readiness")
_TEXT = b"content-type: text/plain\r\n"


class Front:
    """Sends each request where its path points. Paths work with and without `/v1`."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, request: Request, reply: Reply) -> Awaitable[None]:
        """Answer one request."""
        door = DOORS.get(request.path) or by_prefix(request)
        if door is not None and request.method == "POST" and door.operation != "count_tokens":
            if door is RESPONSES and b'"background"' in request.body:
                return later(self._live, request, reply, door)
            return exchange(self._live, request, reply, door)
        if request.path in SOCKETS and request.method == "GET" and (is_asked(request) or door is None):
            return self._speak(request, reply, SOCKETS[request.path])
        if request.path.startswith(KEPT):
            return self._visit(request, reply)
        return self._show(request, reply, door)

    async def _speak(self, request: Request, reply: Reply, door: Door) -> None:
        if door is REALTIME:
            await converse(self._live, request, reply, door)
            return
        try:
            await take_turns(self._live, request, reply, door)
        except Fault as fault:
            reply.send(*self._refused(fault, door))

    async def _show(self, request: Request, reply: Reply, door: Door | None) -> None:
        try:
            status, headers, body = self._page(request, door)
        except Fault as fault:
            reply.send(*self._refused(fault, door))
        else:
            reply.send(status, headers + _id_line(self._live.next_name()), body)

    async def _visit(self, request: Request, reply: Reply) -> None:
        try:
            page = await visit(self._live, request, reply)
        except Fault as fault:
            if reply.started:
                reply.finish(RESPONSES.inbound.error_event(fault, ""))
            else:
                reply.send(*self._refused(fault, RESPONSES))
        else:
            if page:
                reply.send(200, JSON + _id_line(self._live.next_name()), page)

    def screen(self, request: Request) -> tuple[int, bytes, bytes] | None:
        """Refuse before a large body is read: nobody without a key may make us hold megabytes."""
        try:
            authenticate(self._live, request)
        except Fault as fault:
            return self._refused(fault, DOORS.get(request.path) or by_prefix(request))
        return None

    def render(self, fault: Fault) -> tuple[int, bytes, bytes]:
        """A fault as an answer where nothing is known of the request, not even its dialect."""
        return self._refused(fault, None)

    def _refused(self, fault: Fault, door: Door | None) -> tuple[int, bytes, bytes]:
        """A fault that no passage tells: it gets an id of its own, by which the log knows it."""
        name = self._live.next_name()
        note(self._live, name, fault)
        status, headers, body = refusal(fault, door.inbound if door else INBOUND["openai_chat"], name)
        return status, headers + _id_line(name), body

    def _page(self, request: Request, door: Door | None) -> tuple[int, bytes, bytes]:
        path = request.path
        if door is not None:
            if request.method != "POST":
                raise MethodNotAllowed(f"{path.decode('latin-1')} wants POST, not {request.method}.")
            return 200, JSON, self._count(request, door)
        if path in _SECRETS and request.method == "POST":
            return 200, JSON, mint(self._live, request)
        if request.method not in ("GET", "HEAD"):
            raise NotFound(f"There is nothing at {request.method} {path[:200].decode('latin-1')}.")
        if path in _LIVE or path == b"/":
            return 200, _TEXT, b"ok\n"
        if path in _READY:
            return (200, _TEXT, b"ready\n") if self._live.ready else (503, _TEXT, b"not ready\n")
        return 200, JSON, self._about_models(request)

    def _about_models(self, request: Request) -> bytes:
        path = request.path
        for prefix in _MODELS:
            if path == prefix:
                return self._models(request)
            if path.startswith(prefix + b"/"):
                return self._model(request, unquote(path[len(prefix) + 1 :].decode("latin-1")))
        raise NotFound(f"There is nothing at {path[:200].decode('latin-1')}; the API is under /v1.")

    def _count(self, request: Request, door: Door) -> bytes:
        """How many tokens a prompt has, by the gateway's own estimate: no endpoint is asked, and nothing is paid."""
        principal = authenticate(self._live, request)
        call = receive(request, door)
        guard(self._live, principal, call)
        return counted(door.inbound.name, call.prompt_tokens or weigh(call.body, door.inbound.name).tokens)

    def _models(self, request: Request) -> bytes:
        principal = authenticate(self._live, request)
        if _is_of_google(request):
            return gemini_list(usable(self._live, principal))
        cards = [(name, self._owner(name)) for name in usable(self._live, principal)]
        return anthropic_list(cards) if b"anthropic-version" in request.headers else model_list(cards)

    def _model(self, request: Request, name: str) -> bytes:
        principal = authenticate(self._live, request)
        if name not in usable(self._live, principal):
            raise NotFound(
                f"The model {name[:200]!r} does not exist or you do not have access to it.", code="model_not_found"
            )
        if _is_of_google(request):
            return gemini_card(name)
        return anthropic_card(name) if b"anthropic-version" in request.headers else model_card(name, self._owner(name))

    def _owner(self, name: str) -> str:
        """Routes are the gateway's own; a model that only simulated engines serve says so."""
        rows = [one for one in self._live.snapshot.endpoints.values() if one.model == name]
        return "intertie-simulated" if rows and all(one.simulated for one in rows) else "intertie"


def _is_of_google(request: Request) -> bool:
    """Google's SDK asks for models under `/v1` too; its key's header tells."""
    return request.path.startswith(_GOOGLE) or b"x-goog-api-key" in request.headers


def _id_line(name: RequestId) -> bytes:
    return b"x-request-id: %b\r\n" % name.encode()
