"""Reads the few fields that decide where a request goes and what it may cost, and makes the body an endpoint gets."""

from hashlib import blake2b

import msgspec

from intertie.core.call import NO_ASK, Ask, Call, Fields
from intertie.core.endpoint import Endpoint, Operation
from intertie.core.faults import InvalidRequest
from intertie.core.usage import Usage
from intertie.dialects.dialect import MOST_TOKENS
from intertie.dialects.json_body import read_fields, refuse, refuse_variants, write_fields
from intertie.dialects.openrouter import first_model, take_out, with_preferences
from intertie.dialects.quirks import adapt
from intertie.dialects.weight import BYTES_PER_TOKEN, Weight, runs_tools, weigh_chat

_AFFINITY_BYTES = 256  # what conversations share at their beginning, as much as SGLang's prefix_hash takes
_MAX_CHOICES = 128
_LONGEST_NAME = 256
_STANDARD = ("default", "standard")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class _Peek(msgspec.Struct):
    """The fields that decide; everything else is left alone."""

    model: str
    stream: bool | None = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n_predict: int | None = None  # llama.cpp's
    max_new_tokens: int | None = None  # TGI's and transformers'
    n: int | None = 1
    best_of: int | None = None
    stream_options: _StreamOptions | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    intertie: Ask | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_CONTENT: dict[Operation, str] = {"chat": "messages", "completions": "prompt", "embeddings": "input"}
_OPENERS = {"messages": b"[", "prompt": b'["', "input": b'["'}
_TRUE = msgspec.Raw(b"true")
_PEEKED = frozenset(field.encode_name for field in msgspec.structs.fields(_Peek))
_DECIDING = _PEEKED.union(_CONTENT.values(), ("provider", "models"))
_LARGE = 4_096  # bytes; above, it pays to leave the content out before looking at the rest once more


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
    content = _content(operation, fields)
    if len(seen.model) > _LONGEST_NAME:
        message = f"'model' has at most {_LONGEST_NAME} characters."
        raise InvalidRequest(message, code="invalid_value", param="model")
    if seen.stream and operation == "embeddings":
        raise InvalidRequest("Embeddings cannot be streamed.", code="unsupported_parameter", param="stream")
    weight = weigh_chat(canonical, content) if operation == "chat" else Weight(len(canonical) // BYTES_PER_TOKEN + 1)
    call = Call(
        operation=operation,
        model=seen.model,
        body=canonical,
        fields=fields,
        stream=bool(seen.stream),
        wants_usage=seen.stream_options is not None and bool(seen.stream_options.include_usage),
        prompt_tokens=weight.tokens,
        units=weight.units if seen.service_tier is None else _in_tier(weight.units, seen.service_tier),
        hosted=runs_tools(fields),
        max_output=0 if operation == "embeddings" else _max_output(seen),
        choices=_choices(seen) * (_prompts(content) if operation == "completions" else 1),
        affinity=_affinity(seen.prompt_cache_key, content),
        ask=seen.intertie or NO_ASK,
    )
    return with_preferences(call) if "provider" in fields or "models" in fields else call


def _in_tier(units: Usage, tier: str) -> Usage:
    """The worst case where another service tier is asked for: a dearer one may serve."""
    if len(tier) > _LONGEST_NAME:
        raise InvalidRequest("'service_tier' is too long.", code="invalid_value", param="service_tier")
    return units if tier in _STANDARD else msgspec.structs.replace(units, tier=tier)


def _small(fields: Fields) -> bytes:
    return _encode({name: value for name, value in fields.items() if name in _PEEKED})


def _content(operation: Operation, fields: Fields) -> bytes:
    name = _CONTENT[operation]
    content = bytes(fields.get(name, b""))
    if operation == "completions" and content in (b"", b"null"):
        return b""  # a completion may begin from nothing
    if not content:
        raise InvalidRequest(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if content[:1] not in _OPENERS[name]:
        expected = "an array" if name == "messages" else "a string or an array"
        raise InvalidRequest(f"Invalid type for '{name}': expected {expected}.", code="invalid_type", param=name)
    return content


def _choices(seen: _Peek) -> int:
    """How many answers the engine makes for a prompt: `best_of` are generated and charged where `n` are told."""
    if seen.n == 1 and seen.best_of is None:
        return 1
    n = 1 if seen.n is None else seen.n
    most = n if seen.best_of is None else max(n, seen.best_of)
    if n < 1 or most > _MAX_CHOICES:
        name = "n" if n < 1 or n == most else "best_of"
        raise InvalidRequest(f"'{name}' must lie between 1 and {_MAX_CHOICES}.", code="invalid_value", param=name)
    return most


def _prompts(content: bytes) -> int:
    """How many prompts a completion has: each text and each list of token ids is answered by itself."""
    if content[:1] != b"[" or content[1:32].lstrip()[:1] not in b'"[':
        return 1  # one text, or the token ids of one
    return max(1, len(_list(content)))


def _affinity(cache_key: str | None, content: bytes) -> bytes:
    shared = cache_key.encode() if cache_key else content[:_AFFINITY_BYTES]
    return blake2b(shared, digest_size=8).digest() if shared else b""


def _max_output(seen: _Peek) -> int | None:
    """The largest of all limits: which of them an engine obeys is its own affair."""
    limit = seen.max_completion_tokens
    if limit is not None and not 1 <= limit <= MOST_TOKENS:
        raise _beyond("max_completion_tokens")
    for name, other in (
        ("max_tokens", seen.max_tokens), ("n_predict", seen.n_predict), ("max_new_tokens", seen.max_new_tokens)
    ):  # fmt: skip
        if other is not None:
            if not 1 <= other <= MOST_TOKENS:
                raise _beyond(name)
            limit = other if limit is None or other > limit else limit
    return limit


def _beyond(name: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' must lie between 1 and {MOST_TOKENS}.", code="invalid_value", param=name)


def pass_on(call: Call, endpoint: Endpoint, bound_output: int | None) -> bytes:
    """The body an endpoint gets: its own name for the model, usage asked for on streams, output bounded if it must be.

    `bound_output` is set when the caller named no limit and a budget pays: what cannot be bounded cannot be paid.
    """
    model = endpoint.upstream_model
    rename = model != call.model
    ask_usage = call.stream and not call.wants_usage
    ours = "intertie" in call.fields or "provider" in call.fields or "models" in call.fields
    if not (rename or ask_usage or bound_output is not None or ours or endpoint.quirks):
        return call.body
    fields: Fields = dict(call.fields)
    if ours:
        fields.pop("intertie", None)
        take_out(fields, endpoint)
    if rename:
        fields["model"] = msgspec.Raw(_encode(model))
    if ask_usage:
        fields["stream_options"] = _with_usage(fields.get("stream_options"))
    if bound_output is not None:
        name = "max_completion_tokens" if call.operation == "chat" else "max_tokens"
        fields[name] = msgspec.Raw(b"%d" % bound_output)
    if endpoint.quirks:
        adapt(fields, call.operation, endpoint.quirks)
    return write_fields(fields)


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None or bytes(options) == b"null":
        return msgspec.Raw(b'{"include_usage":true}')
    inner, _ = read_fields(bytes(options))
    inner["include_usage"] = _TRUE
    return msgspec.Raw(write_fields(inner))
