"""The two sides of the dialect, and its second door: Vertex AI takes the same bodies elsewhere, with another key."""

from dataclasses import replace
from urllib.parse import quote

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.dialect import Inbound, Outbound
from intertie.dialects.embeddings import openai_to_gemini
from intertie.dialects.gemini.answer_to_body import answer_to_body
from intertie.dialects.gemini.body_to_answer import body_to_answer
from intertie.dialects.gemini.call_to_chat import call_to_chat
from intertie.dialects.gemini.chat_to_body import chat_to_body
from intertie.dialects.gemini.events_to_stream import GeminiWriter
from intertie.dialects.gemini.faults import error_body, error_event, standing, told
from intertie.dialects.gemini.glance import glance
from intertie.dialects.gemini.peek import pass_on, peek
from intertie.dialects.gemini.stream_to_events import GeminiReader
from intertie.dialects.gemini.watch import GeminiWatch
from intertie.dialects.openai_chat.both import bearer


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path behind the Gemini API's base (`…/v1beta`)."""
    return f"/models/{_method(endpoint, operation, stream)}"


def vertex_path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path behind Vertex AI's base (`https://{region}-aiplatform.googleapis.com/v1`)."""
    place = f"/projects/{quote(endpoint.project, safe='')}/locations/{quote(endpoint.region, safe='')}"
    return f"{place}/publishers/google/models/{_method(endpoint, operation, stream)}"


def _method(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    model = quote(endpoint.upstream_model, safe="")
    if operation == "count_tokens":
        return f"{model}:countTokens"
    if operation == "embeddings":
        return f"{model}:batchEmbedContents"
    return f"{model}:streamGenerateContent?alt=sse" if stream else f"{model}:generateContent"


def api_key(endpoint: Endpoint) -> tuple[str, ...]:
    """The credential of the Gemini API."""
    return (f"x-goog-api-key: {endpoint.credential}",) if endpoint.credential else ()


INBOUND = Inbound(
    "gemini", peek, error_body, error_event, standing, read=call_to_chat, write=answer_to_body, writer=GeminiWriter
)
OUTBOUND = Outbound(
    "gemini",
    path,
    api_key,
    glance,
    told,
    speaks="gemini",
    pass_on=pass_on,
    watch=GeminiWatch,
    write=chat_to_body,
    read=body_to_answer,
    reader=GeminiReader,
    conversions={("openai_chat", "embeddings"): openai_to_gemini.CONVERSION},
)
VERTEX = replace(OUTBOUND, name="vertex", path=vertex_path, headers=bearer, conversions={})
