"""Affinity: sending what shares a prefix to the place that likely has it in its cache, without any shared state.

Three ways, the strongest first: a signed token that names the endpoint of the session; the name of a session; a digest
of what the call likely shares with others. The last two are placed by rendezvous hash with bounded load, so that all
gateways agree without speaking to each other.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from intertie.core.principal import Principal
from intertie.policy.routing.state import EndpointState
from intertie.policy.routing.table import Row

SESSION_MARK = "its_"
TOKEN_LIFE_S = 3_600
BOUND = 1.25
"""An owner may carry at most this multiple of its fair share (Mirrokni et al., 2016)."""

WORTH_TOKENS = 1_024
"""A prompt this long is worth its cached prefix in full: the shortest that providers cache (OpenAI, Anthropic)."""

_MAC_BYTES = 16
_MAC_CONTEXT = b"intertie session token 1"
_PRIME, _FACTOR = 1_073_741_789, 0x2545F491
"""The hash is (digest xor seed) x factor mod prime, all within 30 bits: one digit of the interpreter's integers."""


class Warm(msgspec.Struct, frozen=True, gc=False):
    """Where a prefix is likely cached: its worth on the affinity axis, and the share of the prompt to expect."""

    endpoint: str = ""
    utility: float = 0.0
    hit: float = 0.0


NOWHERE = Warm()


def tenant(principal: Principal) -> str:
    """Who shares sessions: the group and project of a key, or the key alone if it has neither."""
    shared = f"{principal.group}\x1f{principal.project}"
    return shared if len(shared) > 1 else f"\x1f\x1f{principal.key_id}"


def sign(pepper: bytes, owner: str, endpoint: str, issued: float) -> str:
    """A URL-safe token by which any gateway with the pepper sends this tenant's session back to the endpoint for 1 h.

    `owner` is the tenant; it is bound into the signature, not carried. `issued` is epoch seconds.
    """
    payload = int(issued).to_bytes(6) + endpoint.encode()
    return SESSION_MARK + urlsafe_b64encode(_mac(pepper, owner, payload) + payload).rstrip(b"=").decode()


def verify(pepper: bytes, owner: str, token: str, now: float) -> str | None:
    """The endpoint of a session token; None if it is forged, another tenant's, expired, or no token at all."""
    try:
        body = token.removeprefix(SESSION_MARK).encode("ascii")
        data = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return None
    mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if len(payload) <= 6 or not hmac.compare_digest(mac, _mac(pepper, owner, payload)):
        return None
    age = now - int.from_bytes(payload[:6])
    return payload[6:].decode() if -60 <= age <= TOKEN_LIFE_S else None


def _mac(pepper: bytes, owner: str, payload: bytes) -> bytes:
    key = hmac.digest(pepper, _MAC_CONTEXT, "sha256")
    tenant_key = hmac.digest(key, owner.encode(), "sha256")
    return hmac.digest(tenant_key, payload, "sha256")[:_MAC_BYTES]


def name_digest(owner: str, session: str) -> bytes:
    """What stands for a session that has only a name: the same for one tenant at every gateway."""
    return blake2b(session.encode(), digest_size=8, key=blake2b(owner.encode(), digest_size=16).digest()).digest()


def warm_place(
    rows: Sequence[Row], states: Mapping[str, EndpointState], session: str, digest: bytes, tokens: int
) -> Warm:
    """The endpoint of the session if it is among the rows, else the owner of the digest, else nowhere.

    What a cached prefix is worth grows with the prompt: a prompt of a few words is sent nowhere for its sake.
    """
    if session and any(row.id == session for row in rows):
        return Warm(session, utility=1.0, hit=0.8)
    if not digest:
        return NOWHERE
    share = tokens / WORTH_TOKENS if tokens < WORTH_TOKENS else 1.0
    return Warm(rendezvous(rows, states, digest), utility=0.6 * share, hit=0.5 * share)


def likely_owner(rows: Sequence[Row], digest: bytes) -> str:
    """The row that owns a digest as long as it is not overloaded; empty if there are no rows."""
    number = int.from_bytes(digest[:4]) >> 2
    return max(rows, key=lambda row: (number ^ row.seed) * _FACTOR % _PRIME).id if rows else ""


def rendezvous(rows: Sequence[Row], states: Mapping[str, EndpointState], digest: bytes) -> str:
    """The row that owns a digest: that of the highest hash, and past one that carries more than 1.25 of its fair share.

    Load is requests in flight against slots, over the rows that are left. The last one left carries what it must.
    """
    number = int.from_bytes(digest[:4]) >> 2
    load, slots, best, owner, carried = 1, 0, -1, rows[0], 0
    for row in rows:
        in_flight = states[row.id].in_flight
        load += in_flight
        slots += row.slots
        hashed = (number ^ row.seed) * _FACTOR % _PRIME
        if hashed > best:
            best, owner, carried = hashed, row, in_flight
    share = BOUND * load / slots
    if carried > share * owner.slots:
        return rendezvous([row for row in rows if row is not owner], states, digest)
    return owner.id
