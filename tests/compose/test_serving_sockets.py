"""Realtime sessions in the real thing: kill -9 loses nothing that was acknowledged; a drain lets a response end."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from serving_world import KEY, USD_PER_TOKEN, Config, Serving
from supervised import eventually

from intertie.compose.listening import Address, listen_alone
from intertie.config.snapshot import ServerLimits, SocketLimits
from intertie.core.faults import Fault
from intertie.wire.frames import CLOSE, TEXT, FrameReader, frame, read_close
from intertie.wire.server import Rendered, Reply, Request, Server
from intertie.wire.upgrade import welcome
from intertie.wire.websocket import WebSocket

HELLO = (
    "GET /v1/realtime?model=voice HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    f"authorization: Bearer {KEY}\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Talker:
    """A Realtime endpoint: the first response of a session ends at once, the second when `let` is set."""

    def __init__(self) -> None:
        self.let = asyncio.Event()

    def screen(self, request: Request) -> Rendered | None:
        return None

    def render(self, fault: Fault) -> Rendered:
        return fault.status, b"", b""

    async def __call__(self, request: Request, reply: Reply) -> None:
        socket = reply.switch(welcome(request), SocketLimits())
        gone = asyncio.Event()
        socket.listen(Answering(socket, gone, self.let))
        await gone.wait()


class Answering:
    def __init__(self, socket: WebSocket, gone: asyncio.Event, let: asyncio.Event) -> None:
        self.socket, self.gone, self.let = socket, gone, let
        self.asked = 0

    def on_message(self, data: bytes, text: bool) -> None:
        self.asked += 1
        self.say("response.created", id=f"r{self.asked}")
        if self.asked == 1:
            self.end("r1")
        else:
            waiting = asyncio.ensure_future(self.let.wait())
            waiting.add_done_callback(lambda done: done.cancelled() or self.end("r2"))

    def on_flow(self, clear: bool) -> None:
        pass

    def on_leave(self, why: str) -> None:
        pass

    def on_gone(self, code: int, why: str) -> None:
        self.gone.set()

    def end(self, name: str) -> None:
        self.say("response.done", id=name, conversation_id="c", usage={"input_tokens": 10, "output_tokens": 3})

    def say(self, kind: str, **response: Any) -> None:
        self.socket.send(json.dumps({"type": kind, "response": response}).encode())


@asynccontextmanager
async def talker() -> AsyncIterator[tuple[Talker, int]]:
    """An endpoint for as long as the block lasts, and its port."""
    app, crashes = Talker(), list[BaseException]()
    server = Server(app, ServerLimits(), crashes.append)
    sock = listen_alone(Address("127.0.0.1", 0))
    await server.listen(sock)
    try:
        yield app, sock.getsockname()[1]
    finally:
        app.let.set()
        await server.close(0.0)
    assert not crashes


class Session:
    """A caller's session."""

    async def open(self, port: int) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(HELLO.encode())
        assert b" 101 " in await self.reader.readuntil(b"\r\n\r\n")
        self._frames = FrameReader(masked=False, longest=1 << 20)

    async def until(self, kind: str) -> int:
        """Until an event of this type; the close code if the session ends before."""
        while True:
            while (message := self._frames.next()) is not None:
                if message.kind == CLOSE:
                    self.writer.transport.abort()
                    return read_close(message.data)[0]
                if message.kind == TEXT and json.loads(message.data)["type"] == kind:
                    return 0
            data = await asyncio.wait_for(self.reader.read(1 << 16), 10)
            if not data:
                self.writer.transport.abort()
                return 1006
            self._frames.feed(data)

    def create(self) -> None:
        self.writer.write(frame(TEXT, b'{"type":"response.create"}', os.urandom(4)))


def config(port: int) -> Config:
    endpoint = {
        "id": "voice", "site": "near", "model": "voice", "url": f"http://127.0.0.1:{port}/v1",
        "operations": ["realtime"], "price": USD_PER_TOKEN, "max_output": 100,
    }  # fmt: skip
    return {
        "gateway": {"workers": 1, "drain_s": 20},
        "sites": [{"id": "near", "jurisdiction": ["DE"], "rtt_ms": 1}],
        "endpoints": [endpoint],
        "groups": [{"name": "devs", "budget": {"usd": 1_000_000}, "limits": {"rpm": 1_000, "concurrent": 10}}],
        "keys": [{"name": "dev", "value": "env:DEV_KEY", "group": "devs"}],
    }


async def test_after_a_kill_what_was_told_is_booked_and_what_was_under_way_is_charged_what_was_set_aside(
    tmp_path: Path,
) -> None:
    async with talker() as (_, port), Serving(tmp_path, config(port)) as gateway:
        await gateway.until("ready")
        session = Session()
        await session.open(gateway.data)
        for kind in ("response.done", "response.created"):
            session.create()
            assert await session.until(kind) == 0
        (worker,) = await gateway.pids("worker-0")
        os.kill(worker, signal.SIGKILL)
        assert await session.until("") == 1006
        rows = await gateway.closed(3)
        ended = sorted((row.outcome, row.cost_nano or 0, row.completion) for row in rows.values())
        assert ended == [("interrupted", 0, 0), ("interrupted", 100 * 10**9, 0), ("served", 3 * 10**9, 3)]

        async def sound() -> bool:
            return (await gateway.verdict()).sound and (await gateway.account())[1:] == (103 * 10**9, 0)

        await eventually(sound)
        assert await gateway.stop() == 0
    assert gateway.named("crash") == []


async def test_a_drain_lets_a_response_end_and_then_says_farewell(tmp_path: Path) -> None:
    async with talker() as (endpoint, port), Serving(tmp_path, config(port)) as gateway:
        await gateway.until("ready")
        idle, busy = Session(), Session()
        await idle.open(gateway.data)
        await busy.open(gateway.data)
        for kind in ("response.done", "response.created"):
            busy.create()
            assert await busy.until(kind) == 0
        gateway.send(signal.SIGTERM)
        assert await idle.until("") == 1012
        endpoint.let.set()
        assert await busy.until("response.done") == 0
        assert await busy.until("") == 1012
        assert await gateway.ended() == 0
        rows = await gateway.ledger()
        assert sorted((row.outcome, row.cost_nano) for row in rows.values()) == [
            ("served", 0), ("served", 0), ("served", 3 * 10**9), ("served", 3 * 10**9),
        ]  # fmt: skip
        assert (await gateway.verdict()).sound
    assert gateway.named("crash") == []
