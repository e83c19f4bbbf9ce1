"""TLS on both sides, with an authority of our own."""

import ssl
from pathlib import Path

import pytest
import trustme
from fake_upstream import FakeUpstream, Upstream, cuts, says
from reaching import ASK, ask, dialer
from serving import Serve, body_of, until

from intertie.config.snapshot import ServerLimits, UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.core.faults import ConnectFailed, StreamCut
from intertie.wire.dial import Dialer, Resolver
from intertie.wire.fetch import fetch
from intertie.wire.pool import Pool
from intertie.wire.tls import client_context, server_context


class Everywhere(Resolver):
    """Every name is this machine."""

    async def addresses(self, host: str) -> list[str]:
        return ["127.0.0.1"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    certificate = authority.issue_cert("good.example")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    return server_context(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> Dialer:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return dialer(tls=client_context(authorities=str(tmp_path / "ca.pem")), resolver=Everywhere())


def pool_to(endpoint: FakeUpstream, through: Dialer, host: str = "good.example") -> Pool:
    return Pool(
        Origin("https", host, endpoint.port), UpstreamLimits(connect_timeout_s=1.0), max_connections=4, dialer=through
    )


async def test_an_endpoint_with_the_right_name_is_believed(
    upstream: Upstream, secured: ssl.SSLContext, trusting: Dialer
) -> None:
    endpoint = await upstream(says(200, b"ok"), says(200, b"x" * 3_000_000), tls=secured)
    pool = pool_to(endpoint, trusting)
    assert (await ask(pool)).body == b"ok"
    assert len((await ask(pool)).body) == 3_000_000
    assert endpoint.accepted == 1
    await pool.close()


async def test_a_wrong_name_and_an_unknown_authority_are_refused(
    upstream: Upstream, secured: ssl.SSLContext, trusting: Dialer
) -> None:
    endpoint = await upstream(says(200, b"ok"), tls=secured)
    with pytest.raises(ConnectFailed, match=r"TLS with evil.example failed"):
        await pool_to(endpoint, trusting, "evil.example").connect()
    with pytest.raises(ConnectFailed, match=r"TLS with good.example failed"):
        await pool_to(endpoint, dialer(resolver=Everywhere())).connect()
    assert endpoint.visits == []


async def test_verification_can_be_switched_off(upstream: Upstream, secured: ssl.SSLContext) -> None:
    endpoint = await upstream(says(200, b"ok"), tls=secured)
    pool = pool_to(endpoint, dialer(tls=client_context(verify=False), resolver=Everywhere()), "evil.example")
    assert (await ask(pool)).body == b"ok"
    await pool.close()


async def test_a_plain_endpoint_behind_https_is_a_failed_connection(upstream: Upstream, trusting: Dialer) -> None:
    endpoint = await upstream(says(200, b"ok"))
    with pytest.raises(ConnectFailed):
        await pool_to(endpoint, trusting).connect()


async def test_sessions_are_resumed(upstream: Upstream, secured: ssl.SSLContext, trusting: Dialer) -> None:
    endpoint = await upstream(says(200, b"ok"), tls=secured)
    pool = pool_to(endpoint, trusting)
    first, second = await pool.connect(), None
    assert not first.transport.get_extra_info("ssl_object").session_reused
    first.cancel()
    await ask(pool)
    second = await pool.connect()
    assert second.transport.get_extra_info("ssl_object").session_reused
    second.cancel()
    await until(lambda: pool.in_flight == 0)
    await pool.close()


async def test_no_farewell_is_a_cut(upstream: Upstream, secured: ssl.SSLContext, trusting: Dialer) -> None:
    endpoint = await upstream(cuts(b"HTTP/1.1 200 OK\r\n\r\nhello", reset=True), tls=secured)
    with pytest.raises(StreamCut):
        await ask(pool_to(endpoint, trusting))


async def test_the_server_speaks_tls(serve: Serve, secured: ssl.SSLContext, trusting: Dialer) -> None:
    serving = await serve(tls=secured)
    url = f"https://good.example:{serving.port}/x?y"
    answer = await fetch(trusting, "POST", url, {"content-type": "text/plain"}, b"z" * 300_000)
    assert answer.body == b"POST /x|y|" + b"z" * 300_000
    answer = await fetch(trusting, "GET", url, {})
    assert answer.body == b"GET /x|y|"


async def test_refused_over_tls_the_caller_still_sees_why(
    serve: Serve, secured: ssl.SSLContext, trusting: Dialer
) -> None:
    serving = await serve(limits=ServerLimits(max_body_bytes=10), tls=secured)
    answer = await fetch(trusting, "POST", f"https://good.example:{serving.port}/", {}, b"z" * 100_000)
    assert (answer.status, answer.headers[b"connection"]) == (413, b"close")


async def test_a_plain_caller_on_a_tls_port_gets_nothing(serve: Serve, secured: ssl.SSLContext) -> None:
    serving = await serve(tls=secured)
    assert body_of(await serving.say(ASK)) == b""
    assert serving.app.requests == []
