"""A caller of the gateway who speaks in raw bytes."""

import asyncio
import json
from urllib.parse import urlsplit

from world import KEY

ASK = {"model": "m", "messages": [{"role": "user", "content": "Tell me about the sea."}]}
CHAT = "/v1/chat/completions"


class Told:
    """An answer: status, headers (names in lower case), and body without its framing."""

    def __init__(self, head: bytes, body: bytes = b"") -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.head, self.body = head, body

    @property
    def error(self) -> dict[str, object]:
        """The error that the body tells."""
        return json.loads(self.body)["error"]


class RawCaller:
    """One connection to the gateway; a with block closes it."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    async def __aenter__(self) -> "RawCaller":
        self.reader, self.writer = await asyncio.open_connection(
            self._address.hostname, self._address.port, limit=1 << 24
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close at once."""
        self.writer.transport.abort()

    def post(self, body: object = None, path: str = CHAT, *headers: str, key: str = KEY) -> None:
        """Send a request. `body` is bytes, or fields laid over a plain chat request."""
        if not isinstance(body, bytes):
            asked = {**ASK, **body} if isinstance(body, dict) else ASK
            body = json.dumps(asked).encode()
        lines = [f"POST {path} HTTP/1.1", "host: gateway", f"content-length: {len(body)}", *headers]
        if key:
            lines.append(f"authorization: Bearer {key}")
        if not any(line.lower().startswith("content-type") for line in headers):
            lines.append("content-type: application/json")
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def get(self, path: str, *headers: str, key: str = KEY, method: str = "GET") -> None:
        """Ask for a page."""
        lines = [f"{method} {path} HTTP/1.1", "host: gateway", *headers]
        if key:
            lines.append(f"authorization: Bearer {key}")
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    async def head(self) -> Told:
        """The head of an answer."""
        return Told((await self._within(self.reader.readuntil(b"\r\n\r\n")))[:-4])

    async def chunk(self) -> bytes:
        """One chunk of a chunked answer; empty at its end."""
        size = int(await self._within(self.reader.readuntil(b"\r\n")), 16)
        return (await self._within(self.reader.readexactly(size + 2)))[:-2]

    async def answer(self) -> Told:
        """One whole answer. Raises IncompleteReadError where it is cut."""
        told = await self.head()
        if "content-length" in told.headers:
            told.body = await self._within(self.reader.readexactly(int(told.headers["content-length"])))
        elif told.headers.get("transfer-encoding") == "chunked":
            while chunk := await self.chunk():
                told.body += chunk
        return told

    async def _within(self, what: object) -> bytes:
        return await asyncio.wait_for(what, 5)


async def ask(url: str, body: object = None, path: str = CHAT, *headers: str, key: str = KEY) -> Told:
    """Send one request on a connection of its own; the whole answer."""
    async with RawCaller(url) as caller:
        caller.post(body, path, *headers, key=key)
        return await caller.answer()


async def page(url: str, path: str, *headers: str, key: str = KEY, method: str = "GET") -> Told:
    """Ask for one page on a connection of its own."""
    async with RawCaller(url) as caller:
        caller.get(path, *headers, key=key, method=method)
        return await caller.answer()
