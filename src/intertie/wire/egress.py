"""Which addresses the gateway may connect to."""

import ipaddress
from typing import Final

from intertie.core.faults import EgressRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Sources: IANA IPv4 and IPv6 special-purpose address registries; RFC 6598 (CGNAT), RFC 3056 (6to4), RFC 6052 and 8215
# (NAT64), RFC 3879 (site-local), RFC 4380 (Teredo), RFC 4291 (IPv4-compatible and -mapped). Checked 2026-11-20.
_INTERNAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
        "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip

# Instance metadata of the clouds: never an endpoint, whatever else is allowed.
_METADATA: Final = frozenset(
    ipaddress.ip_address(address)
    for address in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)


class EgressPolicy:
    """Refuses addresses that are not public, unless `allow_private`; metadata, multicast and void ones always."""

    __slots__ = ("_allow_private",)

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private

    def check(self, host: str, addresses: list[str]) -> None:
        """Raises EgressRefused if any address is not allowed: a name that also points inside is refused whole."""
        for text in addresses:
            if not self._allows(ipaddress.ip_address(text.partition("%")[0])):
                raise EgressRefused(f"{host} points to {text}, which the egress policy does not allow")

    def _allows(self, address: Address) -> bool:
        if self._allow_private:
            inner = embedded(address)
            return not (inner in _METADATA or inner.is_multicast or inner.is_unspecified)
        return not any(address in network for network in _INTERNAL)


def embedded(address: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4 or NAT64 one; else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
