"""Through an HTTP proxy: absolute form for http, a tunnel for https, and the hosts that are exempt."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from fake_upstream import Upstream, says
from reaching import ask, dialer

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.core.faults import ConfigFault, ConnectFailed, EgressRefused
from intertie.wire.pool import Pool
from intertie.wire.proxy import ProxySettings, parse_proxy
from intertie.wire.tls import ResumingContext


class FakeProxy:
    """Opens every tunnel to one port of this machine, or answers `refusal`."""

    def __init__(self, target: int, refusal: bytes = b"") -> None:
        self._target, self._refusal = target, refusal
        self.heads: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> "FakeProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self._refusal:
            writer.write(self._refusal)
            writer.close()
            return
        there, away = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: fake\r\n\r\n")
        await asyncio.gather(_pump(reader, away), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except ConnectionError:
        writer.transport.abort()
    writer.close()


@pytest.fixture
async def tunnels() -> AsyncIterator[list[FakeProxy]]:
    started: list[FakeProxy] = []
    yield started
    for one in started:
        one.stop()


def pool_to(origin: Origin, settings: ProxySettings, **options: object) -> Pool:
    limits = UpstreamLimits(connect_timeout_s=2.0)
    return Pool(origin, limits, max_connections=2, dialer=dialer(proxy=settings, **options))


async def test_http_goes_in_absolute_form_with_credentials(upstream: Upstream) -> None:
    proxy = await upstream(says(200, b"through"))
    settings = ProxySettings(http=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
    pool = pool_to(Origin("http", "far.example", 8080), settings)
    big = [b"POST /big HTTP/1.1\r\nhost: far.example:8080\r\ncontent-length: 3\r\n\r\n", b"abc"]
    assert (await ask(pool)).body == b"through"
    assert (await ask(pool, big)).body == b"through"
    credentials = base64.b64encode(b"user:p@ss")
    assert [visit.head.split(b"\r\n")[:2] for visit in proxy.visits] == [
        [b"POST http://far.example:8080/v1/x HTTP/1.1", b"proxy-authorization: Basic " + credentials],
        [b"POST http://far.example:8080/big HTTP/1.1", b"proxy-authorization: Basic " + credentials],
    ]
    assert proxy.visits[1].body == b"abc"
    await pool.close()


async def test_https_goes_through_a_tunnel_and_is_verified(upstream: Upstream, tunnels: list[FakeProxy]) -> None:
    authority = trustme.CA()
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("far.example").configure_cert(secured)
    endpoint = await upstream(says(200, b"secret"), tls=secured)
    proxy = await FakeProxy(endpoint.port).start()
    tunnels.append(proxy)
    trusting = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    trips: list[float] = []
    settings = ProxySettings(https=f"127.0.0.1:{proxy.port}")
    pool = Pool(
        Origin("https", "far.example", 443),
        UpstreamLimits(),
        max_connections=2,
        dialer=dialer(proxy=settings, tls=trusting),
        on_rtt=trips.append,
    )
    assert (await ask(pool)).body == b"secret"
    assert proxy.heads == [b"CONNECT far.example:443 HTTP/1.1\r\nhost: far.example:443\r\n\r\n"]
    assert trips == []  # the proxy's distance is not the endpoint's
    await pool.close()
    with pytest.raises(ConnectFailed, match=r"TLS with evil.example failed"):
        await pool_to(Origin("https", "evil.example", 443), settings, tls=trusting).connect()


@pytest.mark.parametrize("refusal", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"SSH-2.0\r\n\r\n", b"x"])
async def test_a_proxy_that_refuses_is_a_failed_connection(tunnels: list[FakeProxy], refusal: bytes) -> None:
    proxy = await FakeProxy(0, refusal).start()
    tunnels.append(proxy)
    settings = ProxySettings(https=f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectFailed, match="the proxy"):
        await pool_to(Origin("https", "far.example", 443), settings).connect()


async def test_an_address_is_checked_even_when_a_proxy_would_connect(upstream: Upstream) -> None:
    proxy = await upstream(says(200, b"through"))
    settings = ProxySettings(http=f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(EgressRefused):
        await pool_to(Origin("http", "169.254.169.254", 80), settings).connect()
    assert proxy.accepted == 0


@pytest.mark.parametrize(
    ("exempt", "host", "direct"),
    [
        ("*", "far.example", True),
        ("far.example", "far.example", True),
        ("far.example", "FAR.example.", True),
        ("far.example", "very.far.example", True),
        (".far.example", "very.far.example", True),
        ("*.far.example", "very.far.example", True),
        ("far.example:8080", "far.example", True),
        ("far.example:81", "far.example", False),
        ("ar.example", "far.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("::1, fd00::/8", "fd00::5", True),
        ("[::1]", "::1", True),
        ("", "far.example", False),
    ],
)
def test_some_hosts_are_reached_directly(exempt: str, host: str, direct: bool) -> None:
    settings = ProxySettings.from_environment({"all_proxy": "http://proxy:3128", "no_proxy": exempt})
    assert (settings.for_origin(Origin("http", host, 8080)) is None) == direct
    assert settings.for_origin(Origin("https", "other.example", 443)) == (
        None if exempt == "*" else parse_proxy("proxy:3128")
    )


def test_without_proxies_everything_is_direct() -> None:
    assert ProxySettings.from_environment({}).for_origin(Origin("http", "far.example", 80)) is None


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:port", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_a_fault_of_configuration(url: str) -> None:
    with pytest.raises(ConfigFault):
        parse_proxy(url)
