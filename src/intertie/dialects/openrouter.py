"""OpenRouter's way to say where a request may go: the body's `provider` object and its `models` list, as our `Ask`.

    order                   order               tried first, in this order
    only, ignore            only, ignore        endpoints, sites or providers, by name
    allow_fallbacks: false  fallbacks: false    with `order`: only those that it names
    data_collection: deny   no_retention        and so does `zdr`: who keeps nothing collects nothing
    require_parameters      strict
    sort: price | latency   weights             all of the weight on cost, or on the time to first token
    preferred_max_latency   slo_ttft_ms         seconds
    max_price               max_price           dollars per million tokens, and per request
    models                  models

What this gateway does not know of its endpoints (quantization, throughput) is refused by name, never ignored. Where an
endpoint is OpenRouter itself it is told `provider` too, so that it keeps what we keep.
"""

from typing import Annotated, Literal

import msgspec

from intertie.core.call import Ask, Call, Fields, MaxPrice
from intertie.core.endpoint import Endpoint
from intertie.core.faults import InvalidRequest
from intertie.core.money import parse_usd
from intertie.dialects.json_body import refuse, write_fields

MOST_NAMES = 64
LONGEST_NAME = 256
_LONGEST_LATENCY_S = 3_600

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_Names = Annotated[tuple[_Name, ...], msgspec.Meta(max_length=MOST_NAMES)]
_AXES = ("ttft", "cost", "affinity", "capacity", "proximity", "carbon")
_SORTED_BY = {"price": "cost", "latency": "ttft"}
_UNKNOWN_HERE = {
    "quantizations": "endpoints do not tell how they are quantised",
    "preferred_min_throughput": "endpoints are not chosen by throughput",
}


class _Sort(msgspec.Struct, forbid_unknown_fields=True):
    by: str
    partition: Literal["model"] | None = None


class _MaxPrice(msgspec.Struct, forbid_unknown_fields=True):
    prompt: str | float | None = None
    completion: str | float | None = None
    request: str | float | None = None


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    order: _Names | None = None
    only: _Names | None = None
    ignore: _Names | None = None
    allow_fallbacks: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    require_parameters: bool | None = None
    enforce_distillable_text: bool | None = None
    sort: str | _Sort | None = None
    max_price: _MaxPrice | None = None
    preferred_max_latency: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST_LATENCY_S)] | None = None
    quantizations: msgspec.Raw = msgspec.Raw()
    preferred_min_throughput: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    provider: _Provider | None = None
    models: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=16)] | None = None


class _Lists(msgspec.Struct):
    order: _Names | None = None
    only: _Names | None = None


_body = msgspec.json.Decoder(_Body).decode
_lists = msgspec.json.Decoder(_Lists).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def said(fields: Fields) -> bool:
    """Whether a body says where it may go in OpenRouter's way: an object `provider`, or a list `models`."""
    return bytes(fields.get("provider", b""))[:1] == b"{" or bytes(fields.get("models", b""))[:1] == b"["


def first_model(fields: Fields, body: bytes) -> bytes:
    """The body with a model: where it names none, the first of its `models`. `fields` is the caller's to change.

    Raises InvalidRequest if they are no list of names.
    """
    if bytes(fields.get("model", b"null")) != b"null" or not said(fields):
        return body
    models = _read(fields).models
    if not models:
        return body  # that none is named is told as ever
    fields["model"] = msgspec.Raw(_encode(models[0]))
    return write_fields(fields)


def with_preferences(call: Call) -> Call:
    """The call with what its body says in OpenRouter's way; `models` are taken out. Raises InvalidRequest."""
    fields, body = call.fields, call.body
    if not said(fields):
        return call
    ask = asked(fields, call.ask, call.model)
    if "models" in fields:
        fields = {name: raw for name, raw in fields.items() if name != "models"}
        body = write_fields(fields)
    return msgspec.structs.replace(call, ask=ask, fields=fields, body=body)


def take_out(fields: Fields, endpoint: Endpoint) -> None:
    """Take out of a body what was said to us alone. `fields` is the caller's to change.

    OpenRouter gets `provider`, but for a list that names the endpoint itself and so speaks of places here. It never
    gets `models`: what it then served would be another model, at the price of this one.
    """
    provider = bytes(fields.get("provider", b""))
    if endpoint.provider == "openrouter":
        fields.pop("models", None)
    if provider[:1] != b"{":
        return
    del fields["provider"]
    if endpoint.provider == "openrouter":
        lists, names = _lists(provider), {name.lower() for name in endpoint.names}
        ours = [name for name in _Lists.__struct_fields__ if not names.isdisjoint(_small(getattr(lists, name)))]
        told = {name: raw for name, raw in _object(provider).items() if name not in ours}
        if told:
            fields["provider"] = msgspec.Raw(write_fields(told))


def _small(names: tuple[str, ...] | None) -> set[str]:
    return {name.lower() for name in names or ()}


def asked(fields: Fields, ask: Ask, model: str = "") -> Ask:
    """What the body's `provider` and `models` ask for, laid under `ask`, which is our own way and so weighs more.

    `model` is the one that the request names itself: it is no fallback of its own. Raises InvalidRequest, naming the
    member.
    """
    body = _read(fields)
    wanted = _wanted(body.provider) if body.provider else {}
    wanted["models"] = tuple(name for name in dict.fromkeys(body.models or ()) if name != model)
    unsaid = Ask()
    mine = {name: value for name, value in wanted.items() if getattr(ask, name) == getattr(unsaid, name)}
    return msgspec.structs.replace(ask, **mine)


def _read(fields: Fields) -> _Body:
    try:
        return _body(_encode({name: fields[name] for name in ("provider", "models") if name in fields}))
    except msgspec.DecodeError as error:
        refuse(error)


def _wanted(provider: _Provider) -> dict[str, object]:
    _refuse_unknown(provider)
    only, order, fallbacks = provider.only or (), provider.order or (), provider.allow_fallbacks is not False
    if order and not fallbacks:
        only = tuple(name for name in order if not only or name in only)
        if not only:
            raise _refusal("only", "together with 'provider.order' it leaves nothing")
        fallbacks = True
    return {
        "only": only,
        "ignore": provider.ignore or (),
        "order": order,
        "fallbacks": fallbacks,
        "no_retention": provider.data_collection == "deny" or provider.zdr is True,
        "strict": provider.require_parameters is True,
        "weights": _weights(provider.sort),
        "max_price": _max_price(provider.max_price),
        "slo_ttft_ms": provider.preferred_max_latency and provider.preferred_max_latency * 1_000,
    }


def _refuse_unknown(provider: _Provider) -> None:
    for name, why in _UNKNOWN_HERE.items():
        if bytes(getattr(provider, name)) not in (b"", b"null", b"[]"):
            raise _refusal(name, why)
    if provider.enforce_distillable_text:
        raise _refusal("enforce_distillable_text", "endpoints do not tell what may be done with their text")


def _weights(sort: str | _Sort | None) -> dict[str, float] | None:
    by = sort.by if isinstance(sort, _Sort) else sort
    if by is None:
        return None
    if by not in _SORTED_BY:
        raise _refusal("sort", f"there is {' and '.join(_SORTED_BY)}, not {by[:64]!r}")
    return {axis: 1.0 if axis == _SORTED_BY[by] else 0.0 for axis in _AXES}


def _max_price(price: _MaxPrice | None) -> MaxPrice | None:
    if price is None:
        return None
    return MaxPrice(
        prompt=_dollars("prompt", price.prompt),
        completion=_dollars("completion", price.completion),
        request=_dollars("request", price.request),
    )


def _dollars(name: str, amount: str | float | None) -> str | None:
    if amount is None:
        return None
    text = amount if isinstance(amount, str) else f"{amount:.9f}"
    try:
        parse_usd(text)
    except ValueError as wrong:
        raise _refusal(f"max_price.{name}", str(wrong)) from None
    return text


def _refusal(member: str, why: str) -> InvalidRequest:
    where = f"provider.{member}"
    return InvalidRequest(f"'{where}' cannot be kept: {why}.", code="unsupported_parameter", param=where)
