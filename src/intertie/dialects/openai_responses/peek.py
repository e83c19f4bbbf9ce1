"""Reads the few fields that decide where a request goes and what it may cost, and makes the body an endpoint gets."""

from hashlib import blake2b

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields
from intertie.dialects.weight import weigh

_AFFINITY_BYTES = 256  # what conversations share at their beginning
_LONGEST_NAME = 256

_ABSENT = msgspec.Raw()


class _Peek(msgspec.Struct):
    """The fields that decide; everything else is left alone."""

    model: str
    input: msgspec.Raw = _ABSENT
    instructions: msgspec.Raw = _ABSENT
    stream: bool | None = False
    max_output_tokens: int | None = None
    prompt_cache_key: str | None = None
    background: bool | None = False
    intertie: Ask | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_encode = msgspec.json.Encoder().encode
_DECIDING = frozenset(field.encode_name for field in msgspec.structs.fields(_Peek))
_OTHER_INPUTS = ("previous_response_id", "prompt", "conversation")
_TRUE = b"true"


def peek(operation: Operation, body: bytes, model: str = "") -> Call:
    """Understand a request body, which names the model itself. Raises InvalidRequest, naming the field."""
    fields, canonical = read_fields(body)
    refuse_variants(fields, _DECIDING)
    try:
        seen = _peek(canonical)
    except msgspec.DecodeError as error:
        refuse(error)
    content = _content(seen, fields)
    if len(seen.model) > _LONGEST_NAME:
        raise InvalidRequest(f"'model' has at most {_LONGEST_NAME} characters.", code="invalid_value", param="model")
    limit = seen.max_output_tokens
    if limit is not None and not 1 <= limit <= MOST_TOKENS:
        message = f"'max_output_tokens' must lie between 1 and {MOST_TOKENS}."
        raise InvalidRequest(message, code="invalid_value", param="max_output_tokens")
    shared = seen.prompt_cache_key.encode() if seen.prompt_cache_key else content[:_AFFINITY_BYTES]
    weight = weigh(canonical, "openai_responses")
    return Call(
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
        units=weight.units,
    )


def _content(seen: _Peek, fields: Fields) -> bytes:
    """Instructions and input, in the order in which a model reads them."""
    content = bytes(seen.input)
    if content in (b"", b"null"):
        if not any(bytes(fields.get(name, _ABSENT)) not in (b"", b"null") for name in _OTHER_INPUTS):
            message = "Missing required parameter: 'input'."
            raise InvalidRequest(message, code="missing_required_parameter", param="input")
    elif content[:1] not in b'["':
        message = "Invalid type for 'input': expected a string or an array."
        raise InvalidRequest(message, code="invalid_type", param="input")
    instructions = bytes(seen.instructions)
    return content if instructions in (b"", b"null") else instructions + content


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
    """The body an endpoint gets: its own name for the model, output bounded if it must be.

    `bound_output` is set when the caller named no limit and a budget pays. Raises Unsupported for `background`: what an
    endpoint makes behind our back cannot be metered.
    """
    if bytes(call.fields.get("background", _ABSENT)) == _TRUE:
        message = "'background' cannot be passed on: what an endpoint answers later cannot be metered."
        raise Unsupported(message, param="background")
    rename = endpoint.upstream_model != call.model
    if not (rename or bound_output is not None or "intertie" in call.fields):
        return call.body
    fields: Fields = dict(call.fields)
    fields.pop("intertie", None)
    if rename:
        fields["model"] = msgspec.Raw(_encode(endpoint.upstream_model))
    if bound_output is not None:
        fields["max_output_tokens"] = msgspec.Raw(b"%d" % bound_output)
    return write_fields(fields)
