"""Embeddings of Gemini's: `batchEmbedContents` of the Gemini API, a request for each text.

Vertex AI has no such method. Shapes as in ai.google.dev/api/embeddings and google-genai 2026-08.
"""

import msgspec

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint
from intertie.dialects.dialect import MOST_TOKENS, Cannot, Conversion
from intertie.dialects.embeddings import openai


class _Text(msgspec.Struct):
    text: str


class _Content(msgspec.Struct):
    parts: tuple[_Text, ...]


class _Request(msgspec.Struct, rename="camel", omit_defaults=True):
    model: str
    content: _Content
    output_dimensionality: int | None = None


class _Body(msgspec.Struct):
    requests: list[_Request]


class _Embedding(msgspec.Struct):
    values: msgspec.Raw


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Embedding]
    usage_metadata: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


def write(call: Call, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body an endpoint gets. Raises InvalidRequest or Unsupported, naming the field."""
    asked = openai.read(call, cannot)
    model = f"models/{endpoint.upstream_model}"
    return _encode(_Body([_Request(model, _Content((_Text(text),)), asked.dimensions) for text in asked.texts]))


def read(answer: bytes, call: Call) -> bytes:
    """The answer in OpenAI's words. Raises ValueError if it is not Gemini's."""
    try:
        told = _answer(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    tokens = told.usage_metadata.prompt_token_count if told.usage_metadata else None
    believed = tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None
    return openai.write(call, [embedding.values for embedding in told.embeddings], believed)


CONVERSION = Conversion(write, read)
