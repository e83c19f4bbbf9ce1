"""The list of models in OpenAI's shape."""

import msgspec

_encode = msgspec.json.Encoder().encode


def model_list(models: list[tuple[str, str]]) -> bytes:
    """The answer of `GET /models`: (name, owner) pairs."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in models]
    return _encode({"object": "list", "data": data})


def model_card(name: str, owner: str) -> bytes:
    """The answer of `GET /models/{name}`."""
    return _encode({"id": name, "object": "model", "created": 0, "owned_by": owner})
