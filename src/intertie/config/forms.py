"""Forms of single values: how a text in the file, in the environment or on the command line becomes a value.

A field is declared as `Annotated[int, COUNT, "help"]`: the type for the reader of code, the form for the reader of the
file, the help for the reference page.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from intertie.core.endpoint import Origin
from intertie.core.money import parse_usd


class Form(msgspec.Struct, frozen=True):
    """What a value looks like: `expected` completes "expected …"; `parse` raises ValueError if it is not that.

    `secret` values are references (`env:NAME`, `vault:PATH#FIELD`) that the reader resolves, and are never shown.
    """

    expected: str
    parse: Callable[[str], object]
    secret: bool = False


_SUFFIX = {"k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+/:-]{0,127}")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _count(text: str) -> int:
    factor = _SUFFIX.get(text[-1:], 1)
    digits = text[:-1] if factor != 1 else text
    try:
        number = Decimal(digits.strip()) * factor
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or number < 0 or number != number.to_integral_value() or number > 2**53:
        raise ValueError
    return int(number)


def _positive_count(text: str) -> int:
    number = _count(text)
    if number < 1:
        raise ValueError
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


def _number(text: str) -> float:
    factor = _SUFFIX.get(text[-1:], 1)
    number = float(text[:-1] if factor != 1 else text) * factor
    if not math.isfinite(number):
        raise ValueError
    return number


def _not_negative(text: str) -> float:
    number = _number(text)
    if number < 0:
        raise ValueError
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if number <= 0:
        raise ValueError
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _thousandths(text: str) -> int:
    try:
        number = Decimal(text.strip()) * 1_000
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or not 0 <= number <= 1_000_000 or number != number.to_integral_value():
        raise ValueError
    return int(number)


def _switch(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError
    return word in _TRUE


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError
    return text


def _zone(text: str) -> str:
    if text.startswith("/") or ".." in text:
        raise ValueError
    try:
        ZoneInfo(text)
    except (OSError, KeyError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a folder
        raise ValueError from None
    return text


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _split_url(text: str) -> SplitResult:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError
    return parts


def _origin(text: str) -> Origin:
    parts = _split_url(text)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("without user, query or fragment")
    port = parts.port if parts.port is not None else {"http": 80, "https": 443}[parts.scheme]
    scheme = "https" if parts.scheme == "https" else "http"
    return Origin(scheme, (parts.hostname or "").encode("idna").decode(), port, parts.path.rstrip("/"))


def _web_address(text: str) -> str:
    _split_url(text)
    return text


TEXT = Form("text", str)
NAME = Form("a name of letters, digits and . _ - / : @ +", _name)
COUNT = Form("a whole number such as 20, 20k or 1.5M", _count)
POSITIVE_COUNT = Form("a whole number of at least 1 such as 20, 20k or 1.5M", _positive_count)
PORT = Form("a port from 0 to 65535", _port)
NUMBER = Form("a number", _number)
NOT_NEGATIVE = Form("a number of 0 or more", _not_negative)
POSITIVE = Form("a number above 0", _positive)
SHARE = Form("a number from 0 to 1", _share)
FACTOR = Form("a factor from 0 to 1000 such as 0.5, with three decimal places at most", _thousandths)
SWITCH = Form("true or false", _switch)
USD = Form("an amount of dollars such as 15 or 0.25", parse_usd)
TIME_ZONE = Form("a time zone such as Europe/Berlin", _zone)
MOMENT = Form("a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z", _moment)
ORIGIN = Form("a URL such as http://10.0.0.7:8000/v1", _origin)
WEB_ADDRESS = Form("a URL such as https://hooks.example.com/intertie", _web_address)
SECRET = Form("a secret: env:NAME, file:PATH, a place that keeps it, or the value itself", str, secret=True)

Name = Annotated[str, NAME]
