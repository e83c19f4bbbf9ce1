"""Reads the few fields that decide where a request goes and what it may cost, and makes the body an endpoint gets."""

from hashlib import blake2b

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields
from intertie.dialects.openrouter import first_model, take_out, with_preferences
from intertie.dialects.quirks import adapt
from intertie.dialects.weight import runs_tools, weigh

_AFFINITY_BYTES = 256  # what conversations share at their beginning
_LONGEST_NAME = 256


class _Peek(msgspec.Struct):
    """The fields that decide; everything else is left alone."""

    model: str
    stream: bool | None = False
    max_output_tokens: int | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    background: bool | None = False
    intertie: Ask | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_encode = msgspec.json.Encoder().encode
_PEEKED = frozenset(field.encode_name for field in msgspec.structs.fields(_Peek))
_DECIDING = _PEEKED | {"input", "instructions", "provider", "models"}
_LARGE = 4_096  # bytes; above, it pays to leave the content out before looking at the rest once more
_STANDARD = (None, "default", "standard")
_OTHER_INPUTS = ("previous_response_id", "prompt", "conversation")


def peek(operation: Operation, body: bytes, model: str = "") -> Call:
    """Understand a request body, which names the model itself. Raises InvalidRequest, naming the field."""
    fields, canonical = read_fields(body)
    refuse_variants(fields, _DECIDING)
    if "models" in fields:
        canonical = first_model(fields, canonical)
    try:
        seen = _peek(canonical if len(canonical) < _LARGE else _small(fields))
    except msgspec.DecodeError as error:
        refuse(error)
    content = _content(fields)
    if len(seen.model) > _LONGEST_NAME:
        raise InvalidRequest(f"'model' has at most {_LONGEST_NAME} characters.", code="invalid_value", param="model")
    limit = seen.max_output_tokens
    if limit is not None and not 1 <= limit <= MOST_TOKENS:
        message = f"'max_output_tokens' must lie between 1 and {MOST_TOKENS}."
        raise InvalidRequest(message, code="invalid_value", param="max_output_tokens")
    shared = seen.prompt_cache_key.encode() if seen.prompt_cache_key else content[:_AFFINITY_BYTES]
    weight = weigh(canonical, "openai_responses")
    call = Call(
        operation=operation,
        model=seen.model,
        body=canonical,
        fields=fields,
        stream=bool(seen.stream),
        wants_usage=True,  # streams of this dialect always tell it
        prompt_tokens=weight.tokens,
        max_output=limit,
        affinity=blake2b(shared, digest_size=8).digest() if shared else b"",
        ask=seen.intertie or NO_ASK,
        dialect="openai_responses",
        units=_in_tier(weight.units, seen.service_tier),
        hosted=runs_tools(fields),
    )
    return with_preferences(call) if "provider" in fields or "models" in fields else call


def _in_tier(units: Usage, tier: str | None) -> Usage:
    """The worst case where another service tier is asked for: a dearer one may serve."""
    if len(tier or "") > _LONGEST_NAME:
        raise InvalidRequest("'service_tier' is too long.", code="invalid_value", param="service_tier")
    return units if tier in _STANDARD else msgspec.structs.replace(units, tier=tier)


def _small(fields: Fields) -> bytes:
    return _encode({name: value for name, value in fields.items() if name in _PEEKED})


def _content(fields: Fields) -> bytes:
    """Instructions and input, in the order in which a model reads them."""
    content = given(fields, "input")
    if not content:
        if not any(given(fields, name) for name in _OTHER_INPUTS):
            message = "Missing required parameter: 'input'."
            raise InvalidRequest(message, code="missing_required_parameter", param="input")
    elif content[:1] not in b'["':
        message = "Invalid type for 'input': expected a string or an array."
        raise InvalidRequest(message, code="invalid_type", param="input")
    return given(fields, "instructions")[:_AFFINITY_BYTES] + content


def given(fields: Fields, name: str) -> bytes:
    """The bytes of a field; b"" where it is absent or null."""
    raw = bytes(fields.get(name, b""))
    return b"" if raw == b"null" else raw


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
    """The body an endpoint gets: its own name for the model, output bounded if it must be.

    `bound_output` is set when the caller named no limit and a budget pays. The endpoint is told to store nothing:
    nobody could come back to it, and its account is shared by all. Raises Unsupported for `background`: what an
    endpoint makes behind our back cannot be metered.
    """
    if given(call.fields, "background") == b"true":
        message = "'background' cannot be passed on: what an endpoint answers later cannot be metered."
        raise Unsupported(message, param="background")
    rename = endpoint.upstream_model != call.model
    ours = "intertie" in call.fields or "provider" in call.fields or "models" in call.fields
    stores = given(call.fields, "store") != b"false"
    if not (rename or stores or bound_output is not None or ours or endpoint.quirks):
        return call.body
    fields: Fields = dict(call.fields)
    if ours:
        fields.pop("intertie", None)
        take_out(fields, endpoint)
    if rename:
        fields["model"] = msgspec.Raw(_encode(endpoint.upstream_model))
    if stores:
        fields["store"] = msgspec.Raw(b"false")
    if bound_output is not None:
        fields["max_output_tokens"] = msgspec.Raw(b"%d" % bound_output)
    if endpoint.quirks:
        adapt(fields, call.operation, endpoint.quirks)
    return write_fields(fields)
