"""What all sources of secrets have in common: what they answer, how they ask over HTTP, and how they fail.

A fault says who answered which status, never what: an answer may hold the very secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import Fault, SecretFault

T = TypeVar("T")

QUICK_S: Final = 2.0
"""Seconds that a metadata service gets: it is next door, or not there at all."""
_MAX_FILE = 64 * 1024
_CODE = re.compile(rb'(?:"(?:error|code|__type|status)"\s*:\s*"|<Code>)([A-Za-z0-9_.#]{1,60})["<]')
"""The name of an error as the clouds spell it in JSON and XML: `invalid_grant`, `AccessDenied`, `PERMISSION_DENIED`."""


class Found(msgspec.Struct, frozen=True):
    """A secret, and the moment (epoch seconds) from which it is good no more; None: nobody says."""

    value: str
    expires: float | None = None

    def __repr__(self) -> str:
        """Without the value."""
        return f"Found(expires={self.expires})"


class Ask(msgspec.Struct, frozen=True):
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout_s: float = 10.0

    def __repr__(self) -> str:
        """Without headers and body, which hold credentials."""
        return f"Ask({self.method} {self.url})"


class Told(msgspec.Struct, frozen=True):
    """Its answer."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        """Without the body, which holds secrets."""
        return f"Told({self.status})"


class Http(Protocol):
    """Asks over HTTP. Redirects are not followed."""

    async def __call__(self, ask: Ask) -> Told:
        """The answer, whatever its status. Raises a Fault where none came."""
        ...


class HttpTable:
    """Answers by method and URL, 404 where there is none; the fake that ships with `Http`. `asked` is what came."""

    def __init__(self, answers: Mapping[tuple[str, str], Told]) -> None:
        self.answers, self.asked = dict(answers), list[Ask]()

    async def __call__(self, ask: Ask) -> Told:
        """What stands in the table."""
        self.asked.append(ask)
        return self.answers.get((ask.method, ask.url), Told(404, b""))


class Source(Protocol):
    """One place that keeps secrets."""

    async def read(self, name: str) -> Found:
        """The secret as it is now; `name` is what follows the scheme in a reference. Raises SecretFault."""
        ...


class SourceTable:
    """Secrets by name; the fake that ships with `Source`. One that is None cannot be read; `asked` is what came."""

    def __init__(self, secrets: Mapping[str, Found | None]) -> None:
        self.secrets, self.asked = dict(secrets), list[str]()

    async def read(self, name: str) -> Found:
        """What stands in the table. Raises SecretFault."""
        self.asked.append(name)
        found = self.secrets.get(name)
        if found is None:
            raise SecretFault("the table has no such secret")
        return found


class Kept:
    """A source whose secrets are kept for half of the time that they are good: tokens by which others are asked for."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._found: dict[str, tuple[Found, float]] = {}

    async def read(self, name: str) -> Found:
        """The secret, maybe as it was read before. Raises SecretFault."""
        found, until = self._found.get(name, (Found(""), 0.0))
        now = self._clock.wall()
        if now >= until:
            found = await self._source.read(name)
            self._found[name] = found, now if found.expires is None else now + (found.expires - now) / 2
        return found


async def send(http: Http, ask: Ask, who: str) -> bytes:
    """The body of an answer that is a success. Raises SecretFault, which names `who` was asked."""
    try:
        told = await http(ask)
    except Fault as fault:
        raise SecretFault(f"{who} does not answer: {fault.message}") from None
    if not 200 <= told.status < 300:
        code = _CODE.search(told.body)
        raise SecretFault(f"{who} answered {told.status}{f' ({code[1].decode()})' if code else ''}", told.status)
    return told.body


async def send_json(http: Http, ask: Ask, who: str, kind: type[T]) -> T:
    """The answer, which is JSON of this kind. Raises SecretFault."""
    return decoded(await send(http, ask, who), who, kind)


def decoded(body: bytes, who: str, kind: type[T]) -> T:
    """JSON as a value of this kind. Raises SecretFault, which does not repeat it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise SecretFault(f"{who} gave something else than what was expected") from None


def form(url: str, fields: Mapping[str, str], timeout_s: float = 10.0) -> Ask:
    """A POST of form fields."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Ask("POST", url, headers, urlencode(fields).encode(), timeout_s)


def posted(url: str, value: object, headers: Mapping[str, str] | None = None) -> Ask:
    """A POST of JSON."""
    return Ask("POST", url, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(value))


def read_file(path: str) -> str:
    """A file that holds a token or a description of how to get one. Raises SecretFault."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        text = data.decode().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SecretFault(f"{path} cannot be read: {reason}") from None
    if not text or len(data) > _MAX_FILE:
        raise SecretFault(f"{path} is empty, or larger than {_MAX_FILE >> 10} KiB")
    return text


def field_of(text: str, field: str, where: str) -> str:
    """A field of a secret that is a JSON object; the whole text where no field is named. Raises SecretFault."""
    if not field:
        return text
    value = decoded(text.encode(), where, dict[str, msgspec.Raw]).get(field)
    if value is None:
        raise SecretFault(f"{where} has no field {field!r}")
    return decoded(bytes(value), f"{where}, field {field!r},", str)


_: tuple[Http, Source] = (HttpTable({}), SourceTable({}))
