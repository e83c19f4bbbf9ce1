"""What the gateway answers by itself: the list of models, and counts of tokens, in each vendor's shape."""

import msgspec

from intertie.core.endpoint import Dialect

_encode = msgspec.json.Encoder().encode


def model_list(models: list[tuple[str, str]]) -> bytes:
    """The answer of `GET /models`: (name, owner) pairs."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in models]
    return _encode({"object": "list", "data": data})


def model_card(name: str, owner: str) -> bytes:
    """The answer of `GET /models/{name}`."""
    return _encode({"id": name, "object": "model", "created": 0, "owned_by": owner})


def anthropic_list(models: list[tuple[str, str]]) -> bytes:
    """The answer of `GET /v1/models` to a client of Anthropic's: (name, owner) pairs, all on one page."""
    data = [_anthropic(name) for name, _ in models]
    first, last = (models[0][0], models[-1][0]) if models else (None, None)
    return _encode({"data": data, "has_more": False, "first_id": first, "last_id": last})


def gemini_list(names: list[str]) -> bytes:
    """The answer of `GET /v1beta/models`."""
    return _encode({"models": [_gemini(name) for name in names]})


def anthropic_card(name: str) -> bytes:
    """The answer of `GET /v1/models/{name}` to a client of Anthropic's."""
    return _encode(_anthropic(name))


def gemini_card(name: str) -> bytes:
    """The answer of `GET /v1beta/models/{name}`."""
    return _encode(_gemini(name))


def _anthropic(name: str) -> dict[str, str]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


def _gemini(name: str) -> dict[str, str | list[str]]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def counted(dialect: Dialect, tokens: int) -> bytes:
    """How many tokens a prompt has, as the dialect tells it."""
    return _encode({"totalTokens": tokens} if dialect == "gemini" else {"input_tokens": tokens})
