"""The engine's list of models, as vLLM tells it."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

OWNER: Final = "intertie-simulated"

Card: TypeAlias = dict[str, object]


def model_card(name: str, created: int, context: int) -> Card:
    """One model, with vLLM's `max_model_len`."""
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER, "max_model_len": context}


def model_list(names: Sequence[str], created: int, context: int) -> bytes:
    """The answer of `GET /models`."""
    return msgspec.json.encode({"object": "list", "data": [model_card(name, created, context) for name in names]})
