"""Who opens a Realtime session: a key as usual, one that a browser sends as a subprotocol, or an ephemeral key."""

from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from intertie.core.call import Call
from intertie.core.faults import InvalidRequest, Unauthenticated
from intertie.core.principal import Principal
from intertie.dialects.json_body import read_fields, refuse, write_fields
from intertie.gateway.authenticate import authenticate, credential, known
from intertie.gateway.guard import guard
from intertie.gateway.live import Live
from intertie.policy.ephemeral import EPHEMERAL_PREFIX, Ephemeral, read_ephemeral, write_ephemeral
from intertie.policy.keys import digest
from intertie.wire.server import Request
from intertie.wire.upgrade import offered

_KEY_PROTOCOL: Final = b"openai-insecure-api-key."
_LONGEST_SESSION: Final = 8 * 1024


class Bearer(NamedTuple):
    """Who calls, the digest of the key it goes back to, and the ephemeral key, if it came with one."""

    principal: Principal
    digest: str
    held: Ephemeral | None = None


class _Expiry(msgspec.Struct):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7_200)] = 600


class _Session(msgspec.Struct):
    model: str
    type: Literal["realtime"] = "realtime"


class _Asked(msgspec.Struct):
    session: msgspec.Raw
    expires_after: _Expiry | None = None


_asked = msgspec.json.Decoder(_Asked).decode
_session = msgspec.json.Decoder(_Session).decode
_encode = msgspec.json.Encoder().encode


def with_key(request: Request) -> Request:
    """The request with the key that a browser had to send as a subprotocol where it has no header."""
    if b"authorization" in request.headers:
        return request
    for name in offered(request):
        if name.startswith(_KEY_PROTOCOL):
            key = {b"authorization": b"Bearer " + name[len(_KEY_PROTOCOL) :]}
            return msgspec.structs.replace(request, headers=request.headers | key)
    return request


def who(live: Live, request: Request) -> Bearer:
    """Who calls. Raises Unauthenticated."""
    key, pepper = credential(request.headers), live.snapshot.pepper
    if not key.startswith(EPHEMERAL_PREFIX.encode()):
        return Bearer(authenticate(live, request), digest(pepper, key))
    held = read_ephemeral(pepper, key.decode("latin-1"), live.clock.wall())
    if held is None:
        raise Unauthenticated("This ephemeral key has expired, or was never made here.", code="key_expired")
    return Bearer(known(live, held.digest, key), held.digest, held)


def mint(live: Live, request: Request) -> bytes:
    """An ephemeral key for what a session is to be, as `POST /realtime/client_secrets` answers. Raises a Fault."""
    principal = authenticate(live, request)  # so that an ephemeral key cannot make others
    if len(request.body) > _LONGEST_SESSION:
        raise InvalidRequest(f"A session is described in at most {_LONGEST_SESSION} bytes.", param="session")
    try:
        asked = _asked(read_fields(request.body)[1])
        fields, canonical = read_fields(bytes(asked.session))
        wanted = _session(canonical)
    except msgspec.DecodeError as error:
        refuse(error)
    guard(live, principal, Call("realtime", wanted.model, b""))
    expires = int(live.clock.wall()) + (asked.expires_after or _Expiry()).seconds
    key_digest = digest(live.snapshot.pepper, credential(request.headers))
    rest = write_fields({name: raw for name, raw in fields.items() if name not in ("model", "type")})
    value = write_ephemeral(live.snapshot.pepper, Ephemeral(key_digest, expires, wanted.model, rest))
    shown = {"object": "realtime.session", "type": "realtime", "expires_at": 0, **fields}
    return _encode({"value": value, "expires_at": expires, "session": shown})
