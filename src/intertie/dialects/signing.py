"""How a request says who sends it where that depends on the request: AWS signatures, and bearer tokens beside them.

Pure: the clock is an argument. See docs/decisions/0008-aws-signing.md for why this is not botocore's.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import quote

Headers = Mapping[str, str]

NO_MORE: Final[Headers] = MappingProxyType({})
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Signer(Protocol):
    """Tells an endpoint who sends a request."""

    def sign(self, method: str, authority: str, path: str, body: bytes, wall: float) -> tuple[str, ...]:
        """Header lines for a request; `path` is as it goes over the wire, without a query, `wall` in epoch seconds."""
        ...


class Bearer:
    """A token that says it all, whatever the request; also what tests sign with."""

    __slots__ = ("_lines",)

    def __init__(self, token: str) -> None:
        self._lines = (f"authorization: Bearer {token}",)

    def sign(self, method: str, authority: str, path: str, body: bytes, wall: float) -> tuple[str, ...]:
        """Always the same line."""
        return self._lines


class SigV4:
    """AWS Signature Version 4 (IAM User Guide, "Create a signed AWS API request"), for services other than S3.

    Signed are what must be: host, moment and session token, and what a service wants `also` (headers in lower case);
    the path and the body always are.
    """

    __slots__ = ("_access_key", "_also", "_region", "_secret", "_service", "_session")

    def __init__(
        self, access_key: str, secret: str, session: str, region: str, service: str, also: Headers = NO_MORE
    ) -> None:
        self._access_key, self._secret, self._session = access_key, secret, session
        self._region, self._service, self._also = region, service, also

    def sign(self, method: str, authority: str, path: str, body: bytes, wall: float) -> tuple[str, ...]:
        """`x-amz-date`, `x-amz-security-token` where there is one, those that are signed also, and `authorization`.

        Good for five minutes.
        """
        moment = datetime.fromtimestamp(int(wall), UTC).strftime("%Y%m%dT%H%M%SZ")
        own = {"x-amz-date": moment} | ({"x-amz-security-token": self._session} if self._session else {})
        own |= self._also
        signed = dict(sorted({"host": authority, **own}.items()))
        names = ";".join(signed)
        parts = (
            method,
            quote(path, safe="/~"),
            "",
            *(f"{name}:{value}" for name, value in signed.items()),
            "",
            names,
            sha256(body).hexdigest(),
        )
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        canonical = sha256("\n".join(parts).encode()).hexdigest()
        signature = digest(self._key(scope), f"{_ALGORITHM}\n{moment}\n{scope}\n{canonical}".encode(), "sha256").hex()
        credential = f"Credential={self._access_key}/{scope}"
        return (
            *(f"{name}: {value}" for name, value in own.items()),
            f"authorization: {_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}",
        )

    def _key(self, scope: str) -> bytes:
        key = b"AWS4" + self._secret.encode()
        for part in scope.split("/"):
            key = digest(key, part.encode(), "sha256")
        return key


def aws_signer(credential: str, region: str, service: str, also: Headers = NO_MORE) -> Signer:
    """The signer of a credential: `ACCESS:SECRET` and `ACCESS:SECRET:SESSION` sign; else it is a bearer's."""
    access_key, colon, rest = credential.partition(":")
    if not colon:
        return Bearer(credential)
    secret, _, session = rest.partition(":")
    return SigV4(access_key, secret, session, region, service, also)
