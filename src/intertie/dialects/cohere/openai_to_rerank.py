"""Reranks of Cohere's: `POST /v2/rerank`, as in cohere's SDK 2026-08, for callers of `/rerank`.

Cohere ranks texts. A document that is an object with nothing but a `text` is that text; the answer names documents by
their place, and brings them along where the caller asked for it.
"""

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.cohere.glance import Meta, usage_of
from intertie.dialects.dialect import Cannot, Conversion
from intertie.dialects.json_body import refuse, write_fields

_PASSED = ("query", "top_n", "max_tokens_per_doc", "priority")
_SAID = frozenset((*_PASSED, "model", "documents", "return_documents", "user", "intertie", "provider"))
"""Fields that have a place, or need none: `user` is a hint to the provider."""

_NULL = b"null"


class _Object(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _Asked(msgspec.Struct):
    documents: list[msgspec.Raw]
    return_documents: bool | None = False
    query: msgspec.Raw = msgspec.Raw()
    top_n: int | None = None


class _Result(msgspec.Struct, omit_defaults=True):
    index: int
    relevance_score: float
    document: _Object | None = None


class _Told(msgspec.Struct):
    results: list[_Result]
    id: str = ""
    meta: msgspec.Raw = msgspec.Raw(_NULL)


class _Usage(msgspec.Struct):
    prompt_tokens: int
    total_tokens: int


class _Answer(msgspec.Struct, omit_defaults=True):
    id: str
    model: str
    results: list[_Result]
    meta: msgspec.Raw
    usage: _Usage | None = None


_asked = msgspec.json.Decoder(_Asked).decode
_object = msgspec.json.Decoder(_Object | str).decode
_told = msgspec.json.Decoder(_Told).decode
_meta = msgspec.json.Decoder(Meta | None).decode
_encode = msgspec.json.Encoder().encode


def write(call: Call, endpoint: Endpoint, cannot: Cannot) -> bytes:
    """The body an endpoint gets. Raises InvalidRequest or Unsupported, naming the field."""
    asked = _read(call)
    if asked.top_n is not None and asked.top_n < 1:
        raise InvalidRequest("'top_n' must be at least 1.", code="invalid_value", param="top_n")
    if bytes(asked.query)[:1] != b'"':
        raise Unsupported("'query' cannot be passed on: the endpoint takes a text.", param="query")
    for name, value in call.fields.items():
        if name not in _SAID and bytes(value) != _NULL:
            cannot.say(name)
    fields: Fields = {"model": msgspec.Raw(_encode(endpoint.upstream_model))}
    fields |= {name: call.fields[name] for name in _PASSED if bytes(call.fields.get(name, _NULL)) != _NULL}
    fields["documents"] = msgspec.Raw(_encode(_texts(asked)))
    return write_fields(fields)


def read(answer: bytes, call: Call) -> bytes:
    """The answer in the words of those who call. Raises ValueError if it is not Cohere's."""
    try:
        told = _told(answer)
        usage = usage_of(_meta(told.meta))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    asked = _read(call)
    if not all(0 <= result.index < len(asked.documents) for result in told.results):
        raise ValueError("a result that is none of the documents")
    texts = _texts(asked) if asked.return_documents else []
    for result in told.results:
        result.document = _Object(texts[result.index]) if texts else None
    tokens = usage.prompt if usage else 0
    return _encode(_Answer(told.id, call.model, told.results, told.meta, _Usage(tokens, tokens) if tokens else None))


def _read(call: Call) -> _Asked:
    try:
        return _asked(call.body)
    except msgspec.DecodeError as error:
        refuse(error)


def _texts(asked: _Asked) -> list[str]:
    texts: list[str] = []
    for index, document in enumerate(asked.documents):
        try:
            seen = _object(document)
        except msgspec.ValidationError:
            name = f"documents[{index}]"
            message = f"'{name}' cannot be passed on: the endpoint ranks texts, or objects with nothing but a 'text'."
            raise Unsupported(message, param=name) from None
        texts.append(seen if isinstance(seen, str) else seen.text)
    return texts


CONVERSION = Conversion(write, read)
