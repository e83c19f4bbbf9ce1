"""The handshake that makes a WebSocket of an HTTP/1.1 connection (RFC 6455, section 4), on both sides."""

import asyncio
import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Final

from intertie.config.snapshot import SocketLimits
from intertie.core.answers import fault_of
from intertie.core.faults import InvalidRequest, UpstreamGarbled
from intertie.wire.pool import Pool
from intertie.wire.relay import Collect
from intertie.wire.reply import Request
from intertie.wire.websocket import WebSocket

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_REFUSAL: Final = 64 * 1024


def is_asked(request: Request) -> bool:
    """Whether a request asks for a WebSocket."""
    return request.method == "GET" and request.headers.get(b"upgrade", b"").lower() == b"websocket"


def offered(request: Request) -> list[bytes]:
    """The subprotocols that a caller offers, in its order."""
    names = request.headers.get(b"sec-websocket-protocol", b"").split(b",")
    return [name.strip() for name in names if name.strip()]


def welcome(request: Request, subprotocol: bytes = b"") -> bytes:
    """The header lines that accept a caller. Raises InvalidRequest for a handshake of another version, or a broken one.

    Extensions are never accepted: what is compressed cannot be passed on as it is, and compressing costs more than
    sending.
    """
    key = request.headers.get(b"sec-websocket-key", b"")
    if request.headers.get(b"sec-websocket-version") != b"13":
        raise InvalidRequest("The WebSocket version must be 13.", param="sec-websocket-version")
    if not _is_key(key):
        raise InvalidRequest("A WebSocket key is 16 bytes in base64.", param="sec-websocket-key")
    lines = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %b\r\n" % _accept(key)
    return lines + (b"sec-websocket-protocol: %b\r\n" % subprotocol if subprotocol else b"")


async def open_socket(
    pool: Pool,
    head: bytes,
    limits: SocketLimits,
    timeout_s: float,
    subprotocols: Sequence[bytes] = (),
    entropy: Callable[[int], bytes] = os.urandom,
) -> WebSocket:
    """A WebSocket to the endpoint of a pool, in which it keeps its place; not yet listened to.

    `head` is the request line and the header lines that are not of the handshake. Raises the fault that an answer other
    than 101 stands for, UpstreamGarbled for one that is no handshake, and what `Pool.connect` raises.
    """
    key = b64encode(entropy(16))
    connection = await pool.connect()
    socket = WebSocket(limits, lambda _: connection.connection_lost(None), lambda: entropy(4))
    connection.switch = socket.take
    sink = Collect(asyncio.get_running_loop(), _MAX_REFUSAL)
    connection.exchange(_greeting(head, key, subprotocols), sink, timeout_s, timeout_s)
    try:
        answer = await sink.answered
    except asyncio.CancelledError:
        connection.leave(sink)
        socket.cut()
        raise
    if answer.status != 101:
        raise fault_of(answer.status, answer.headers, answer.body)
    why = _wrong(answer.headers, key, subprotocols)
    if why or not socket.open:
        socket.cut()
        raise UpstreamGarbled(f"The endpoint {why or 'did not switch to WebSocket'}.")
    return socket


def _greeting(head: bytes, key: bytes, subprotocols: Sequence[bytes]) -> bytes:
    lines = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: %b\r\n" % key
    if subprotocols:
        lines += b"sec-websocket-protocol: %b\r\n" % b", ".join(subprotocols)
    return head + lines + b"\r\n"


def _wrong(headers: dict[bytes, bytes], key: bytes, subprotocols: Sequence[bytes]) -> str:
    """What is wrong with an endpoint's answer to the handshake, "" if nothing is."""
    chosen = headers.get(b"sec-websocket-protocol")
    if headers.get(b"sec-websocket-accept") != _accept(key):
        return "did not answer the WebSocket handshake"
    if b"sec-websocket-extensions" in headers or (chosen is not None and chosen not in subprotocols):
        return "chose what was not offered in the WebSocket handshake"
    return ""


def _accept(key: bytes) -> bytes:
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _is_key(key: bytes) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except NotBase64:
        return False
