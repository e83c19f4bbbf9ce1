"""A caller of the gateway who speaks over a WebSocket, in frames of his own."""

import asyncio
import json
import os
from typing import Any

from rawcaller import RawCaller, Told
from world import KEY

from intertie.wire.frames import CLOSE, PING, PONG, TEXT, FrameReader, frame, read_close

HELLO = (
    "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


class SocketCaller(RawCaller):
    """`code` is what the gateway's farewell said, 0 until it came, 1006 if none did."""

    code = 0

    async def open(self, path: str, *headers: str, key: str = KEY) -> Told:
        """Shake hands; the head of the answer, with its body where it is no 101."""
        self.get(path, *HELLO, *headers, key=key)
        self._frames = FrameReader(masked=False, longest=1 << 26)
        return await self.answer()

    def tell(self, event: dict[str, Any] | bytes, kind: int = TEXT) -> None:
        """One message."""
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.writer.write(frame(kind, data, os.urandom(4)))

    async def event(self, seconds: float = 5.0) -> dict[str, Any] | None:
        """The next event; None when the gateway has closed the socket."""
        while not self.code:
            while (message := self._frames.next()) is not None:
                if message.kind == PING:
                    self.tell(message.data, PONG)
                elif message.kind == CLOSE:
                    self.code = read_close(message.data)[0]
                    self.tell(message.data, CLOSE)
                    return None
                elif message.kind == TEXT:
                    return json.loads(message.data)
            data = await asyncio.wait_for(self.reader.read(1 << 16), seconds)
            if not data:
                self.code = self.code or 1006
            self._frames.feed(data)
        return None

    async def events(self, *until: str) -> list[dict[str, Any]]:
        """The events up to one of these types, or until the socket is closed."""
        found: list[dict[str, Any]] = []
        while (event := await self.event()) is not None:
            found.append(event)
            if event["type"] in until:
                break
        return found
