"""Wishes: what a request asks of the choice, read from `x-intertie-*` headers, and the bounds of it however it came."""

from collections.abc import Callable
from difflib import get_close_matches

from intertie.core.call import Ask, MaxPrice
from intertie.core.faults import InvalidRequest

_PREFIX = "x-intertie-"
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_MAX_SESSION = 512
_MAX_TAGS, _MAX_TAG = 16, 128
_MAX_ZONES, _MAX_ZONE = 16, 32
_MAX_NAMES, _MAX_MODELS, _MAX_NAME = 64, 16, 256
_LONGEST_SLO_MS, _MOST_GRAMS = 3_600_000, 1_000_000


def wished(header: str, text: str) -> dict[str, object]:
    """What one header asks for, as fields of an `Ask`. Raises InvalidRequest, naming the header."""
    field = header[len(_PREFIX) :].replace("-", "_")
    reader = _READERS.get(field)
    if reader is None or "_" in header:
        nearest = get_close_matches(field, _READERS, n=1, cutoff=0.0)[0].replace("_", "-")
        message = f"There is no header {header[:64]!r} to ask with; the nearest is '{_PREFIX}{nearest}'."
        raise InvalidRequest(message, code="unknown_header", param=header[:64])
    return {field: reader(header, text)}


def check(ask: Ask) -> None:
    """Bounds of what is written down, repeated or compared. Raises InvalidRequest, naming the field."""
    if len(ask.session) > _MAX_SESSION:
        raise _bad("intertie.session", f"A session's name has at most {_MAX_SESSION} characters.")
    if len(ask.objective) > _MAX_TAG or len(ask.weights or ()) > _MAX_TAGS:
        raise _bad("intertie", "No objective has so long a name, and there are not so many axes.")
    if ask.slo_ttft_ms is not None and not 1 <= ask.slo_ttft_ms <= _LONGEST_SLO_MS:
        raise _bad("intertie.slo_ttft_ms", f"A latency target lies between 1 and {_LONGEST_SLO_MS:,} ms.")
    if ask.max_gco2 is not None and not 0 <= ask.max_gco2 <= _MOST_GRAMS:
        raise _bad("intertie.max_gco2", f"A cap on carbon lies between 0 and {_MOST_GRAMS:,} g.")
    for field, most, longest in _LISTS:
        words: tuple[str, ...] = getattr(ask, field)
        if len(words) > most or any(len(word) > longest for word in words):
            raise _bad(f"intertie.{field}", f"'{field}' is at most {most} words of {longest} characters each.")


_LISTS = (
    ("tags", _MAX_TAGS, _MAX_TAG),
    ("residency", _MAX_ZONES, _MAX_ZONE),
    ("only", _MAX_NAMES, _MAX_NAME),
    ("ignore", _MAX_NAMES, _MAX_NAME),
    ("order", _MAX_NAMES, _MAX_NAME),
    ("models", _MAX_MODELS, _MAX_NAME),
)


def _bad(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", param=field)


def _text(header: str, text: str) -> str:
    return text


def _words(header: str, text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _names(header: str, text: str) -> tuple[str, ...]:
    names = _words(header, text)
    if not names:
        raise _bad(header, f"{header} names nothing.")  # which would be what nobody means by it: anything
    return names


def _zones(header: str, text: str) -> tuple[str, ...]:
    return _names(header, text.upper())


def _flag(header: str, text: str) -> bool:
    wanted = _TRUTHS.get(text.lower())
    if wanted is None:
        raise _bad(header, f"{header} is 1 or 0, not {text[:64]!r}.")
    return wanted


def _number(header: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _bad(header, f"{header}: {text.strip()[:64]!r} is not a number.") from None
    if not 0 <= number < 1e12:
        raise _bad(header, f"{header}: {text.strip()[:64]!r} is out of range.")
    return number


def _weights(header: str, text: str) -> dict[str, float]:
    return {axis: _number(header, value) for axis, value in _pairs(text)}


def _max_price(header: str, text: str) -> MaxPrice:
    amounts = dict(_pairs(text))
    if not amounts or amounts.keys() - set(MaxPrice.__struct_fields__):
        raise _bad(header, f"{header} is as prompt=0.5,completion=2,request=0.01 with any of them.")
    return MaxPrice(**amounts)


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


_READERS: dict[str, Callable[[str, str], object]] = {
    "objective": _text,
    "weights": _weights,
    "slo_ttft_ms": _number,
    "max_cost_usd": _text,
    "max_gco2": _number,
    "residency": _zones,
    "session": _text,
    "tags": _words,
    "explain": _flag,
    "models": _names,
    "only": _names,
    "ignore": _names,
    "order": _names,
    "fallbacks": _flag,
    "max_price": _max_price,
    "no_retention": _flag,
    "strict": _flag,
}
