"""Which path means which operation, in which dialect. What a path names (a model, a deployment) goes along."""

import re
from typing import Final
from urllib.parse import unquote

from intertie.sim.engine.dialect import Operation
from intertie.sim.engine.dialects import (
    anthropic,
    bedrock,
    cohere,
    gemini,
    openai_chat,
    openai_media,
    responses,
)
from intertie.sim.engine.dialects.openai import AZURE, OPENAI

_NAMED: Final[dict[bytes, Operation]] = {
    b"/v1/chat/completions": Operation(OPENAI, "chatcmpl-", openai_chat.read_chat),
    b"/v1/completions": Operation(OPENAI, "cmpl-", openai_chat.read_completion),
    b"/v1/embeddings": Operation(OPENAI, "embd-", openai_chat.read_embedding),
    b"/v1/responses": Operation(responses.RESPONSES, "resp_", responses.read_responses),
    b"/v1/rerank": Operation(OPENAI, "rank-", openai_media.read_rerank),
    b"/v1/images/generations": Operation(OPENAI, "img-", openai_media.read_images),
    b"/v1/images/edits": Operation(OPENAI, "img-", openai_media.read_edits),
    b"/v1/audio/speech": Operation(OPENAI, "aud-", openai_media.read_speech),
    b"/v1/audio/transcriptions": Operation(OPENAI, "aud-", openai_media.read_transcription),
    b"/v1/audio/translations": Operation(OPENAI, "aud-", openai_media.read_transcription),
    b"/v1/moderations": Operation(OPENAI, "modr-", openai_media.read_moderation),
    b"/openai/v1/chat/completions": Operation(AZURE, "chatcmpl-", openai_chat.read_azure_chat),
    b"/v1/messages": Operation(anthropic.ANTHROPIC, "msg_", anthropic.read_messages),
    b"/v2/rerank": Operation(cohere.COHERE, "", cohere.read_rerank),
    b"/v2/embed": Operation(cohere.COHERE, "", cohere.read_embed),
}

_DEPLOYMENT: Final = "/openai/deployments/(?P<deployment>[^/]+)"
_MODEL: Final = "/v1beta/models/(?P<model>[^/:]+)"
_PLACE: Final = "/v1/projects/[^/]+/locations/[^/]+/publishers/google/models/(?P<model>[^/:]+)"
_ANY: Final = "/model/(?P<model>[^/]+)"
_SHAPES: Final[tuple[tuple[str, Operation], ...]] = (
    (f"{_DEPLOYMENT}/chat/completions", Operation(AZURE, "chatcmpl-", openai_chat.read_azure_chat)),
    (f"{_MODEL}:generateContent", Operation(gemini.GEMINI, "", gemini.read_whole)),
    (f"{_MODEL}:streamGenerateContent", Operation(gemini.GEMINI, "", gemini.read_stream)),
    (f"{_MODEL}:batchEmbedContents", Operation(gemini.GEMINI, "", gemini.read_embeddings)),
    (f"{_PLACE}:generateContent", Operation(gemini.VERTEX, "", gemini.read_vertex)),
    (f"{_PLACE}:streamGenerateContent", Operation(gemini.VERTEX, "", gemini.read_vertex_stream)),
    (f"{_ANY}/converse", Operation(bedrock.BEDROCK, "", bedrock.read_converse)),
    (f"{_ANY}/converse-stream", Operation(bedrock.BEDROCK, "", bedrock.read_converse_stream)),
)
_SHAPED: Final = tuple((re.compile(shape), operation) for shape, operation in _SHAPES)


def at_path(path: bytes) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a path, and what the path names where it names anything (`raw` then is the path itself)."""
    if (named := _NAMED.get(path)) is not None:
        return named, {}
    text = path.decode("latin-1")
    for shape, operation in _SHAPED:
        if found := shape.fullmatch(text):
            return operation, {name: unquote(value) for name, value in found.groupdict().items()} | {"raw": text}
    return None


def is_door(path: bytes) -> bool:
    """Whether anything may be posted there."""
    return at_path(path) is not None
