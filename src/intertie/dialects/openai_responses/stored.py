"""What is kept of a response, and how a call that builds on one becomes a whole call.

A response keeps its own input and its own output; what came before is kept by the response before, `previous`. A call
with `previous_response_id` is answered as if its caller had sent all of the chain: oldest first, then its own input.
Instructions and tools are the caller's to send again; they are no part of the chain.

    call ─ chain of StoredResponse ─→ expand ─→ the call that is answered
    call + response ─→ keep ─→ StoredResponse

Who may see a response, and for how long it lies where, is not known here.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import refuse, write_fields
from intertie.dialects.openai_responses.glance import ENDS
from intertie.dialects.openai_responses.items import Kind
from intertie.dialects.openai_responses.peek import given, peek
from intertie.dialects.openai_responses.response import Item
from intertie.dialects.sse import data_of, events

LIFETIME_S: Final = 30 * 24 * 3_600
"""For how long OpenAI promises to keep a response."""

LONGEST_CHAIN: Final = 1_000
"""Responses that one call may build on: who continues longer keeps the conversation himself."""

_OURS: Final = frozenset({"previous_response_id", "background"})
_SEALS: Final = "reasoning.encrypted_content"
_FALSE: Final = msgspec.Raw(b"false")
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_ENDED: Final = frozenset({"completed", "incomplete"})


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response that is kept. `created` and `expires` in seconds since 1970; `input` is the JSON array of its own
    items, `response` the response object as JSON; `previous` the id of the response before it, "" for none.

    `events` are those of its stream, where it was made in the `background` and `streamed`.
    """

    id: str
    model: str
    created: int
    expires: int
    input: bytes
    response: bytes
    previous: str = ""
    background: bool = False
    streamed: bool = False
    events: bytes = b""


class Progress(msgspec.Struct):
    """How far a response is, and what came of it."""

    id: str
    status: str = "completed"
    output: list[msgspec.Raw] = []


class _Ending(msgspec.Struct):
    type: str
    response: msgspec.Raw = msgspec.Raw()


class _Wish(msgspec.Struct):
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = msgspec.Raw()


_wish = msgspec.json.Decoder(_Wish).decode
_progress = msgspec.json.Decoder(Progress).decode
_ending = msgspec.json.Decoder(_Ending).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_names = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Decoder(str).decode
_item = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_kind = msgspec.json.Decoder(Kind).decode
_encode = msgspec.json.Encoder().encode


def wants_keeping(call: Call, unsaid: bool) -> bool:
    """Whether the response is to be kept, `unsaid` where the caller did not say: unless it builds on a kept one, or is
    made in the background. Raises InvalidRequest if that cannot be.
    """
    wish = _read(call)
    if wish.background and wish.store is False:
        raise _wrong("background", "a response in the background is one that is stored")
    if wish.store is not None:
        return wish.store
    return unsaid or bool(wish.background) or bool(wish.previous_response_id)


def previous(call: Call) -> str:
    """The response that the call builds on, "" for none. Raises InvalidRequest if it builds on two things at once."""
    wish = _read(call)
    if wish.previous_response_id and bytes(wish.conversation) not in (b"", b"null"):
        raise _wrong("previous_response_id", "it cannot be given together with 'conversation'")
    return wish.previous_response_id or ""


def in_background(call: Call) -> bool:
    """Whether the caller comes back for the answer later."""
    return bool(_read(call).background)


def _read(call: Call) -> _Wish:
    try:
        return _wish(call.body)
    except msgspec.DecodeError as error:
        refuse(error)


def not_found(response_id: str, hint: str = "") -> InvalidRequest:
    """The fault of a call that builds on what is not kept, or not for this caller: nobody learns which."""
    message = f"Previous response with id '{response_id[:256]}' not found. {hint}".rstrip()
    return InvalidRequest(message, code="previous_response_not_found", param="previous_response_id")


def expand(call: Call, chain: Sequence[StoredResponse], hint: str = "") -> Call:
    """The call as an endpoint gets it: with all that was said before, nothing for the endpoint itself to keep, and its
    thoughts sealed where it is to think, so that they can go on.

    `chain` is oldest first and ends with `previous(call)`; it is empty where the call builds on nothing. `hint` tells
    callers of what is missing what is kept at all.
    The answer is to be written for the call as it came: what it echoes is what the caller sent. Raises InvalidRequest
    if a response of the chain is missing, or has not ended, or the chain is longer than `LONGEST_CHAIN`.
    """
    wanted = previous(call)
    if len(chain) > LONGEST_CHAIN:
        raise _wrong("previous_response_id", f"it builds on more than {LONGEST_CHAIN} responses")
    if wanted and (not chain or chain[-1].id != wanted or chain[0].previous):
        raise not_found(wanted, hint)
    fields: Fields = {name: raw for name, raw in call.fields.items() if name not in _OURS}
    fields["store"] = _FALSE
    items = [item for stored in chain for item in _said_in(stored)] + input_items(call)
    if items:  # in one form from the first turn on: what a conversation begins with says where it is likely cached
        fields["input"] = msgspec.Raw(_encode(items))
    if given(fields, "reasoning"):
        fields["include"] = _with_seals(given(fields, "include"))
    return msgspec.structs.replace(peek(call.operation, write_fields(fields)), ask=call.ask)


def _with_seals(include: bytes) -> msgspec.Raw:
    try:
        wanted = _names(include) if include else []
    except msgspec.ValidationError as error:
        refuse(error, "include")
    return msgspec.Raw(include if _SEALS in wanted else _encode([*wanted, _SEALS]))


def _said_in(stored: StoredResponse) -> list[msgspec.Raw]:
    progress = read_progress(stored)
    if progress.status not in _ENDED:
        raise _wrong("previous_response_id", f"the response '{stored.id}' is {progress.status}")
    return _items(stored.input) + [item for raw in progress.output if (item := as_input(raw)) is not None]


def as_input(raw: msgspec.Raw) -> msgspec.Raw | None:
    """An output item as it may be given to any endpoint; None for thoughts that nobody can read without their seal.

    Ids of thoughts and calls would be looked up by an endpoint that never kept them, so they are left out.
    """
    item = _item(raw)
    kind = _kind(raw).name
    if kind == "reasoning" and bytes(item.get("encrypted_content", b"null")) in (b"null", b'""'):
        return None
    if kind in _CALLS or kind == "reasoning":
        item.pop("id", None)
        item.pop("status", None)
        return msgspec.Raw(_encode(item))
    return raw


def input_items(call: Call) -> list[msgspec.Raw]:
    """The call's own input as items; a text alone is a message of the user."""
    raw = call.fields.get("input", msgspec.Raw(b"null"))
    text = bytes(raw)
    if text == b"null":
        return []
    if not text.startswith(b'"'):
        return _items(raw)
    content: list[Item] = [{"type": "input_text", "text": _text(raw)}]
    return [msgspec.Raw(_encode({"type": "message", "role": "user", "content": content}))]


def keep(call: Call, response: bytes, created: int, lifetime_s: int = LIFETIME_S) -> StoredResponse:
    """What is kept of a response, from the call as it came and the response object as it was told."""
    return StoredResponse(
        id=_progress(response).id,
        model=call.model,
        created=created,
        expires=created + lifetime_s,
        input=_encode(input_items(call)),
        response=response,
        previous=previous(call),
        background=in_background(call),
        streamed=call.stream,
    )


def response_in(tail: bytes) -> bytes:
    """The response object in the end of a stream that was written or passed on; b"" if there is none."""
    for event in events(tail):
        data = data_of(event)
        if data.startswith(b"{"):
            ending = _ending(data)
            if ending.type in ENDS:
                return bytes(ending.response)
    return b""


def read_progress(stored: StoredResponse) -> Progress:
    """How far a kept response is."""
    return _progress(stored.response)


def _wrong(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{field}': {what}.", code="invalid_value", param=field)
