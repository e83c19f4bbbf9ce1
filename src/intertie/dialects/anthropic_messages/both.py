"""The two sides of the dialect: what callers speak, and what endpoints speak."""

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.anthropic_messages.answer_to_body import answer_to_body
from intertie.dialects.anthropic_messages.body_to_answer import body_to_answer
from intertie.dialects.anthropic_messages.call_to_chat import call_to_chat
from intertie.dialects.anthropic_messages.chat_to_body import chat_to_body
from intertie.dialects.anthropic_messages.events_to_stream import MessageStream
from intertie.dialects.anthropic_messages.faults import error_body, error_event, standing, told
from intertie.dialects.anthropic_messages.glance import glance
from intertie.dialects.anthropic_messages.peek import pass_on, peek
from intertie.dialects.anthropic_messages.stream_to_events import MessageReader
from intertie.dialects.anthropic_messages.watch import MessageWatch
from intertie.dialects.dialect import Inbound, Outbound

_VERSION = "2023-06-01"


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path of an operation behind the endpoint's base."""
    return "/messages/count_tokens" if operation == "count_tokens" else "/messages"


def headers(endpoint: Endpoint) -> tuple[str, ...]:
    """The version of the API and the credential. Nothing that is written here needs an `anthropic-beta` header."""
    version = f"anthropic-version: {endpoint.api_version or _VERSION}"
    return (version, f"x-api-key: {endpoint.credential}") if endpoint.credential else (version,)


INBOUND = Inbound(
    "anthropic_messages",
    peek,
    error_body,
    error_event,
    standing,
    read=call_to_chat,
    write=answer_to_body,
    writer=MessageStream,
)
OUTBOUND = Outbound(
    "anthropic_messages",
    path,
    headers,
    glance,
    told,
    speaks="anthropic_messages",
    pass_on=pass_on,
    watch=MessageWatch,
    write=chat_to_body,
    read=body_to_answer,
    reader=MessageReader,
)
