"""How a fault is told inside a session, and what a session's first words are."""

import msgspec

from intertie.core.call import Fields
from intertie.core.faults import Fault

_encode = msgspec.json.Encoder().encode


def error_event(fault: Fault, request: str, event_id: str = "") -> bytes:
    """A fault as an event; `event_id` is that of the caller's event which it answers, "" for none."""
    error = {
        "type": fault.kind, "code": fault.code, "message": fault.public, "param": fault.param,
        "event_id": event_id or None,
    }  # fmt: skip
    return _encode({"type": "error", "event_id": f"event_{request}", "error": error})


def session_update(session: Fields) -> bytes:
    """The event that makes a session what was asked for."""
    return _encode({"type": "session.update", "session": session})
