"""What callers do with a response that is kept: read it, follow its stream, list what it was made from, cancel it,
delete it.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from intertie.core.faults import InvalidRequest, MethodNotAllowed, NotFound
from intertie.dialects.openai_responses.stored import StoredResponse, read_progress
from intertie.dialects.openai_responses.stored_bodies import cancelled, deleted, item_list, not_found, read_page
from intertie.dialects.sse import events
from intertie.gateway.authenticate import authenticate
from intertie.gateway.doors import KEPT
from intertie.gateway.live import Live
from intertie.gateway.making import behind, follow
from intertie.gateway.respond import EVENTS
from intertie.policy.routing.affinity import tenant
from intertie.wire.reply import Outlet
from intertie.wire.server import Request

_METHODS: Final = {"": ("GET", "DELETE"), "input_items": ("GET",), "cancel": ("POST",)}
_RUNNING: Final = ("queued", "in_progress")
_LOOK_AGAIN_S: Final = 0.5
_WAITING: Final = b": still being made\n\n"
_LOOKS_PER_WORD: Final = 20


async def visit(live: Live, request: Request, reply: Outlet) -> bytes:
    """The body of the answer; b"" where it was written as a stream.

    Raises Unauthenticated, NotFound (for another's response too), MethodNotAllowed, InvalidRequest, StoreFault.
    """
    owner = tenant(authenticate(live, request))
    name, part = _place(request)
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    if request.method == "DELETE":
        if not await live.archive.forget(owner, name):
            raise not_found(name)
        return deleted(name)
    if part == "cancel":
        return cancelled(_there(name, await live.archive.cancel(owner, name))).response
    if part == "input_items":
        page = read_page(query)
        chain = await live.archive.chain(owner, name)
        return item_list([_there(name, one) for one in chain or [None]], page)
    if query.get("stream", "").lower() in ("true", "1"):
        await _stream(live, reply, owner, name, _number(query))
        return b""
    return _there(name, await live.archive.find(owner, name)).response


def _place(request: Request) -> tuple[str, str]:
    """The response's name, and what of it is meant: "" for itself."""
    prefix = next(prefix for prefix in KEPT if request.path.startswith(prefix))
    name, _, part = request.path[len(prefix) :].decode("latin-1").partition("/")
    if part not in _METHODS or not name:
        raise NotFound(f"There is nothing at {request.path[:200].decode('latin-1')}.")
    if request.method not in _METHODS[part]:
        wanted = " or ".join(_METHODS[part])
        raise MethodNotAllowed(f"{request.path[:200].decode('latin-1')} wants {wanted}, not {request.method}.")
    return name, part


def _there(name: str, stored: StoredResponse | None) -> StoredResponse:
    if stored is None:
        raise not_found(name)
    return stored


def _number(query: dict[str, str]) -> int:
    text = query.get("starting_after", "-1")
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 18:
        message = "Invalid value for 'starting_after': expected the number of an event."
        raise InvalidRequest(message, code="invalid_value", param="starting_after")
    return int(text)


async def _stream(live: Live, reply: Outlet, owner: str, name: str, after: int) -> None:
    """The stream from behind an event on: as it comes if it is made here, else when it is whole."""
    making = live.makings.find(owner, name)
    if making is not None and making.begun is not None and making.begun.streamed:
        reply.start(200, EVENTS)
        return await follow(making, reply, after)
    looks = 0
    while True:
        stored = _there(name, await live.archive.find(owner, name))
        running = read_progress(stored).status in _RUNNING
        if not (stored.streamed and stored.background) or not (running or stored.events):
            raise InvalidRequest(f"The response '{name}' has no stream: it was not made so, or has none any more.")
        if not running:
            break
        if not reply.started:
            reply.start(200, EVENTS)
        if looks % _LOOKS_PER_WORD == 0:
            reply.write(_WAITING)
        looks += 1
        await asyncio.sleep(_LOOK_AGAIN_S)
    if not reply.started:
        reply.start(200, EVENTS)
    reply.finish(behind(events(stored.events), after))
