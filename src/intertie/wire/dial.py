"""Opening connections: resolve, check every address, connect to a checked one, TLS, maybe through a proxy."""

import asyncio
import socket
import ssl
from contextlib import ExitStack
from typing import Final

from intertie.core.clock import Clock, SystemClock
from intertie.core.endpoint import Origin
from intertie.core.faults import ConnectFailed
from intertie.wire.egress import EgressPolicy
from intertie.wire.proxy import Proxy, ProxySettings, Tunnel
from intertie.wire.tls import ResumingContext

RESOLVED_S: Final = 30.0
MAX_NAMES: Final = 1024
FALLBACK_S: Final = 1.0  # a name's next address is tried after so long

NO_PROXY: Final = ProxySettings()


class Resolver:
    """Names to addresses, each kept for 30 s; concurrent questions for one name are asked once."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._known: dict[str, tuple[float, asyncio.Future[list[str]]]] = {}

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a name, in the system's order of preference. Raises ConnectFailed."""
        now = self._clock.monotonic()
        until, found = self._known.get(host, (0.0, None))
        if found is None or now >= until:
            if len(self._known) >= MAX_NAMES:
                self._known.clear()
            found = asyncio.get_running_loop().run_in_executor(None, _resolve, host)
            self._known[host] = (now + RESOLVED_S, found)
        try:
            return await asyncio.shield(found)
        except OSError as error:
            self._known.pop(host, None)
            raise ConnectFailed(f"{host} cannot be resolved: {error.strerror or error}") from None


class Dialer:
    """Opens connections under one egress policy. `tls` is used for https origins, `proxy` says what stands between.

    Through a proxy the name is the proxy's to resolve; then the policy sees only origins given as an address.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        tls: ResumingContext,
        proxy: ProxySettings = NO_PROXY,
        resolver: Resolver | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._policy, self._tls, self._proxies = policy, tls, proxy
        self._clock = clock or SystemClock()
        self._resolver = resolver or Resolver(self._clock)

    def prefix(self, origin: Origin) -> bytes:
        """What every message to this origin needs because of a proxy, or nothing (see `wire.client.through_proxy`)."""
        proxy = self._proxies.for_origin(origin) if origin.scheme == "http" else None
        return proxy.prefix(origin) if proxy is not None else b""

    async def dial(self, origin: Origin, protocol: asyncio.Protocol) -> float | None:
        """Connect `protocol` to an origin; the seconds of the TCP handshake, or None where a proxy hides it.

        Raises ConnectFailed, EgressRefused, ConfigFault. The caller bounds the time.
        """
        proxy = self._proxies.for_origin(origin)
        try:
            if proxy is not None:
                await self._through(proxy, origin, protocol)
                return None
            sock, rtt = await self._connect(origin.host, origin.port, checked=True)
            await self._adopt(sock, origin, protocol)
        except ssl.SSLError as error:
            raise ConnectFailed(f"TLS with {origin.host} failed: {error.reason or error}") from None
        except OSError as error:
            raise ConnectFailed(f"{origin.host}:{origin.port} cannot be reached: {error.strerror or error}") from None
        return rtt

    def keep_session(self, transport: asyncio.Transport) -> None:
        """Keep the TLS session of a connection that has answered, for the next one to this host."""
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._tls.keep(tls)

    async def _connect(self, host: str, port: int, *, checked: bool) -> tuple[socket.socket, float]:
        addresses = [host] if _is_address(host) else await self._resolver.addresses(host)
        if checked:
            self._policy.check(host, addresses)
        failure: OSError | None = None
        for place, address in enumerate(addresses, 1):
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(FALLBACK_S if place < len(addresses) else None):
                    return await _connect_to(address, port), self._clock.monotonic() - began
            except OSError as error:  # TimeoutError is one
                failure = error
        raise failure or ConnectFailed(f"{host} has no address")

    async def _adopt(self, sock: socket.socket, origin: Origin, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        with ExitStack() as undo:
            undo.callback(sock.close)
            if origin.scheme == "http":
                await loop.create_connection(lambda: protocol, sock=sock)
            else:
                await loop.create_connection(lambda: protocol, sock=sock, ssl=self._tls, server_hostname=origin.host)
            undo.pop_all()

    async def _through(self, proxy: Proxy, origin: Origin, protocol: asyncio.Protocol) -> None:
        if _is_address(origin.host):
            self._policy.check(origin.host, [origin.host])
        sock, _ = await self._connect(proxy.host, proxy.port, checked=False)
        if origin.scheme == "http":
            await self._adopt(sock, origin, protocol)
            return
        loop = asyncio.get_running_loop()
        tunnel = Tunnel(origin, proxy)
        with ExitStack() as undo:
            undo.callback(sock.close)
            transport, _ = await loop.create_connection(lambda: tunnel, sock=sock)
            undo.pop_all()
            undo.callback(transport.abort)
            await tunnel.opened
            secured = await loop.start_tls(transport, protocol, self._tls, server_hostname=origin.host)
            if secured is None:
                raise ConnectFailed("the proxy closed the connection")
            protocol.connection_made(secured)
            undo.pop_all()


async def _connect_to(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(sock.close)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
        undo.pop_all()
    return sock


def _resolve(host: str) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
