"""WebSocket frames (RFC 6455): cut from a stream of bytes into whole messages, checked, bounded; and written.

Pure: bytes in, messages out; `wire.websocket` has the connection. No extensions, so the reserved bits must be 0.
"""

from typing import Final, NamedTuple

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005  # never on the wire: a close frame without a code
LOST: Final = 1006  # never on the wire: there was no close frame
NOT_TEXT: Final = 1007
POLICY: Final = 1008
TOO_LARGE: Final = 1009
DEFECT: Final = 1011
RESTART: Final = 1012

LONGEST_REASON: Final = 123  # bytes: a control frame carries 125, two are the code

_KINDS: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_BYTES: Final = int.from_bytes(bytes(range(256)))
_XOR: Final = tuple((_BYTES ^ int.from_bytes(bytes((mask,)) * 256)).to_bytes(256) for mask in range(256))
"""Translations of each byte under each mask."""
_STRIPED: Final = 4_096  # bytes from which four translations are quicker than one number


class Violation(Exception):
    """The peer broke the protocol: the close code to tell it, and why."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


class Message(NamedTuple):
    """A whole message (`TEXT`, valid UTF-8, or `BINARY`) or a control frame (`CLOSE`, `PING`, `PONG`)."""

    kind: int
    data: bytes


class FrameReader:
    """Cuts one direction of a connection. `masked` says how the peer must send: callers masked, endpoints not.

    `longest` bounds a message, in bytes: a frame that would make it longer is refused by its head.
    """

    __slots__ = ("_buffer", "_kind", "_longest", "_masked", "_message")

    def __init__(self, *, masked: bool, longest: int) -> None:
        self._masked, self._longest = masked, longest
        self._buffer = bytearray()
        self._message = bytearray()
        self._kind = 0  # of the message under way, 0 for none

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._buffer += data

    def next(self) -> Message | None:
        """The next message that is whole; None if more must come. Raises Violation, after which nothing is read."""
        while (frame := self._frame()) is not None:
            kind, final, data = frame
            if kind >= CLOSE:
                return Message(kind, data)
            if kind != CONTINUATION and final:
                return _checked(kind, data)
            self._kind = kind or self._kind
            self._message += data
            if final:
                whole, self._message = bytes(self._message), bytearray()
                kind, self._kind = self._kind, 0
                return _checked(kind, whole)
        return None

    def _frame(self) -> tuple[int, bool, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        kind, final, size = first & 0x0F, first >= 0x80, second & 0x7F
        self._check(first, kind, second)
        start = 2
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            least = 126 if size == 126 else 1 << 16
            size = int.from_bytes(buffer[2:start])
            if not least <= size < 1 << 63:
                raise Violation(PROTOCOL_ERROR, "a length is not written in the fewest bytes")
        if size + (len(self._message) if kind < CLOSE else 0) > self._longest:
            raise Violation(TOO_LARGE, f"a message has at most {self._longest} bytes")
        begin = start + 4 if self._masked else start
        end = begin + size
        if len(buffer) < end:
            return None
        data = bytes(buffer[begin:end])
        if self._masked:
            data = masked(data, bytes(buffer[start:begin]))
        del buffer[:end]
        return kind, final, data

    def _check(self, first: int, kind: int, second: int) -> None:
        if first & 0x70 or kind not in _KINDS:
            raise Violation(PROTOCOL_ERROR, "a frame uses what was not agreed on")
        if (second >= 0x80) != self._masked:
            raise Violation(PROTOCOL_ERROR, "callers mask their frames, and servers do not")
        if kind >= CLOSE:
            if first < 0x80 or second & 0x7F > 125:
                raise Violation(PROTOCOL_ERROR, "a control frame is neither in parts nor longer than 125 bytes")
        elif (kind == CONTINUATION) != bool(self._kind):
            raise Violation(PROTOCOL_ERROR, "the parts of a message are not in order")


def _checked(kind: int, data: bytes) -> Message:
    if kind == TEXT and not data.isascii():
        _check_text(data)
    return Message(kind, data)


def _check_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Violation(NOT_TEXT, "a text is not valid UTF-8") from None


def masked(data: bytes, key: bytes) -> bytes:
    """The data under a mask of four bytes; the same mask takes it off again."""
    size = len(data)
    if size < _STRIPED:
        whole = int.from_bytes(key * (size // 4) + key[: size % 4], "little")
        return (int.from_bytes(data, "little") ^ whole).to_bytes(size, "little")
    mixed = bytearray(size)
    for place in range(4):
        mixed[place::4] = data[place::4].translate(_XOR[key[place]])
    return bytes(mixed)


def frame(kind: int, data: bytes, key: bytes = b"") -> bytes:
    """One whole frame, masked if there is a key."""
    size, mark = len(data), 0x80 if key else 0
    if size < 126:
        head = bytes((0x80 | kind, mark | size))
    elif size < 1 << 16:
        head = bytes((0x80 | kind, mark | 126)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | kind, mark | 127)) + size.to_bytes(8)
    return head + key + masked(data, key) if key else head + data


def close_data(code: int, why: str) -> bytes:
    """What a close frame carries; the reason is cut to what has room."""
    return code.to_bytes(2) + why.encode()[:LONGEST_REASON].decode(errors="ignore").encode()


def read_close(data: bytes) -> tuple[int, str]:
    """Code and reason of a close frame. Raises Violation for a code that nobody may send, or a broken reason."""
    if not data:
        return NO_CODE, ""
    code = int.from_bytes(data[:2])
    if len(data) < 2 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise Violation(PROTOCOL_ERROR, "a close frame has a code that nobody may send")
    _check_text(data[2:])
    return code, data[2:].decode()
