"""A Realtime endpoint that a test scripts, event by event, and what it saw of the gateway."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from scripted import until
from world import free_socket

from intertie.config.snapshot import ServerLimits, SocketLimits
from intertie.core.faults import Fault
from intertie.wire.server import Rendered, Reply, Request, Server
from intertie.wire.upgrade import is_asked, welcome
from intertie.wire.websocket import WebSocket

USAGE = {
    "total_tokens": 150, "input_tokens": 120, "output_tokens": 30,
    "input_token_details": {
        "text_tokens": 40, "audio_tokens": 80, "cached_tokens": 50,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 30},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 20},
}  # fmt: skip


class Line:
    """One session, as the endpoint sees it. `heard` are the gateway's events; `code` is set when it is gone."""

    def __init__(self, voice: "Voice", request: Request, socket: WebSocket) -> None:
        self.voice, self.request, self.socket = voice, request, socket
        self.heard: list[dict[str, Any]] = []
        self.code = 0
        self._numbers = count(1)

    def say(self, kind: str, **fields: Any) -> None:
        """One event."""
        self.socket.send(json.dumps({"type": kind, "event_id": f"event_{next(self._numbers)}", **fields}).encode())

    def begin(self, response: str) -> None:
        """A response begins."""
        self.say("response.created", response=shown(response, status="in_progress"))

    def end(self, response: str, usage: dict[str, Any] | None = None, **more: Any) -> None:
        """A response ends."""
        self.say("response.done", response=shown(response, usage=usage or USAGE, **more))

    def answer(self, response: str, *words: str, **more: Any) -> None:
        """A whole response."""
        self.begin(response)
        for word in words:
            self.say("response.output_text.delta", response_id=response, delta=word)
        self.end(response, **more)

    def on_message(self, data: bytes, text: bool) -> None:
        event = json.loads(data)
        self.heard.append(event)
        self.voice.script(self, event)

    def on_flow(self, clear: bool) -> None:
        if clear:
            self.socket.go_on()
        else:
            self.socket.hold()

    def on_leave(self, why: str) -> None:
        self.socket.close(1001)

    def on_gone(self, code: int, why: str) -> None:
        self.code = code

    def kinds(self) -> list[str]:
        """The types of what was heard."""
        return [event["type"] for event in self.heard]


Script = Callable[[Line, dict[str, Any]], None]


def shown(response: str, **more: Any) -> dict[str, Any]:
    """A response object."""
    frame = {"id": response, "object": "realtime.response", "status": "completed", "output": []}
    return {**frame, "conversation_id": "conv_1", "usage": None, **more}


def obliging(line: Line, event: dict[str, Any]) -> None:
    """Answers what it is asked for, at once."""
    if event["type"] == "response.create":
        line.answer(f"resp_{len(line.heard)}", "Hel", "lo.")
    elif event["type"] == "session.update":
        line.say("session.updated", session=event["session"])


def silent(line: Line, event: dict[str, Any]) -> None:
    """Says nothing."""


class Voice:
    """The endpoint. `hears` is the turn detection that its sessions begin with."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.lines: list[Line] = []
        self.requests: list[Request] = []
        self.refusal: Rendered | None = None
        self.hears: dict[str, Any] | None = {"type": "server_vad", "create_response": True}
        self.crashes: list[BaseException] = []
        self.port = 0

    def screen(self, request: Request) -> Rendered | None:
        return None

    def render(self, fault: Fault) -> Rendered:
        return fault.status, b"", str(fault).encode()

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.requests.append(request)
        if self.refusal is not None or not is_asked(request):
            reply.send(*(self.refusal or (404, b"", b"")))
            return
        socket = reply.switch(welcome(request), SocketLimits())
        line = Line(self, request, socket)
        self.lines.append(line)
        socket.listen(line)
        session = {"id": "sess_1", "model": "m-upstream", "audio": {"input": {"turn_detection": self.hears}}}
        line.say("session.created", session=session)

    @property
    def line(self) -> Line:
        """The one session."""
        assert len(self.lines) == 1
        return self.lines[0]

    @property
    def open(self) -> int:
        """Sessions that are open."""
        return sum(not line.code for line in self.lines)

    async def heard(self, number: int) -> list[dict[str, Any]]:
        """Wait until so many events were heard in the one session; all of them."""
        await until(lambda: bool(self.lines) and len(self.line.heard) >= number)
        return self.line.heard


@asynccontextmanager
async def voice(script: Script = obliging) -> AsyncIterator[Voice]:
    """A Realtime endpoint for as long as the block lasts."""
    endpoint = Voice(script)
    server = Server(endpoint, ServerLimits(), endpoint.crashes.append)
    sock = free_socket()
    endpoint.port = sock.getsockname()[1]
    await server.listen(sock)
    try:
        yield endpoint
    finally:
        await server.close(0.0)
    assert not endpoint.crashes, endpoint.crashes
