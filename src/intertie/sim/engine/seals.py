"""Signatures of thoughts: what a dialect signs or seals must come back as it was given, and the engine can tell."""

import base64
import hmac
from typing import Final

_SECRET: Final = b"the simulated engine's own"
_SIZE: Final = 32


def seal(text: str) -> str:
    """A text that nobody may change: base64 of its digest and itself. It serves as signature, too."""
    return base64.b64encode(_digest(text) + text.encode()).decode()


def unseal(sealed: str) -> str | None:
    """The text; None if it was not sealed here, or was changed."""
    try:
        data = base64.b64decode(sealed, validate=True)
        digest, text = data[:_SIZE], data[_SIZE:].decode()
    except ValueError:
        return None
    return text if hmac.compare_digest(digest, _digest(text)) else None


def _digest(text: str) -> bytes:
    return hmac.digest(_SECRET, text.encode(), "sha256")
