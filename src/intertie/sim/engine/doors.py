"""Which path means which operation, in which dialect. What a path names (a model, a deployment) goes along."""

import re
from typing import Final
from urllib.parse import unquote

from intertie.sim.engine.dialect import Operation
from intertie.sim.engine.dialects import openai_chat
from intertie.sim.engine.dialects.openai import AZURE, OPENAI

_NAMED: Final[dict[bytes, Operation]] = {
    b"/v1/chat/completions": Operation(OPENAI, "chatcmpl", openai_chat.read_chat),
    b"/v1/completions": Operation(OPENAI, "cmpl", openai_chat.read_completion),
    b"/v1/embeddings": Operation(OPENAI, "embd", openai_chat.read_embedding),
    b"/openai/v1/chat/completions": Operation(AZURE, "chatcmpl", openai_chat.read_azure_chat),
}

_AZURE = r"/openai/deployments/(?P<deployment>[^/]+)"
_SHAPED: Final[tuple[tuple[re.Pattern[str], Operation], ...]] = (
    (re.compile(f"{_AZURE}/chat/completions"), Operation(AZURE, "chatcmpl", openai_chat.read_azure_chat)),
)


def at_path(path: bytes) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a path and what the path names; None if there is none."""
    if (named := _NAMED.get(path)) is not None:
        return named, {}
    text = path.decode("latin-1")
    for shape, operation in _SHAPED:
        if found := shape.fullmatch(text):
            return operation, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


def is_door(path: bytes) -> bool:
    """Whether anything may be posted there."""
    return at_path(path) is not None
