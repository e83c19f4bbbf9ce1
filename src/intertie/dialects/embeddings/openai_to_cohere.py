"""Embeddings of Cohere's: `POST /v2/embed`, as in cohere's SDK 2026-08.

Cohere wants to know what the vectors are for. A caller tells it in the field `input_type`, by Cohere's own name for it;
who does not is taken to embed documents that are to be searched.
"""

import msgspec

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest
from intertie.dialects.cohere.glance import Meta, usage_of
from intertie.dialects.dialect import Cannot, Conversion
from intertie.dialects.embeddings import openai

_FOR = ("search_document", "search_query", "classification", "clustering")


class _Body(msgspec.Struct, omit_defaults=True):
    model: str
    texts: list[str]
    input_type: str
    embedding_types: tuple[str, ...]
    output_dimension: int | None = None


class _For(msgspec.Struct):
    input_type: str = _FOR[0]


class _Vectors(msgspec.Struct):
    float_: list[msgspec.Raw] = msgspec.field(name="float")


class _Answer(msgspec.Struct):
    embeddings: _Vectors
    meta: Meta | None = None


_for = msgspec.json.Decoder(_For).decode
_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


def write(call: Call, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body an endpoint gets. Raises InvalidRequest or Unsupported, naming the field."""
    asked = openai.read(call, cannot, frozenset(("input_type",)))
    try:
        purpose = _for(call.body).input_type
    except msgspec.ValidationError:
        purpose = ""
    if purpose not in _FOR:
        message = f"'input_type' is one of {', '.join(_FOR)}."
        raise InvalidRequest(message, code="invalid_value", param="input_type")
    return _encode(_Body(endpoint.upstream_model, asked.texts, purpose, ("float",), asked.dimensions))


def read(answer: bytes, call: Call) -> bytes:
    """The answer in OpenAI's words. Raises ValueError if it is not Cohere's."""
    try:
        told = _answer(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    usage = usage_of(told.meta)
    return openai.write(call, told.embeddings.float_, usage.prompt if usage else None)


CONVERSION = Conversion(write, read)
