"""The request log: one line of JSON per request, written by a thread so that a slow reader never stops the gateway.

Lines are gathered for `FLUSH_S` or until `FLUSH_BYTES` and leave in one `os.write`. Into a pipe or a socket, which
several workers may share, they leave in parts of whole lines of at most `PIPE_BUF` bytes, which the kernel does not
interleave. When more than `LIMIT_BYTES` wait because nobody reads, further lines are dropped, counted, and told in a
line of their own. Control characters are escaped: what a caller sent can neither end a line nor paint a terminal.
"""

import json
import os
import select
import stat
import threading

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
    """Writes to a file descriptor that it does not own (standard output, or a file opened for appending)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self._part = select.PIPE_BUF if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else FLUSH_BYTES
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._waiting = 0
        self._untold = 0
        self._some, self._full = threading.Event(), threading.Event()
        self._closing = False
        self.dropped = 0
        # A daemon: a reader that has stopped for good must not keep the process from ending.
        self._writer = threading.Thread(target=self._write_on, name="request-log", daemon=True)
        self._writer.start()

    def write(self, seen: Observation) -> None:
        """Add a line; returns at once."""
        line = one_line(seen)
        with self._lock:
            if self._waiting + len(line) > LIMIT_BYTES:
                self.dropped += 1
                self._untold += 1
                return
            self._lines.append(line)
            self._waiting += len(line) + 1
        if not self._some.is_set():
            self._some.set()
        if self._waiting >= FLUSH_BYTES:
            self._full.set()

    def close(self) -> None:
        """Write what waits; gives up after `CLOSE_S` if nobody reads."""
        self._closing = True
        self._full.set()
        self._some.set()
        self._writer.join(CLOSE_S)

    def _write_on(self) -> None:
        while not self._closing:
            self._some.wait()
            self._full.wait(FLUSH_S)
            self._some.clear()
            self._full.clear()
            self._write_out(self._take())
        self._write_out(self._take())

    def _take(self) -> list[bytes]:
        with self._lock:
            lines, self._lines = self._lines, []
            if self._untold:
                lines.append(_encode({"event": "request_log_lines_dropped", "lines": self._untold}))
                self._waiting += len(lines[-1]) + 1
                self._untold = 0
        return lines

    def _write_out(self, lines: list[bytes]) -> None:
        part = bytearray()
        for line in lines:
            if part and len(part) + len(line) >= self._part:
                self._write_part(part)
                part = bytearray()
            part += line
            part += b"\n"
        if part:
            self._write_part(part)

    def _write_part(self, part: bytearray) -> None:
        rest = memoryview(part)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody made the shared descriptor non-blocking
                select.select((), (self._fd,), ())
            except OSError:  # the reader has closed its end
                with self._lock:
                    self.dropped += part.count(b"\n")
                break
        with self._lock:
            self._waiting -= len(part)
