"""The body of a request while it arrives: kept in pieces, bounded in size, timed against those who send too slowly."""

from typing import Final

from intertie.config.snapshot import ServerLimits
from intertie.core.faults import InvalidRequest, TooSlow
from intertie.wire.framing import too_large_body

SCREENED: Final = 64 * 1024  # bodies above this are offered to the application's screen before they are read
FRAMING_SLACK: Final = 64 * 1024  # bytes of chunk framing before it is asked whether the content was worth it


class Intake:
    """One connection's incoming body.

    `parts` is filled by the parser itself; `raw` counts bytes on the wire, head included; a body longer than `foreseen`
    is looked at before it is read.
    """

    __slots__ = ("_begun", "_folded", "_last", "_limits", "_mark", "chunked", "foreseen", "owed", "parts")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._begun = self._last = 0.0
        self._mark = 0
        self._folded = bytearray()
        self.parts: list[bytes] = []
        self.chunked = False
        self.foreseen = min(SCREENED, limits.max_body_bytes)
        self.owed = 0  # bytes that the parser will not read, because the head asked for an upgrade

    def expect(self, chunked: bool) -> None:
        """A head was read; a body may follow."""
        self.chunked = chunked
        self._begun = 0.0

    def arrived(self, now: float, raw: int) -> bool:
        """More came, and the body is not whole; whether it has just begun. Raises TooLarge, InvalidRequest."""
        begins = not self._begun
        if begins:
            self.restart(now, raw)
        self._last = now
        if self.chunked:
            self._fold(raw - self._mark)
        return begins

    def restart(self, now: float, raw: int) -> None:
        """The clock begins: now the body is being read."""
        self._begun = self._last = now
        self._mark = raw - sum(map(len, self.parts)) - len(self._folded)

    def look(self, now: float, raw: int) -> float:
        """The next time to look. Raises TooSlow: idle, late as a whole, or slower than the least rate.

        The rate is judged after a third of the idle timeout (5 s by default), so that a slow start is forgiven.
        """
        limits, elapsed = self._limits, now - self._begun
        if now - self._last >= limits.body_idle_timeout_s:
            raise TooSlow(f"no more of the body came for {limits.body_idle_timeout_s:g} s")
        if elapsed >= limits.body_timeout_s:
            raise TooSlow(f"the body took longer than {limits.body_timeout_s:g} s")
        grace = limits.body_idle_timeout_s / 3
        if elapsed >= grace and raw - self._mark < elapsed * limits.min_body_rate:
            raise TooSlow(f"the body came slower than {limits.min_body_rate} bytes/s")
        return min(self._last + limits.body_idle_timeout_s, self._begun + max(grace, elapsed))

    def take(self) -> bytes:
        """The whole body, and nothing is kept. Raises TooLarge."""
        parts = self.parts
        if self._folded:
            body = bytes(self._folded) + b"".join(parts)
            self._folded = bytearray()
        else:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if len(body) > self._limits.max_body_bytes:
            raise too_large_body(self._limits)
        return body

    def _fold(self, wire: int) -> None:
        """Many small chunks become one piece of memory; a body that is mostly framing is refused."""
        self._folded += b"".join(self.parts)
        self.parts.clear()
        size = len(self._folded)
        if size > self._limits.max_body_bytes:
            raise too_large_body(self._limits)
        if wire > 2 * size + FRAMING_SLACK:
            raise InvalidRequest("the chunks carry more framing than content")
