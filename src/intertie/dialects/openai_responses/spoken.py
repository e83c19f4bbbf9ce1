"""Responses over a WebSocket: what a caller's message asks for, and what the events of an answer are as messages.

A message is the body of a POST with `type`, and with what only a socket has: `stream_id` names a strand (its answers
come one after another, and each event repeats it), `generate` false only remembers the input. Events come as they would
in a stream, one message each. Source: OpenAI's guide "WebSocket mode" and its SDK's `ResponsesClientEvent`.
"""

from typing import Final, NamedTuple

import msgspec

from intertie.core.call import Call, Fields
from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import read_fields, refuse
from intertie.dialects.openai_responses.response import RUNNING, Item, Outcome, ResponseObject

_ENVELOPE: Final = frozenset({"type", "stream_id", "generate", "stream", "background"})
_LONGEST_NAME: Final = 128
_CREATE: Final = "response.create"
_STEER: Final = "response.steer"


class _Envelope(msgspec.Struct):
    type: str
    stream_id: str | None = None
    generate: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None


class _Type(msgspec.Struct):
    type: str = ""


class Asked(NamedTuple):
    """One message, understood: the body that asks for a streamed response, and its envelope.

    `refused` is the ready answer where there is nothing to be done.
    """

    fields: Fields
    strand: str = ""
    generates: bool = True
    previous: str = ""
    refused: bytes = b""


_envelope = msgspec.json.Decoder(_Envelope).decode
_type = msgspec.json.Decoder(_Type).decode
_item = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def read_message(data: bytes) -> Asked:
    """Understand a caller's message. Raises InvalidRequest, naming the field."""
    fields, canonical = read_fields(data)
    try:
        seen = _envelope(canonical)
    except msgspec.DecodeError as error:
        refuse(error)
    if seen.type == _STEER:
        return Asked(fields, refused=_not_steered(fields))
    if seen.type != _CREATE:
        raise _wrong("type", f"there is no event {seen.type[:_LONGEST_NAME]!r}, only {_CREATE!r}")
    if seen.background:
        raise _wrong("background", "what is asked for over a WebSocket is answered there")
    if len(seen.stream_id or "") > _LONGEST_NAME:
        raise _wrong("stream_id", f"it has at most {_LONGEST_NAME} characters")
    body = {name: raw for name, raw in fields.items() if name not in _ENVELOPE}
    body["stream"] = msgspec.Raw(b"true")
    return Asked(body, seen.stream_id or "", seen.generate is not False, seen.previous_response_id or "")


def as_message(event: bytes, asked: Asked) -> bytes:
    """The data of a stream event as the message that answers.

    A call that builds on an earlier response was answered as if its caller had sent all of it: the response still says
    what it was built on.
    """
    if asked.previous and _may_show_previous(event):
        outer = _item(event)
        response = _item(outer["response"]) if "response" in outer else {}
        if "previous_response_id" in response:
            response["previous_response_id"] = msgspec.Raw(_encode(asked.previous))
            event = _encode(outer | {"response": response})
    if asked.strand:
        return b'%b,"stream_id":%b}' % (event.rstrip()[:-1], _encode(asked.strand))
    return event


def _may_show_previous(event: bytes) -> bool:
    """Whether an event carries the response; those that make up a stream do not."""
    return b'"previous_response_id"' in event and not _type(event).type.endswith(".delta")


def error_message(status: int, lines: bytes, body: bytes, strand: str = "") -> bytes:
    """A refusal under HTTP (status, header lines, error body) as the message that tells it."""
    head = dict(line.split(": ", 1) for line in lines.decode("latin-1").split("\r\n") if line)
    head.pop("content-type", None)
    error = _error(body)
    error["headers"] = head
    event: Item = {"type": "error", "status": status, "error": error}
    if strand:
        event["stream_id"] = strand
    return _encode(event)


def _error(body: bytes) -> Item:
    error: Item
    try:
        error = msgspec.json.decode(_item(body)["error"], type=dict[str, object])
    except (ValueError, KeyError):
        error = {"message": body[:1_000].decode("utf-8", "replace")}
    plain: Item = {"type": "server_error", "code": None, "message": "", "param": None}
    return plain | error


def warmed(call: Call, name: str, created: int) -> tuple[bytes, list[bytes]]:
    """The response to a call that generates nothing, and the events that tell it. It can be built upon."""
    response = ResponseObject(call, name, call.model, created)
    running, whole = response.state(RUNNING, []), response.state(Outcome("completed"), [])
    told = [("response.created", running), ("response.completed", whole)]
    events = [
        _encode({"type": kind, "sequence_number": number, "response": state})
        for number, (kind, state) in enumerate(told)
    ]
    return _encode(whole), events


def _not_steered(fields: Fields) -> bytes:
    message = "A response cannot be steered here: send it as the input of the next 'response.create'."
    error = {"type": "invalid_request_error", "code": "steering_not_supported", "message": message}
    steer = {name: fields[name] for name in ("input", "previous_response_id") if name in fields}
    return _encode({"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": steer})


def _wrong(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{field}': {what}.", code="invalid_value", param=field)
