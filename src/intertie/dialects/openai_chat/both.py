"""The two sides of the dialect: what callers speak, and what endpoints speak."""

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.dialect import Inbound, Outbound
from intertie.dialects.openai_chat.answer_to_body import answer_to_body
from intertie.dialects.openai_chat.body_to_answer import body_to_answer
from intertie.dialects.openai_chat.call_to_chat import call_to_chat
from intertie.dialects.openai_chat.chat_to_body import chat_to_body
from intertie.dialects.openai_chat.events_to_stream import ChatWriter
from intertie.dialects.openai_chat.faults import error_body, error_event, standing, told
from intertie.dialects.openai_chat.glance import glance
from intertie.dialects.openai_chat.peek import pass_on, peek
from intertie.dialects.openai_chat.stream_to_events import ChatReader
from intertie.dialects.openai_chat.watch import ChatWatch
from intertie.dialects.openai_media import both as openai_media

PATHS: dict[Operation, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    **openai_media.PATHS,
}


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path of an operation behind the endpoint's base."""
    return PATHS[operation]


def bearer(endpoint: Endpoint) -> tuple[str, ...]:
    """The credential as nearly everybody wants it."""
    return (f"authorization: Bearer {endpoint.credential}",) if endpoint.credential else ()


INBOUND = openai_media.inbound(
    Inbound(
        "openai_chat",
        peek,
        error_body,
        error_event,
        standing,
        read=call_to_chat,
        write=answer_to_body,
        writer=ChatWriter,
    )
)
OUTBOUND = openai_media.outbound(
    Outbound(
        "openai_chat",
        path,
        bearer,
        glance,
        told,
        speaks="openai_chat",
        pass_on=pass_on,
        watch=ChatWatch,
        write=chat_to_body,
        read=body_to_answer,
        reader=ChatReader,
    )
)
