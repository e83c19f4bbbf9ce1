"""Reads the few fields that decide where a request goes and what it may cost, and makes the body an endpoint gets."""

from hashlib import blake2b

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import InvalidRequest
from intertie.dialects.anthropic_messages.foreign import MARK, without_foreign
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields
from intertie.dialects.openrouter import first_model, take_out, with_preferences
from intertie.dialects.weight import Weight, runs_tools, weigh

_AFFINITY_BYTES = 256  # what conversations share at their beginning, as much as SGLang's prefix_hash takes
_LONGEST_NAME = 256

_ABSENT = msgspec.Raw()


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Peek(msgspec.Struct):
    """The fields that decide; everything else is left alone."""

    model: str
    messages: msgspec.Raw
    system: msgspec.Raw = _ABSENT
    max_tokens: int | None = None
    stream: bool | None = False
    speed: str | None = None
    metadata: _Metadata | None = None
    intertie: Ask | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_encode = msgspec.json.Encoder().encode
_DECIDING = frozenset(("provider", "models", *(field.encode_name for field in msgspec.structs.fields(_Peek))))


def peek(operation: Operation, body: bytes, model: str = "") -> Call:
    """Understand a request body; `model` is not asked for, the body names it. Raises InvalidRequest, naming the field.

    A count of tokens costs nothing, so it asks for nothing. Answers always tell what they used.
    """
    fields, canonical = read_fields(body)
    refuse_variants(fields, _DECIDING)
    if "models" in fields:
        canonical = first_model(fields, canonical)
    try:
        seen = _peek(canonical)
    except msgspec.DecodeError as error:
        refuse(error)
    _check(seen)
    counts = operation == "count_tokens"
    weight = Weight(0) if counts else weigh(canonical, "anthropic_messages")
    call = Call(
        operation=operation,
        model=seen.model,
        body=canonical,
        fields=fields,
        stream=bool(seen.stream) and not counts,
        wants_usage=True,
        prompt_tokens=weight.tokens,
        max_output=0 if counts else _max_output(seen),
        affinity=_affinity(seen),
        ask=seen.intertie or NO_ASK,
        dialect="anthropic_messages",
        units=weight.units if seen.speed != "fast" else msgspec.structs.replace(weight.units, tier="fast"),
        hosted=runs_tools(fields),
    )
    return with_preferences(call) if "provider" in fields or "models" in fields else call


def _check(seen: _Peek) -> None:
    if bytes(seen.messages)[:1] != b"[":
        raise InvalidRequest("Invalid type for 'messages': expected an array.", code="invalid_type", param="messages")
    if len(seen.model) > _LONGEST_NAME:
        message = f"'model' has at most {_LONGEST_NAME} characters."
        raise InvalidRequest(message, code="invalid_value", param="model")


def _max_output(seen: _Peek) -> int:
    """The limit that every call names; 0 asks for nothing but a filled cache."""
    limit = seen.max_tokens
    if limit is None:
        message = "Missing required parameter: 'max_tokens'."
        raise InvalidRequest(message, code="missing_required_parameter", param="max_tokens")
    if not 0 <= limit <= MOST_TOKENS:
        message = f"'max_tokens' must lie between 0 and {MOST_TOKENS}."
        raise InvalidRequest(message, code="invalid_value", param="max_tokens")
    return limit


def _affinity(seen: _Peek) -> bytes:
    """Who calls, where that is told (coding agents name the session there), else how the prompt begins."""
    user = seen.metadata.user_id if seen.metadata else None
    prompt = seen.messages if seen.system is _ABSENT else seen.system
    return blake2b(user.encode() if user else bytes(prompt)[:_AFFINITY_BYTES], digest_size=8).digest()


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
    """The body an endpoint gets: its own name for the model, nothing of ours, output bounded if it must be.

    Thoughts that another dialect's endpoint had are taken out: Anthropic refuses signatures that are not its own.
    """
    foreign = MARK in call.body
    rename = endpoint.upstream_model != call.model
    ours = "intertie" in call.fields or "provider" in call.fields or "models" in call.fields
    if not (rename or foreign or bound_output is not None or ours):
        return call.body
    fields: Fields = dict(call.fields)
    if ours:
        fields.pop("intertie", None)
        take_out(fields, endpoint)
    if rename:
        fields["model"] = msgspec.Raw(_encode(endpoint.upstream_model))
    if bound_output is not None:
        fields["max_tokens"] = msgspec.Raw(b"%d" % bound_output)
    if foreign:
        fields["messages"] = without_foreign(fields["messages"])
    return write_fields(fields)
