"""Cohere's ranks and embeddings, and how it speaks of errors.

Sources: docs.cohere.com/reference (rerank and embed, v2), Cohere's SDK (`cohere.v2`).
"""

import hmac
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta

from intertie.core.faults import Fault, InvalidRequest
from intertie.sim.engine.dialect import Asked, Job, PrefillJob, Refusal
from intertie.sim.engine.embedding import embed
from intertie.sim.engine.reading import Complaint, read
from intertie.sim.engine.requests import Pieces, PrefillRequest

_PER_UNIT: Final = 100  # documents of one search unit
_DIMENSIONS: Final = 1_536
_API: Final = {"api_version": {"version": "2"}}


class _Rerank(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    max_tokens_per_doc: Annotated[int, Meta(ge=1)] | None = None
    priority: int | None = None


class _Embed(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[list[str], Meta(min_length=1, max_length=96)]
    max_tokens: int | None = None
    output_dimension: Literal[256, 512, 1_024, 1_536] | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    priority: int | None = None


_rerank = msgspec.json.Decoder(_Rerank)
_embed = msgspec.json.Decoder(_Embed)
_encode = msgspec.json.Encoder().encode


class CohereSpeech:
    """See `Speech`."""

    garbage = b"{"
    stream_type = b"text/event-stream"

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """`{"id", "message"}`."""
        return Refusal(fault.status, b"", _encode({"id": request, "message": fault.message}))

    def broke(self, fault: Fault) -> bytes:
        """Neither operation streams."""
        return b""

    def complaint(self, complaint: Complaint) -> Fault:
        """In plain words."""
        return InvalidRequest(f"invalid request: {complaint.dotted}: {complaint.text}")

    def welcomes(self, asked: Asked, key: str) -> bool:
        """A bearer token."""
        return hmac.compare_digest(asked.headers.get(b"authorization", b""), b"Bearer " + key.encode())


COHERE: Final = CohereSpeech()


def read_rerank(asked: Asked) -> Job:
    """A call of rerank. Raises Complaint."""
    body = read(_rerank, asked.body)
    units = -(-len(body.documents) // _PER_UNIT)

    def render(tokens: int) -> tuple[bytes, bytes]:
        best = ranked(body.query, body.documents)[: body.top_n]
        results = [{"index": index, "relevance_score": score} for index, score in best]
        meta = _API | {"billed_units": {"search_units": units}}
        return b"application/json", _encode({"id": "rerank", "results": results, "meta": meta})

    inputs = tuple(f"{body.query}{document}".encode() for document in body.documents)
    return PrefillJob(PrefillRequest(body.model, inputs, body.query, "documents", Pieces(searches=units)), render)


def read_embed(asked: Asked) -> Job:
    """A call of embed. Raises Complaint, InvalidRequest."""
    body = read(_embed, asked.body)
    kinds = body.embedding_types or ["float"]
    if kinds != ["float"]:
        _refuse("the simulated engine knows no embedding_types but float")

    def render(tokens: int) -> tuple[bytes, bytes]:
        vectors = [embed(text.encode(), body.output_dimension or _DIMENSIONS) for text in body.texts]
        meta = _API | {"billed_units": {"input_tokens": tokens}}
        told = {"id": "embed", "embeddings": {"float": vectors}, "texts": body.texts, "meta": meta}
        return b"application/json", _encode({**told, "response_type": "embeddings_by_type"})

    inputs = tuple(text.encode() for text in body.texts)
    return PrefillJob(PrefillRequest(body.model, inputs, body.texts[-1], "texts"), render)


def ranked(query: str, documents: list[str]) -> list[tuple[int, float]]:
    """Places of documents with how well they answer, best first: their cosines, from 0 to 1."""
    asked = embed(query.encode())
    scores = [sum(a * b for a, b in zip(asked, embed(text.encode()), strict=True)) for text in documents]
    told = [(index, round(max(0.0, min(1.0, (score + 1) / 2)), 7)) for index, score in enumerate(scores)]
    return sorted(told, key=lambda one: -one[1])


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
