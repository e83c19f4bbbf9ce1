"""Step 2, authenticate: a credential to a `Principal`, by keyed digest in the snapshot. No I/O.

The digest is what is looked up, so the time taken tells nothing about how much of a guessed key was right.
"""

from intertie.core.faults import Unauthenticated
from intertie.core.principal import KEY_PREFIX, Principal
from intertie.gateway.live import Live
from intertie.policy.keys import check_format, digest
from intertie.wire.server import Request

_BEARER = b"bearer "
_OTHERS = (b"x-api-key", b"x-goog-api-key", b"api-key")


def authenticate(live: Live, request: Request) -> Principal:
    """Who calls. Raises Unauthenticated; the message never repeats the key."""
    key = credential(request.headers)
    return known(live, digest(live.snapshot.pepper, key), key)


def known(live: Live, key_digest: str, key: bytes) -> Principal:
    """Whose key this is the digest of. Raises Unauthenticated if nobody's, or if it is no longer good."""
    principal = live.snapshot.keys.get(key_digest)
    if principal is None:
        raise Unauthenticated(_unknown(key))
    if principal.revoked:
        raise Unauthenticated("This API key has been revoked.", code="key_revoked")
    if principal.expires_at is not None and live.clock.wall() >= principal.expires_at:
        raise Unauthenticated("This API key has expired.", code="key_expired")
    return principal


def _unknown(key: bytes) -> str:
    """What is wrong with a key that nobody knows; whether it could be one shows without asking anybody."""
    written = key.decode("latin-1")
    if written.startswith(KEY_PREFIX) and not check_format(written):
        return "Incorrect API key provided: it is mistyped or cut short."
    return "Incorrect API key provided. Keys are made with `intertie keys create`."


def credential(headers: dict[bytes, bytes]) -> bytes:
    """The key, as OpenAI's clients send it, or Anthropic's, Google's and Azure's. Raises Unauthenticated."""
    authorization = headers.get(b"authorization")
    if authorization is None:
        key = next((headers[name] for name in _OTHERS if name in headers), b"")
    elif authorization[:7].lower() == _BEARER:
        key = authorization[7:].strip()
    else:
        key = b""
    if not key:
        raise Unauthenticated(
            "You didn't provide an API key. Send it as `Authorization: Bearer <key>`.", code="missing_api_key"
        )
    return key
