"""What these operations add to the two sides of `openai_chat`, and of whoever speaks as it does."""

from dataclasses import replace

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.dialect import Heard, Inbound, Outbound, Reading, Watch
from intertie.dialects.openai_media.glance import glance
from intertie.dialects.openai_media.peek import pass_on, peek
from intertie.dialects.openai_media.peek_form import peek_form
from intertie.dialects.openai_media.watch import MediaWatch

PATHS: dict[Operation, str] = {
    "rerank": "/rerank",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "speech": "/audio/speech",
    "transcription": "/audio/transcriptions",
    "translation": "/audio/translations",
    "moderations": "/moderations",
}

FORMS: frozenset[Operation] = frozenset(("image_edits", "transcription", "translation"))
"""Operations whose bodies may be forms; `image_edits` takes JSON as well."""


def inbound(side: Inbound) -> Inbound:
    """What callers speak, with these operations."""

    def peek_any(operation: Operation, body: bytes, model: str) -> Call:
        return (peek if operation in PATHS else side.peek)(operation, body, model)

    return replace(side, peek=peek_any, peek_form=peek_form)


def outbound(side: Outbound) -> Outbound:
    """What endpoints speak that take bodies as they are, with these operations; their paths are the side's own."""
    pass_on_chat, watch_chat, glance_chat = side.pass_on, side.watch, side.glance
    assert pass_on_chat is not None and watch_chat is not None

    def pass_on_any(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
        return (pass_on if call.operation in PATHS else pass_on_chat)(call, endpoint, bound_output)

    def watch_any(call: Call, heard: Heard) -> Watch:
        return (MediaWatch if call.operation in PATHS else watch_chat)(call, heard)

    def glance_at(answer: bytes, call: Call) -> Reading:
        return glance(answer, call) if call.operation in PATHS else glance_chat(answer)

    return replace(side, pass_on=pass_on_any, watch=watch_any, glance_at=glance_at)
