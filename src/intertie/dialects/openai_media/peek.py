"""Reads the few fields of a JSON body that decide where it goes and what it may cost, and makes the endpoint's body."""

import msgspec

from intertie.core.call import NO_ASK, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields
from intertie.dialects.openai_media.asked import (
    Asked,
    Editing,
    Moderating,
    Ranking,
    Rendering,
    Speaking,
    Worth,
    bad,
    missing,
)
from intertie.dialects.openai_media.multipart import with_model
from intertie.dialects.openrouter import first_model, take_out, with_preferences
from intertie.dialects.weight import BYTES_PER_TOKEN

_LONGEST_NAME = 256
_DEFAULT_MODEL: dict[Operation, str] = {"moderations": "omni-moderation-latest"}  # as the API documents it
_SHAPES: dict[Operation, type[Rendering | Speaking | Ranking | Moderating]] = {
    "images": Rendering,
    "image_edits": Editing,
    "speech": Speaking,
    "rerank": Ranking,
    "moderations": Moderating,
}
_encode = msgspec.json.Encoder().encode


def peek(operation: Operation, body: bytes, model: str = "") -> Call:
    """Understand a JSON body; `model` is not asked for, the body names it. Raises InvalidRequest, naming the field."""
    shape = _SHAPES.get(operation)
    if shape is None:
        bad("", f"A {operation} takes a form: content-type must be multipart/form-data.", "unsupported_media_type")
    fields, canonical = read_fields(body)
    refuse_variants(fields, deciding(shape) | {"provider", "models"})
    if "models" in fields:
        canonical = first_model(fields, canonical)
    try:
        asked = msgspec.json.decode(canonical, type=shape)
    except msgspec.DecodeError as error:
        refuse(error)
    call = to_call(operation, asked, asked.worth(), canonical, fields)
    return with_preferences(call) if "provider" in fields or "models" in fields else call


def to_call(operation: Operation, asked: Asked, worth: Worth, body: bytes, fields: Fields) -> Call:
    """The call that asks for this, in these bytes."""
    return Call(
        operation=operation,
        model=_named(operation, asked.model),
        body=body,
        fields=fields,
        stream=asked.streamed,
        prompt_tokens=worth.prompt_bytes // BYTES_PER_TOKEN + 1,
        max_output=worth.max_output,
        choices=worth.choices,
        ask=asked.intertie or NO_ASK,
        units=worth.units,
    )


def deciding(shape: type[Asked]) -> frozenset[str]:
    """The names of the fields that decide."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(shape))


def _named(operation: Operation, model: str | None) -> str:
    """The model that was asked for, or the one that the API takes where none is named."""
    model = model or _DEFAULT_MODEL.get(operation, "")
    if not model:
        missing("model")
    if len(model) > _LONGEST_NAME:
        bad("model", f"'model' has at most {_LONGEST_NAME} characters.")
    return model


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None = None) -> bytes:
    """The body an endpoint gets: its own name for the model. None can be told a limit: `bound_output` is moot."""
    model = endpoint.upstream_model
    if not call.fields:  # a form
        return call.body if model == call.model else with_model(call.body, call.content_type, model)
    ours = "intertie" in call.fields or "provider" in call.fields or "models" in call.fields
    if model == call.model and "model" in call.fields and not ours:
        return call.body
    fields: Fields = dict(call.fields)
    fields.pop("intertie", None)
    take_out(fields, endpoint)
    fields["model"] = msgspec.Raw(_encode(model))
    return write_fields(fields)
