"""The way through an HTTP proxy: which one, for which hosts, and the tunnel it opens for TLS."""

import asyncio
import base64
import ipaddress
from collections.abc import Mapping
from typing import cast
from urllib.parse import unquote, urlsplit

import msgspec

from intertie.core.endpoint import Origin
from intertie.core.faults import ConfigFault, ConnectFailed

_MAX_TUNNEL_HEAD = 16 * 1024


class ProxySettings(msgspec.Struct, frozen=True):
    """What the proxy environment says: a proxy URL (`http://user:password@host:port`) per scheme, and exceptions.

    `exempt` names hosts that are reached directly: exact, as suffix (`.example.com`), address, network, or `*`.
    """

    http: str = ""
    https: str = ""
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ProxySettings":
        """From `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`."""
        every = environment.get("all_proxy", "")
        exempt = tuple(name.strip().lower() for name in environment.get("no_proxy", "").split(",") if name.strip())
        return cls(environment.get("http_proxy") or every, environment.get("https_proxy") or every, exempt)

    def for_origin(self, origin: Origin) -> "Proxy | None":
        """The proxy on the way to an origin, if there is one. Raises ConfigFault if its URL cannot be used."""
        url = self.https if origin.scheme == "https" else self.http
        return None if not url or self._is_exempt(origin) else parse_proxy(url)

    def _is_exempt(self, origin: Origin) -> bool:
        host = origin.host.lower().rstrip(".")
        return any(_covers(name, host, origin.port) for name in self.exempt)


class Proxy(msgspec.Struct, frozen=True):
    """One HTTP proxy; `authorization` is the ready header line, or nothing."""

    host: str
    port: int
    authorization: bytes = b""

    def prefix(self, origin: Origin) -> bytes:
        """What a plain request through this proxy needs (see `wire.client.through_proxy`)."""
        return b"http://%b\r\n%b" % (origin.authority.encode("ascii"), self.authorization)


def parse_proxy(url: str) -> Proxy:
    """A proxy URL as a value; a bare `host:port` counts. Raises ConfigFault."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise ConfigFault(f"the proxy {url!r} is not a URL") from None
    if parts.scheme != "http" or not host:
        raise ConfigFault(f"the proxy {parts.scheme}://{host} cannot be used", hint="only http:// proxies are")
    if parts.username is None:
        return Proxy(host, port)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, b"proxy-authorization: Basic %b\r\n" % base64.b64encode(user.encode()))


class Tunnel(asyncio.Protocol):
    """Asks a proxy to connect us to an origin; `opened` resolves when it has, or raises ConnectFailed."""

    def __init__(self, origin: Origin, proxy: Proxy) -> None:
        authority = f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"
        name = authority.encode("ascii")
        self._message = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (name, name, proxy.authorization)
        self._answer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected to the proxy: ask."""
        cast("asyncio.Transport", transport).write(self._message)

    def data_received(self, data: bytes) -> None:
        """The proxy's answer; nothing may follow it before TLS begins."""
        self._answer += data
        if self.opened.done():
            return
        if self._answer.endswith(b"\r\n\r\n"):
            line = self._answer.partition(b"\r\n")[0]
            if line.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
                self.opened.set_result(None)
            else:
                self._fail(f"the proxy refused: {line.decode('latin-1')}")
        elif len(self._answer) > _MAX_TUNNEL_HEAD:
            self._fail("the proxy's answer has no end")

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy hung up."""
        self._fail("the proxy closed the connection")

    def _fail(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectFailed(why))


def _covers(name: str, host: str, port: int) -> bool:
    if name == "*":
        return True
    bare, _, wanted = name.rpartition(":") if name.count(":") == 1 else (name, "", "")
    if wanted and wanted != str(port):
        return False
    suffix = bare.lstrip("*").lstrip(".")
    return host == suffix or host.endswith("." + suffix) or _in_network(bare, host)


def _in_network(name: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False
