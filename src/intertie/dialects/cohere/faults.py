"""Cohere's errors."""

import msgspec


class _Error(msgspec.Struct):
    message: str


_error = msgspec.json.Decoder(_Error).decode


def told(body: bytes) -> str:
    """What an error's body says to people; "" if it is not in Cohere's shape."""
    try:
        return _error(body).message
    except (msgspec.DecodeError, RecursionError):
        return ""
