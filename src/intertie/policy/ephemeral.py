"""Ephemeral keys: what a browser is given instead of a key, good for a few minutes and for sessions of one model.

`ek_`, then base64url of a MAC and what it holds: whose key it stands for, until when, and what the session is to be.
Nothing is stored: any gateway with the pepper can read one, and it is worth nothing once the key itself is. Whoever
holds one can read what is in it.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

EPHEMERAL_PREFIX = "ek_"

_MAC_BYTES = 16
_CONTEXT = b"intertie ephemeral key 1"


class Ephemeral(msgspec.Struct, frozen=True, array_like=True):
    """`digest` is that of the key it stands for; `expires` epoch seconds; `session` the JSON object asked for."""

    digest: str
    expires: int
    model: str
    session: bytes = b"{}"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ephemeral).decode


def write_ephemeral(pepper: bytes, held: Ephemeral) -> str:
    """The key as text, of letters that a header and a subprotocol may have."""
    payload = _encode(held)
    return EPHEMERAL_PREFIX + urlsafe_b64encode(_mac(pepper, payload) + payload).rstrip(b"=").decode()


def read_ephemeral(pepper: bytes, text: str, now: float) -> Ephemeral | None:
    """What an ephemeral key holds; None if it is forged, broken or expired. `now` is epoch seconds."""
    try:
        body = text.removeprefix(EPHEMERAL_PREFIX).encode("ascii")
        data = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return None
    mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(pepper, payload)):
        return None
    held = _decode(payload)
    return held if now < held.expires else None


def _mac(pepper: bytes, payload: bytes) -> bytes:
    return hmac.digest(hmac.digest(pepper, _CONTEXT, "sha256"), payload, "sha256")[:_MAC_BYTES]
