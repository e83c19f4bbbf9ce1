"""Where the gateway may connect to, in every spelling of an address that we know of."""

import socket

import pytest
from fake_upstream import Upstream, says
from reaching import ask, dialer

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Origin
from intertie.core.faults import ConnectFailed, EgressRefused
from intertie.wire.dial import Dialer, Resolver
from intertie.wire.egress import EgressPolicy
from intertie.wire.pool import Pool
from intertie.wire.tls import client_context

PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]

INTERNAL = {
    "loopback": ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::127.0.0.1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:10.0.0.1", "fc00::1", "fdff::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.1.1"],
    "shared": ["100.64.0.1", "100.127.255.255"],
    "this host": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "site-local": ["fec0::1", "feff::1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "192.0.2.1", "2001:db8::1", "2001::1"],
    "metadata": ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"],
}
NEVER = [
    *INTERNAL["metadata"], *INTERNAL["multicast"], "0.0.0.0", "::", "::ffff:0.0.0.0",
    "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    for private in (False, True):
        EgressPolicy(private).check("name", [address])


@pytest.mark.parametrize("address", [one for group in INTERNAL.values() for one in group])
def test_internal_addresses_are_refused(address: str) -> None:
    with pytest.raises(EgressRefused):
        EgressPolicy(allow_private=False).check("name", [address])


@pytest.mark.parametrize("address", NEVER)
def test_some_are_never_an_endpoint(address: str) -> None:
    with pytest.raises(EgressRefused):
        EgressPolicy(allow_private=True).check("name", [address])


def test_private_ones_are_allowed_where_they_are_meant() -> None:
    EgressPolicy(allow_private=True).check("name", ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "100.64.0.1", "fe80::1"])


def test_one_bad_address_refuses_the_name() -> None:
    with pytest.raises(EgressRefused, match=r"rebinding.example points to 127.0.0.1"):
        EgressPolicy(allow_private=False).check("rebinding.example", ["8.8.8.8", "127.0.0.1"])


SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.1", "localhost", "0", "::1",
    "::ffff:7f00:1", "0:0:0:0:0:0:0:1",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
async def test_every_spelling_of_this_host_is_refused_before_connecting(upstream: Upstream, host: str) -> None:
    endpoint = await upstream(says(200, b"secret"))
    strict = Dialer(EgressPolicy(allow_private=False), tls=client_context())
    pool = Pool(Origin("http", host, endpoint.port), UpstreamLimits(), max_connections=1, dialer=strict)
    with pytest.raises((EgressRefused, ConnectFailed)):
        await pool.connect()
    assert endpoint.accepted == 0


class Answering(Resolver):
    """A resolver whose answers a test writes: one list per question."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self._answers = list(answers)
        self.asked = 0

    async def addresses(self, host: str) -> list[str]:
        self.asked += 1
        return self._answers.pop(0)


async def test_the_address_that_was_checked_is_the_one_connected_to(upstream: Upstream) -> None:
    endpoint = await upstream(says(200, b"ok"))
    flipping = Answering(["127.0.0.1"], ["169.254.169.254"])
    origin = Origin("http", "flipping.example", endpoint.port)
    pool = Pool(origin, UpstreamLimits(), max_connections=2, dialer=dialer(resolver=flipping))
    assert (await ask(pool)).body == b"ok"
    assert flipping.asked == 1
    (connection := pool.idle()) and connection.cancel()
    with pytest.raises(EgressRefused):
        await pool.connect()
    await pool.close()


async def test_a_name_with_several_addresses_is_tried_in_order(upstream: Upstream) -> None:
    endpoint = await upstream(says(200, b"ok"))
    both = Answering(["::1", "127.0.0.1"])
    origin = Origin("http", "both.example", endpoint.port)
    pool = Pool(origin, UpstreamLimits(), max_connections=1, dialer=dialer(resolver=both))
    assert (await ask(pool)).body == b"ok"
    await pool.close()


async def test_names_are_asked_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        if host == "unknown.example":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    resolver = Resolver()
    for _ in range(3):
        assert await resolver.addresses("known.example") == ["8.8.8.8"]
    for _ in range(2):
        with pytest.raises(ConnectFailed, match="cannot be resolved: Name or service not known"):
            await resolver.addresses("unknown.example")
    assert asked == ["known.example", "unknown.example", "unknown.example"]
