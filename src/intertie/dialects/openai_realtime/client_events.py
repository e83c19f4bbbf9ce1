"""What callers send in a session: read as far as it may make the endpoint work, and told apart from the rest."""

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from intertie.core.call import Fields
from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields

Kind: TypeAlias = Literal["create", "append", "update", "other"]
"""create: a response is asked for · append: audio, of which an endpoint that listens makes responses by itself ·
update: of the session · other: whatever else; it is passed on."""

_KINDS: Final[dict[str, Kind]] = {
    "response.create": "create", "input_audio_buffer.append": "append", "session.update": "update",
}  # fmt: skip
_DECIDING: Final = frozenset({"type", "event_id", "session", "response"})
_LONGEST_NAME: Final = 512


class _Event(msgspec.Struct):
    type: str
    event_id: str | None = None


class _Session(msgspec.Struct):
    model: str | None = None


class _Input(msgspec.Struct):
    transcription: object = None


class _Audio(msgspec.Struct):
    input: _Input | None = None


class _Wishes(msgspec.Struct):
    audio: _Audio | None = None
    input_audio_transcription: object = None


class Said(NamedTuple):
    """One event: `data` is canonical, as it is passed on; `size` what it can add to a prompt, in bytes."""

    kind: Kind
    id: str
    fields: Fields
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of it that a model may read."""
        return len(self.data)


_event = msgspec.json.Decoder(_Event).decode
_session = msgspec.json.Decoder(_Session).decode
_wishes = msgspec.json.Decoder(_Wishes).decode
_encode = msgspec.json.Encoder().encode
_SMALL: Final = ("type", "event_id")


def read(data: bytes) -> Said:
    """Understand an event. Raises InvalidRequest, naming the field."""
    fields, canonical = read_fields(data)
    refuse_variants(fields, _DECIDING)
    try:
        seen = _event(write_fields({name: fields[name] for name in _SMALL if name in fields}))
    except msgspec.DecodeError as error:
        refuse(error)
    if len(seen.event_id or "") > _LONGEST_NAME:
        raise InvalidRequest(f"'event_id' has at most {_LONGEST_NAME} characters.", param="event_id")
    return Said(_KINDS.get(seen.type, "other"), seen.event_id or "", fields, canonical)


def named(said: Said, event_id: str) -> Said:
    """The event with an id, by which an endpoint's error tells which one it means."""
    fields: Fields = said.fields | {"event_id": msgspec.Raw(_encode(event_id))}
    return Said(said.kind, event_id, fields, write_fields(fields))


def with_model(said: Said, public: str, own: str) -> Said:
    """An update of the session under the endpoint's own name for the model. Raises InvalidRequest for another model."""
    raw = said.fields.get("session")
    if raw is None or not bytes(raw).startswith(b"{"):
        return said
    session, canonical = read_fields(bytes(raw))
    refuse_variants(session, frozenset({"model", "audio", "input_audio_transcription"}))
    try:
        model = _session(canonical).model
    except msgspec.DecodeError as error:
        refuse(error, "session")
    if model is not None:
        if model not in (public, own):
            message = "The model of a session cannot be changed."
            raise InvalidRequest(message, code="invalid_value", param="session.model")
        session["model"] = msgspec.Raw(_encode(own))
    fields: Fields = said.fields | {"session": msgspec.Raw(write_fields(session))}
    return Said(said.kind, said.id, fields, write_fields(fields))


def wants_transcripts(said: Said) -> bool:
    """Whether an update asks for transcripts of what is heard: another model makes them, at a price of its own."""
    try:
        wishes = _wishes(bytes(said.fields.get("session", b"{}")))
    except msgspec.DecodeError:
        return True  # the endpoint will say what is wrong with it, or understand it
    given = wishes.audio.input.transcription if wishes.audio and wishes.audio.input else None
    return given is not None or wishes.input_audio_transcription is not None
