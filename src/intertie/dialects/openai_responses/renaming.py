"""What an endpoint of this dialect told, as the caller is to know it: under the gateway's id, for the call as it came.

Such an endpoint was sent another call (see `stored.expand`) and echoes that one.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from intertie.core.faults import UpstreamGarbled
from intertie.dialects.dialect import Watch
from intertie.dialects.sse import data_of, events

Changes: TypeAlias = Mapping[str, object]
"""Fields of the response object, and what they are to be."""

_STATES: Final = frozenset(
    f"response.{state}" for state in ("created", "queued", "in_progress", "completed", "incomplete", "failed")
)
"""The events that carry the whole object."""


class _Type(msgspec.Struct):
    type: str = ""


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_type = msgspec.json.Decoder(_Type).decode
_encode = msgspec.json.Encoder().encode


def renamed(response: bytes, changes: Changes) -> bytes:
    """A response object, changed. Raises UpstreamGarbled if it is none."""
    try:
        return _encode({**_fields(response), **changes})
    except (ValueError, RecursionError) as error:
        raise UpstreamGarbled(f"The endpoint's response is not what its dialect promises: {error}") from None


def renamed_events(block: bytes, changes: Changes) -> bytes:
    """Whole events of a stream, changed where they carry a response object. Raises UpstreamGarbled if it is none."""
    if b'"response"' not in block:
        return block
    return b"".join([_renamed_event(event, changes) for event in events(block)])


def _renamed_event(event: bytes, changes: Changes) -> bytes:
    data = data_of(event)
    kind = _type(data).type if data.startswith(b"{") else ""
    if kind not in _STATES:
        return event
    told = _fields(data)
    told["response"] = msgspec.Raw(renamed(told.get("response", b""), changes))
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(told))


class Renamed:
    """See `dialect.Watch`: another watch, and what passes it changed."""

    __slots__ = ("_changes", "_seen", "_watch", "done", "tail")

    def __init__(self, watch: Watch, changes: Changes) -> None:
        self._watch, self._changes = watch, changes
        self._seen = b""
        self.done = False
        self.tail = b""

    def feed(self, data: bytes) -> bytes:
        """What the caller gets now. Raises the fault that the endpoint told, or committed."""
        told = renamed_events(self._watch.feed(data), self._changes)
        self._look_at_the_end()
        return told

    def ended(self) -> bytes:
        """The tail. Raises StreamCut if the dialect's own end never came."""
        self._watch.ended()
        self._look_at_the_end()
        return self.tail

    def _look_at_the_end(self) -> None:
        if self._watch.done and self._watch.tail is not self._seen:
            self._seen = self._watch.tail
            self.done, self.tail = True, renamed_events(self._seen, self._changes)
