"""Checks AWS's Signature Version 4: docs.aws.amazon.com, IAM User Guide, "Create a signed AWS API request".

The engine knows one secret; whatever the id of the access key, a good signature was made with it.
"""

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import quote

from intertie.sim.engine.dialect import Asked

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_signed = re.compile(
    rf"{_ALGORITHM} Credential=[^/]+/(?P<scope>[^,]+), ?SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>\w+)"
)


def is_signed(asked: Asked, secret: str) -> bool:
    """Whether the request carries a signature that the secret made."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked.headers.items()}
    found = _signed.fullmatch(headers.get("authorization", ""))
    if found is None or "x-amz-date" not in headers:
        return False
    scope, names = found["scope"], found["names"].split(";")
    digest = headers.get("x-amz-content-sha256", hashlib.sha256(asked.body).hexdigest())
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names]
    path = quote(asked.path["raw"], safe="/~-._")  # encoded once more than on the wire, as for all services but S3
    request = "\n".join(("POST", path, "", "".join(lines), found["names"], digest))
    text = "\n".join((_ALGORITHM, headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"])
