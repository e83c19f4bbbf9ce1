"""The two sides of the dialect: what callers speak, and what endpoints speak."""

from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.dialect import Inbound, Outbound
from intertie.dialects.openai_chat.both import bearer
from intertie.dialects.openai_chat.faults import error_body, standing, told
from intertie.dialects.openai_responses.answer_to_body import answer_to_body
from intertie.dialects.openai_responses.body_to_answer import body_to_answer
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.chat_to_body import chat_to_body
from intertie.dialects.openai_responses.events_to_stream import ResponsesWriter
from intertie.dialects.openai_responses.faults import error_event
from intertie.dialects.openai_responses.glance import glance
from intertie.dialects.openai_responses.peek import pass_on, peek
from intertie.dialects.openai_responses.stream_to_events import ResponsesReader
from intertie.dialects.openai_responses.watch import ResponsesWatch


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path behind the endpoint's base."""
    return "/responses"


INBOUND = Inbound(
    "openai_responses", peek, error_body, error_event, standing, call_to_chat, answer_to_body, ResponsesWriter
)
OUTBOUND = Outbound(
    "openai_responses",
    path,
    bearer,
    glance,
    told,
    speaks="openai_responses",
    pass_on=pass_on,
    watch=ResponsesWatch,
    write=chat_to_body,
    read=body_to_answer,
    reader=ResponsesReader,
)
