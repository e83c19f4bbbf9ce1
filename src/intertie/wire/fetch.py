"""One request, one answer, for the control plane: webhooks, probes, the demo. Redirects are not followed."""

import asyncio
from typing import Literal
from urllib.parse import urlsplit

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.core.faults import FirstByteLate, InvalidRequest
from intertie.wire.client import Connection
from intertie.wire.dial import Dialer
from intertie.wire.pool import Pool
from intertie.wire.relay import Answer, Collect

_MAX_ANSWER = 16 * 1024 * 1024


async def fetch(
    dialer: Dialer, method: str, url: str, headers: dict[str, str], body: bytes = b"", timeout_s: float = 30.0
) -> Answer:
    """Send one request on a connection of its own and collect the answer, whatever its status.

    Raises InvalidRequest for what is no http(s) URL, FirstByteLate when `timeout_s` is over, else the faults of
    connecting and of answers.
    """
    origin, target = parse_url(url)
    message = _message(method, origin, target, headers, body)
    loop = asyncio.get_running_loop()
    pool = Pool(origin, UpstreamLimits(connect_timeout_s=timeout_s), max_connections=1, dialer=dialer)
    sink = Collect(loop, _MAX_ANSWER)
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeout_s):
            connection = await pool.connect()
            connection.exchange(message, sink, timeout_s, timeout_s)
            return await sink.answered
    except TimeoutError:
        raise FirstByteLate(f"{origin.authority} did not answer within {timeout_s:g} s") from None
    finally:
        if connection is not None:
            connection.cancel()
        await pool.close()


def parse_url(url: str) -> tuple[Origin, str]:
    """Origin and request target of an http(s) URL. Raises InvalidRequest."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest(f"{url!r} is not a URL") from None
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise InvalidRequest(f"{url!r} is not an http or https URL without credentials")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(sign <= " " or sign > "~" for sign in target):
        raise InvalidRequest(f"{url!r} has characters that need percent-encoding")
    return Origin(scheme, host, port or (443 if scheme == "https" else 80), parts.path), target


def _message(method: str, origin: Origin, target: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method not in ("GET", "HEAD", "DELETE"):
        lines.append(f"content-length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidRequest("a header may not contain a line end")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
