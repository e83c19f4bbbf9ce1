"""The request log: one line of JSON per request, written by a thread so that a slow reader never stops the gateway.

Lines are gathered for `FLUSH_S` and leave in one `os.write` per `FLUSH_BYTES`. Into a pipe or a socket, which
several workers may share, they leave in parts of whole lines of at most `PIPE_BUF` bytes, which the kernel does not
interleave. When more than `LIMIT_BYTES` wait because nobody reads, further lines are dropped, counted, and told in a
line of their own. Control characters are escaped: what a caller sent can neither end a line nor paint a terminal.
"""

import json
import os
import select
import stat
import threading
from collections import deque

import msgspec

from intertie.core.record import Observation

FLUSH_S = 0.1
FLUSH_BYTES = 64 * 1024
LIMIT_BYTES = 4 * 1024 * 1024
CLOSE_S = 2.0

_encode = msgspec.json.Encoder().encode


def one_line(seen: Observation) -> bytes:
    """The JSON of a request without its line end; ASCII only, since U+0080 to U+009F control terminals as well."""
    line = _encode(seen)
    return line if line.isascii() else json.dumps(msgspec.json.decode(line), separators=(",", ":")).encode()


class RequestLog:
    """Writes to a file descriptor that it does not own (standard output, or a file opened for appending).

    The thread looks by itself every `FLUSH_S`: to wake it for each line would cost the request more than the line.
    What each side counts only that side writes, so neither waits for the other.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self._part = select.PIPE_BUF if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else FLUSH_BYTES
        self._lines: deque[bytes] = deque()
        self._added = self._refused = 0  # bytes taken in, lines refused: by the requests' side
        self._left = self._lost = self._told = 0  # bytes gone, lines lost, lines told of: by the thread
        self._closing = threading.Event()
        # A daemon: a reader that has stopped for good must not keep the process from ending.
        self._writer = threading.Thread(target=self._write_on, name="request-log", daemon=True)
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Lines that nobody will read."""
        return self._refused + self._lost

    def write(self, seen: Observation) -> None:
        """Add a line; returns at once."""
        line = one_line(seen)
        if self._added - self._left + len(line) > LIMIT_BYTES:
            self._refused += 1
            return
        self._added += len(line) + 1
        self._lines.append(line)

    def close(self) -> None:
        """Write what waits; gives up after `CLOSE_S` if nobody reads."""
        self._closing.set()
        self._writer.join(CLOSE_S)

    def _write_on(self) -> None:
        while not self._closing.wait(FLUSH_S):
            self._write_out()
        self._write_out()

    def _write_out(self) -> None:
        lines, part = self._lines, bytearray()
        while lines:
            line = lines.popleft()
            if part and len(part) + len(line) >= self._part:
                self._write_part(part)
                part = bytearray()
            part += line
            part += b"\n"
        if part:
            self._write_part(part)
        if self._refused > self._told:
            untold, self._told = self._refused - self._told, self._refused
            self._put(_encode({"event": "request_log_lines_dropped", "lines": untold}) + b"\n")

    def _write_part(self, part: bytearray) -> None:
        if not self._put(part):
            self._lost += part.count(b"\n")
        self._left += len(part)

    def _put(self, data: bytes | bytearray) -> bool:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody made the shared descriptor non-blocking
                select.select((), (self._fd,), ())
            except OSError:  # the reader has closed its end
                return False
        return True
