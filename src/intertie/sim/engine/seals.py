"""Signatures of thoughts: what a dialect signs must come back as it was given, and the engine can tell."""

import base64
import hmac
from typing import Final

_SECRET: Final = b"the simulated engine's own"


def sign(*parts: str) -> str:
    """The signature of a thought: base64, the same for the same parts."""
    return base64.b64encode(_digest(parts)).decode()


def verify(signature: str, *parts: str) -> bool:
    """Whether the signature is that of the parts."""
    return hmac.compare_digest(signature.encode(), sign(*parts).encode())


def seal(text: str) -> str:
    """A text that nobody else may read or change: base64 of its signature and the text."""
    return base64.b64encode(_digest((text,)) + text.encode()).decode()


def unseal(sealed: str) -> str | None:
    """The text; None if it was not sealed here, or changed."""
    try:
        data = base64.b64decode(sealed, validate=True)
        digest, text = data[:32], data[32:].decode()
    except ValueError:
        return None
    return text if hmac.compare_digest(digest, _digest((text,))) else None


def _digest(parts: tuple[str, ...]) -> bytes:
    return hmac.digest(_SECRET, "\0".join(parts).encode(), "sha256")
