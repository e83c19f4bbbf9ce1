"""Reads the few fields that decide where a request goes and what it may cost, and makes the body an endpoint gets.

The model, the method and how the answer is sent stand in the path and its query, behind `/v1beta/models/`:
`gemini-2.5-flash:streamGenerateContent?alt=sse`. Google refuses fields that it does not know, so a key that only its
case tells from one that decides cannot mean anything there.
"""

from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import InvalidRequest, NotFound
from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.gemini.spelling import ABSENT, camel, given, one_spelling
from intertie.dialects.json_body import read_fields, refuse, write_fields
from intertie.dialects.openrouter import take_out, with_preferences
from intertie.dialects.weight import runs_tools, weigh

_AFFINITY_BYTES = 256  # what conversations share at their beginning, as much as SGLang's prefix_hash takes
_MAX_CHOICES = 128
_LONGEST_NAME = 256
_METHODS: Mapping[str, Operation] = MappingProxyType(
    {"generateContent": "chat", "streamGenerateContent": "chat", "countTokens": "count_tokens"}
)
_STANDARD = ("", "standard", "unspecified")
_CONFIG = "generationConfig"
_WHOLE = "generateContentRequest"


class _Peek(msgspec.Struct, rename="camel"):
    """The small fields that decide."""

    cached_content: str | None = None
    model: str | None = None
    service_tier: str | None = None
    intertie: Ask | None = None


class _Limits(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_limits = msgspec.json.Decoder(_Limits, strict=False).decode  # ProtoJSON takes numbers in quotes too
_encode = msgspec.json.Encoder().encode
_SMALL = tuple(field.encode_name for field in msgspec.structs.fields(_Peek))
_DECIDING = frozenset((*_SMALL, "contents", "systemInstruction", _CONFIG, _WHOLE))


def peek(operation: Operation, body: bytes, model: str = "") -> Call:
    """Understand a request. `model` is the end of the path with its query; the method there decides over `operation`.

    Raises InvalidRequest, naming the field, and NotFound for a method that is not known.
    """
    name, operation, stream = _asked(model)
    fields, canonical = read_fields(body)
    told = one_spelling(fields, _DECIDING)
    try:
        seen = _peek(write_fields({field: told[field] for field in _SMALL if field in told}))
    except msgspec.DecodeError as error:
        refuse(error)
    if seen.model not in (None, name, f"models/{name}"):
        message = f"'model' names another model than the path, which names '{name}'."
        raise InvalidRequest(message, code="invalid_value", param="model")
    limits = _read_limits(told.get(_CONFIG, ABSENT))
    shared = seen.cached_content.encode() if seen.cached_content else _prompt(operation, told)
    weight = weigh(canonical, "gemini")
    call = Call(
        operation=operation,
        model=name,
        body=canonical,
        fields=fields,
        stream=stream,
        wants_usage=True,
        prompt_tokens=weight.tokens,
        max_output=0 if operation == "count_tokens" else limits.max_output_tokens,
        choices=limits.candidate_count or 1,
        affinity=blake2b(shared[:_AFFINITY_BYTES], digest_size=8).digest(),
        ask=seen.intertie or NO_ASK,
        dialect="gemini",
        units=_in_tier(weight.units, seen.service_tier),
        hosted=runs_tools(fields),
    )
    return with_preferences(call) if "provider" in fields or "models" in fields else call


def _in_tier(units: Usage, told: str | None) -> Usage:
    """The worst case where another service tier is asked for: a dearer one may serve."""
    tier = (told or "").lower().removeprefix("service_tier_")
    if len(tier) > _LONGEST_NAME:
        raise InvalidRequest("'serviceTier' is too long.", code="invalid_value", param="serviceTier")
    return units if tier in _STANDARD else msgspec.structs.replace(units, tier=tier)


def _asked(tail: str) -> tuple[str, Operation, bool]:
    """The model, the operation, and whether the answer is streamed."""
    path, _, query = tail.partition("?")
    name, _, method = path.rpartition(":")
    operation = _METHODS.get(method)
    if operation is None or not name:
        raise NotFound(f"There is no method '{method[:_LONGEST_NAME]}' of a model.")
    if len(name) > _LONGEST_NAME:
        message = f"'model' has at most {_LONGEST_NAME} characters."
        raise InvalidRequest(message, code="invalid_value", param="model")
    stream = method == "streamGenerateContent"
    if stream and "alt=sse" not in query.split("&"):
        message = "Streams are sent as server-sent events only: ask for streamGenerateContent with '?alt=sse'."
        raise InvalidRequest(message, code="invalid_value", param="alt")
    return name, operation, stream


def _prompt(operation: Operation, told: Fields) -> bytes:
    """What the model is to read, from its beginning. Raises InvalidRequest if there is nothing."""
    contents = bytes(told.get("contents", ABSENT))
    if operation == "count_tokens" and not contents and _WHOLE in told:
        return bytes(told[_WHOLE])
    if not contents:
        message = "Missing required parameter: 'contents'."
        raise InvalidRequest(message, code="missing_required_parameter", param="contents")
    if contents[:1] != b"[":
        raise InvalidRequest("Invalid type for 'contents': expected an array.", code="invalid_type", param="contents")
    return bytes(told.get("systemInstruction", ABSENT))[:_AFFINITY_BYTES] + contents[:_AFFINITY_BYTES]


def _read_limits(config: msgspec.Raw) -> _Limits:
    """What decides in `generationConfig`: there too each key once, in one of its spellings."""
    if not given(config):
        return _Limits()
    fields, _ = read_fields(bytes(config))
    told = one_spelling(fields, frozenset(field.encode_name for field in msgspec.structs.fields(_Limits)))
    try:
        limits = _limits(write_fields(told))
    except msgspec.DecodeError as error:
        refuse(error)
    _refuse_beyond("maxOutputTokens", limits.max_output_tokens, MOST_TOKENS)
    _refuse_beyond("candidateCount", limits.candidate_count, _MAX_CHOICES)
    return limits


def _refuse_beyond(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        field = f"{_CONFIG}.{name}"
        raise InvalidRequest(f"'{field}' must lie between 1 and {most}.", code="invalid_value", param=field)


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
    """The body an endpoint gets: nothing in it names the model, and its output is bounded if it must be.

    `bound_output` is set when the caller named no limit and a budget pays. Thoughts count as output, so the bound holds
    for them too. Vertex knows no `generateContentRequest`: what is in it stands at the top there.
    """
    spelled = {camel(name): name for name in call.fields}
    if bound_output is None and spelled.keys().isdisjoint(("intertie", "model", "provider", _WHOLE)):
        return call.body
    fields = {name: raw for name, raw in call.fields.items() if camel(name) not in ("intertie", "model")}
    take_out(fields, endpoint)
    if bound_output is not None:
        name = spelled.get(_CONFIG, _CONFIG)
        fields[name] = _with(fields.get(name, ABSENT), "maxOutputTokens", b"%d" % bound_output)
    if _WHOLE in spelled and call.operation == "count_tokens":
        whole = fields.pop(spelled[_WHOLE])
        named = _with(whole, "model", _encode(f"models/{endpoint.upstream_model}"))
        fields |= {_WHOLE: named} if endpoint.dialect == "gemini" else _without_model(whole)
    return write_fields(fields)


def _with(message: msgspec.Raw, name: str, value: bytes) -> msgspec.Raw:
    inner = read_fields(bytes(message))[0] if given(message) else {}
    kept = {field: raw for field, raw in inner.items() if camel(field) != name}
    return msgspec.Raw(write_fields({**kept, name: msgspec.Raw(value)}))


def _without_model(message: msgspec.Raw) -> Fields:
    return {name: raw for name, raw in read_fields(bytes(message))[0].items() if name != "model"}
