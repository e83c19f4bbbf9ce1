"""Forms with files in them (RFC 7578): read strictly, written anew in one plain way.

What two parsers could read in two ways is refused or written so that they cannot: the boundary stands nowhere but
between parts, each part's head is written by us, fields that decide come once. The bytes of files are never touched.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, NoReturn

from intertie.core.faults import InvalidRequest

MOST_PARTS: Final = 64

_LONGEST_HEAD: Final = 8_192
_LINES: Final = 16
_PARAM: Final = rb'[ \t]*;[ \t]*([A-Za-z0-9_-]+\*?)=("(?:[^"\\\r\n\0]|\\[^\r\n\0])*"|[^\s;"\\]*)'
_END: Final = rb"(?:[ \t]*;)?[ \t]*"  # two runs of spaces side by side would be tried in every division
_content_type = re.compile(rb"multipart/form-data((?:%b)*)%b" % (_PARAM, _END), re.IGNORECASE)
_disposition = re.compile(rb"form-data((?:%b)*)%b" % (_PARAM, _END), re.IGNORECASE)
_params = re.compile(_PARAM)
_boundary = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, 5.1.1
_name = re.compile(rb"[A-Za-z0-9_.\[\]-]{1,64}")
_media_type = re.compile(rb"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_line = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([^\r\n\0]*)")


class Part(NamedTuple):
    """One field or file. `file` is its name as it is written behind the field's (`; filename="…"`), b"" for a field."""

    name: str
    data: bytes
    file: bytes = b""
    type: bytes = b""


class Form(NamedTuple):
    """The parts in their order, and what parts them."""

    boundary: bytes
    parts: tuple[Part, ...]

    @property
    def content_type(self) -> bytes:
        """The header's value."""
        plain = re.fullmatch(rb"[0-9A-Za-z'+_.-]+", self.boundary)
        return b"multipart/form-data; boundary=" + (self.boundary if plain else b'"%b"' % self.boundary)


def read_form(body: bytes, content_type: bytes) -> Form:
    """The parts of a form. Raises InvalidRequest saying what is wrong with it."""
    boundary = _boundary_of(content_type)
    opening, delimiter = b"--" + boundary, b"\r\n--" + boundary
    if not body.startswith(opening):
        _broken("it does not begin with its boundary")
    parts: list[Part] = []
    at = len(opening)
    while body[at : at + 2] != b"--":
        if body[at : at + 2] != b"\r\n":
            _broken("a boundary is not followed by the end of its line")
        if len(parts) == MOST_PARTS:
            _broken(f"it has more than {MOST_PARTS} parts")
        end = body.find(delimiter, at)
        if end < 0:
            _broken("its last part has no end")
        parts.append(_part(body, at, end))
        at = end + len(delimiter)
    if body[at + 2 :] not in (b"", b"\r\n"):
        _broken("something follows its end")
    if body.count(opening) != len(parts) + 1:
        _broken("its boundary stands inside a part")
    return Form(boundary, tuple(parts))


def write_form(boundary: bytes, parts: Iterable[Part]) -> bytes:
    """The bytes of a form."""
    pieces: list[bytes] = []
    for part in parts:
        head = b'\r\n--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n'
        pieces.append(head % (boundary, part.name.encode(), part.file))
        if part.type:
            pieces.append(b"Content-Type: %b\r\n" % part.type)
        pieces += (b"\r\n", part.data)
    pieces.append(b"\r\n--%b--\r\n" % boundary)
    return b"".join(pieces)[2:]


def with_model(body: bytes, content_type: bytes, model: str) -> bytes:
    """A form of `write_form` whose first part is the model's name, with another name; the rest is not looked into."""
    boundary = content_type.partition(b"boundary=")[2].strip(b'"')
    first = write_form(boundary, (Part("model", model.encode()),)).removesuffix(b"--%b--\r\n" % boundary)
    return first + body[body.index(b"\r\n--" + boundary) + 2 :]


def _boundary_of(content_type: bytes) -> bytes:
    match = _content_type.fullmatch(content_type.strip())
    if match is None:
        message = f"content-type must be multipart/form-data with a boundary, not {_shown(content_type)!r}."
        raise InvalidRequest(message, code="unsupported_media_type")
    given = [value.strip(b'"') for name, value in _params.findall(match[1]) if name.lower() == b"boundary"]
    if len(given) != 1 or not _boundary.fullmatch(given[0]):
        _broken("its boundary must be given once and have 1 to 70 of the characters that RFC 2046 allows")
    return given[0]


def _part(body: bytes, start: int, end: int) -> Part:
    """The part whose head begins behind the line end at `start`, and whose data ends at `end`."""
    close = body.find(b"\r\n\r\n", start, min(end, start + _LONGEST_HEAD))
    if close < 0:
        _broken(f"a part has no head, or one of more than {_LONGEST_HEAD} bytes")
    head = _head(body[start + 2 : close])
    coded = head.get(b"content-transfer-encoding", b"binary")
    if coded.lower() not in (b"binary", b"8bit", b"7bit"):
        _broken(f"a part is encoded as {_shown(coded)!r}")
    name, file = _named(head.get(b"content-disposition", b""))
    kind = head.get(b"content-type", b"").partition(b";")[0].strip()
    return Part(name, body[close + 4 : end], file, kind if _media_type.fullmatch(kind) else b"")


def _head(text: bytes) -> dict[bytes, bytes]:
    """The headers of a part; what else than its name and type is told there means nothing."""
    head: dict[bytes, bytes] = {}
    lines = text.split(b"\r\n")
    if len(lines) > _LINES:
        _broken(f"a part's head has more than {_LINES} lines")
    for line in lines:
        match = _line.fullmatch(line)
        if match is None or match[1].lower() in head:
            _broken("a part's head has a line that is no header, or one twice")
        head[match[1].lower()] = match[2].strip()
    return head


def _named(disposition: bytes) -> tuple[str, bytes]:
    """The name of a part, and its file name as it is to be written."""
    match = _disposition.fullmatch(disposition)
    if match is None:
        _broken("a part lacks the header content-disposition: form-data")
    found = [(name.lower(), value) for name, value in _params.findall(match[1])]
    given = dict(found)
    name = given.get(b"name", b"")
    name = name[1:-1] if name.startswith(b'"') else name
    if len(given) != len(found) or not _name.fullmatch(name):
        _broken("a part needs one name, of at most 64 letters, digits and _.-[]")
    file = b""
    if b"filename" in given:
        value = given[b"filename"]
        file = b"; filename=" + (value if value.startswith(b'"') else b'"%b"' % value)
    if b"filename*" in given:
        file += b"; filename*=" + given[b"filename*"]
    return name.decode(), file


def _shown(text: bytes) -> str:
    return text[:80].decode("latin-1")


def _broken(why: str) -> NoReturn:
    raise InvalidRequest(f"The form cannot be read: {why}.", code="invalid_form") from None
