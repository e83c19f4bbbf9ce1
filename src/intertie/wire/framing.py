"""Where requests begin and end, and what is refused because two readers could disagree about it (RFC 9112).

llhttp (httptools) already refuses Content-Length with Transfer-Encoding, repeated or non-digit Content-Length, folded
lines, bare LF and CR, control characters, space before the colon and malformed chunk sizes. Here is the rest:
versions, Host, forms of the target, codings other than `chunked`, repeated credentials, and size.
`tests/wire/test_framing.py` probes both.
"""

import http
import re
from functools import lru_cache
from typing import Final

from intertie.config.snapshot import ServerLimits
from intertie.core.faults import InvalidRequest, TooLarge

STATUS_LINES: Final[dict[int, bytes]] = {
    int(status): b"HTTP/1.1 %d %b\r\n" % (status, http.HTTPStatus(status).phrase.encode()) for status in http.HTTPStatus
}
BODILESS: Final = frozenset({204, 304})

_METHODS: Final = {name: name.decode() for name in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS")}
_ONCE: Final = frozenset(
    {b"host", b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"content-length", b"transfer-encoding"}
)
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._~-]{1,255})(?::([0-9]{1,5}))?")
_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?#@]+)([^#]*)", re.IGNORECASE)
_PORTS: Final = {b"http": b"80", b"https": b"443"}


def method_name(method: bytes) -> str:
    """The method as text, without decoding the usual ones anew."""
    return _METHODS.get(method) or method.decode("ascii")


def status_line(status: int) -> bytes:
    """`HTTP/1.1 200 OK` with its line end; an unregistered status has no phrase."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def may_repeat(name: bytes) -> bool:
    """Whether a header may come twice; those that decide where a message ends, or who asks, may not."""
    return name not in _ONCE


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Whether this is a well-formed Host: a name or address, with or without a port."""
    return _HOST.fullmatch(value) is not None


def read_head(version: str, method: str, target: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes, bool]:
    """Path, query, and whether the body is chunked. Raises InvalidRequest for what could be read in two ways."""
    host = headers.get(b"host")
    if version != "1.1":
        _check_old_version(version, headers)
    elif host is None:
        raise InvalidRequest("the Host header is missing")
    if host is not None and not is_host(host):
        raise InvalidRequest("the Host header is malformed")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise InvalidRequest("Transfer-Encoding must be exactly `chunked`")
    if b"#" in target:
        raise InvalidRequest("a request target has no fragment")
    if target[:1] != b"/":
        target = _own_path(method, target, host or b"")
    path, _, query = target.partition(b"?")
    return path, query, coding is not None


def _check_old_version(version: str, headers: dict[bytes, bytes]) -> None:
    if version != "1.0":
        raise InvalidRequest(f"HTTP version {version} is not spoken here")
    if b"transfer-encoding" in headers:
        raise InvalidRequest("HTTP/1.0 knows no Transfer-Encoding")


def _own_path(method: str, target: bytes, host: bytes) -> bytes:
    if target == b"*" and method == "OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise InvalidRequest("the request target must be a path")
    scheme, authority, path = absolute.groups()
    port = _PORTS[scheme.lower()]
    if not is_host(authority) or _with_port(authority, port) != _with_port(host, port):
        raise InvalidRequest("the request target names another host than the Host header")
    return path if path[:1] == b"/" else b"/" + path


def _with_port(authority: bytes, port: bytes) -> bytes:
    match = _HOST.fullmatch(authority)
    return authority if match is None else b"%b:%b" % (match[1].lower(), match[2] or port)


def check_head_size(target: bytes, headers: dict[bytes, bytes], repeats: int, limits: ServerLimits) -> None:
    """Refuse a head with too many or too long lines. Raises TooLarge."""
    if len(headers) + repeats > limits.max_headers:
        raise too_many_headers(limits)
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers.items()) > limits.max_header_bytes:
        raise too_large_head(limits)


def too_many_headers(limits: ServerLimits) -> TooLarge:
    """431, by number."""
    return TooLarge(f"more than {limits.max_headers} headers", headers=True)


def too_large_head(limits: ServerLimits) -> TooLarge:
    """431, by size."""
    return TooLarge(f"the headers are larger than {limits.max_header_bytes} bytes", headers=True)


def too_large_body(limits: ServerLimits) -> TooLarge:
    """413."""
    return TooLarge(f"the body is larger than {limits.max_body_bytes} bytes")
