"""The link between processes of one host: framed msgpack messages over a Unix stream socket.

A frame is a big-endian u32 length and a message encoded by msgspec. Only the owner of the state directory can connect.
"""

import asyncio
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

MAX_FRAME: Final = 64 * 1024 * 1024

M = TypeVar("M")
_LENGTH: Final = struct.Struct(">I")


class Peer(asyncio.Protocol, Generic[M]):
    """One end of a link. `up` while it is connected; nothing is sent after that."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[M],
        on_message: "Callable[[Peer[M], M], None]",
        on_open: "Callable[[Peer[M]], None]",
        on_close: "Callable[[Peer[M]], None]",
    ) -> None:
        self._decode, self._encode = decoder.decode, msgspec.msgpack.Encoder().encode
        self._on_message, self._on_open, self._on_close = on_message, on_open, on_close
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def up(self) -> bool:
        """Whether messages can be sent now."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: Any) -> None:
        """Send a message now; it is dropped if the link is down. Raises ValueError if it is too large for a frame."""
        payload = self._encode(message)
        if len(payload) > MAX_FRAME:
            raise ValueError(f"a message of {len(payload)} bytes does not fit the link")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_LENGTH.pack(len(payload)) + payload)

    def close(self) -> None:
        """Close when everything sent is written."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The link is up."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's transports inherit from none
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Take out every whole frame; what is no message ends the link."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _LENGTH.size:
                length: int = _LENGTH.unpack_from(buffer, start)[0]
                if length > MAX_FRAME:
                    self.close()
                    return
                end = start + _LENGTH.size + length
                if len(buffer) < end:
                    break
                message = self._decode(bytes(buffer[start + _LENGTH.size : end]))
                start = end
                self._on_message(self, message)
        except msgspec.DecodeError:
            self.close()
        finally:
            del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """The link is down."""
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)
        self._on_close(self)


class LinkServer(Generic[M]):
    """Listens on a Unix socket (mode 0600; a stale file is replaced) and speaks with every peer that connects."""

    def __init__(
        self,
        path: str | Path,
        decoder: msgspec.msgpack.Decoder[M],
        on_message: Callable[[Peer[M], M], None],
        on_open: Callable[[Peer[M]], None],
        on_close: Callable[[Peer[M]], None],
    ) -> None:
        self._path = Path(path)
        self._decoder, self._on_message, self._on_open, self._on_close = decoder, on_message, on_open, on_close
        self._listener: asyncio.AbstractServer | None = None
        self.peers: set[Peer[M]] = set()

    async def listen(self) -> None:
        """Begin to accept. Raises OSError: something that is no socket lies at the path, or it cannot be made."""
        if self._path.exists() and not stat.S_ISSOCK(self._path.stat().st_mode):
            raise FileExistsError(f"{self._path} exists and is not a socket")
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(str(self._path))
            self._path.chmod(0o600)
            self._listener = await asyncio.get_running_loop().create_unix_server(self._peer, sock=sock)
        except OSError:
            sock.close()
            raise

    async def close(self) -> None:
        """Stop accepting, close every link, remove the socket file."""
        if self._listener is not None:
            self._listener.close()
        peers = tuple(self.peers)
        for peer in peers:
            peer.close()
        if peers:
            await asyncio.wait([peer.closed for peer in peers], timeout=2.0)
        self._path.unlink(missing_ok=True)

    def _peer(self) -> Peer[M]:
        return Peer(self._decoder, self._on_message, self._opened, self._closed)

    def _opened(self, peer: Peer[M]) -> None:
        self.peers.add(peer)
        self._on_open(peer)

    def _closed(self, peer: Peer[M]) -> None:
        self.peers.discard(peer)
        self._on_close(peer)


class LinkClient(Generic[M]):
    """The other end. `connect` when `up` is false; when the link breaks, `on_lost` is called and the owner decides."""

    def __init__(
        self,
        path: str | Path,
        decoder: msgspec.msgpack.Decoder[M],
        on_message: Callable[[M], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._path = str(path)
        self._decoder, self._on_message, self._on_lost = decoder, on_message, on_lost
        self._peer: Peer[M] | None = None

    @property
    def up(self) -> bool:
        """Whether messages can be sent now."""
        return self._peer is not None and self._peer.up

    async def connect(self) -> None:
        """Open the link. Raises OSError if nobody listens."""
        loop = asyncio.get_running_loop()
        peer = Peer(self._decoder, self._heard, self._opened, self._closed)
        await loop.create_unix_connection(lambda: peer, self._path)

    def send(self, message: Any) -> None:
        """Send a message now; it is dropped if the link is down."""
        if self._peer is not None:
            self._peer.send(message)

    async def close(self) -> None:
        """Close when everything sent is written; `on_lost` is not called."""
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()
            await asyncio.wait([peer.closed], timeout=2.0)

    def _heard(self, peer: Peer[M], message: M) -> None:
        self._on_message(message)

    def _opened(self, peer: Peer[M]) -> None:
        self._peer = peer

    def _closed(self, peer: Peer[M]) -> None:
        if peer is self._peer:
            self._peer = None
            self._on_lost()
