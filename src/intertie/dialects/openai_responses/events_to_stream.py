"""Writes events as a stream of this dialect: typed, numbered, in the order that SDKs insist on.

    created in_progress (output_item.added (content_part.added …delta* …done content_part.done)* output_item.done)*
    completed | incomplete | failed

Items may overlap, as their parts do; each says to which place of the output it belongs.
"""

import msgspec

from intertie.core.call import Call
from intertie.core.events import Began, Broke, Ended, Event, Metered, Pinged, Stopped
from intertie.core.faults import Fault, UpstreamBusy
from intertie.core.usage import Usage
from intertie.dialects.openai_responses.gathering import Gathering
from intertie.dialects.openai_responses.growing import Told
from intertie.dialects.openai_responses.response import RUNNING, Item, Outcome, ResponseObject, outcome

_encode = msgspec.json.Encoder().encode


class ResponsesWriter:
    """See `dialect.EventWriter`. What comes before `Began` begins a response without an id of the endpoint's own."""

    __slots__ = ("_call", "_gathering", "_how", "_number", "_response", "_tier", "_usage")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._number = 0
        self._response = ResponseObject(call, "", "", 0)
        self._gathering = Gathering(self._response)
        self._how: Outcome | None = None
        self._usage: Usage | None = None
        self._tier = ""

    def write(self, event: Event) -> bytes:
        """The bytes of an event. The terminal one comes with `Ended`, or with `Broke`."""
        match event:
            case Began():
                return self._began(event)
            case Stopped():
                return self._stopped(outcome(event.reason, self._gathering.refused)) if event.choice == 0 else b""
            case Metered():
                self._usage, self._tier = event.usage, event.tier
                return b""
            case Broke():
                return self._broke(event.fault)
            case Ended():
                return self._ended()
            case Pinged():
                return b": ping\n\n"
            case _:
                return self._lines(self._gathering.take(event)) if event.choice == 0 else b""

    def _began(self, began: Began) -> bytes:
        self._response = ResponseObject(self._call, began.id, began.model, began.created)
        self._gathering = Gathering(self._response)
        self._usage = began.usage
        running: Item = {"response": self._response.state(RUNNING, [])}
        return self._lines([("response.created", running), ("response.in_progress", running)])

    def _stopped(self, how: Outcome) -> bytes:
        if self._how is not None:
            return b""
        self._how = how
        return self._lines(self._gathering.stop(how))

    def _ended(self) -> bytes:
        """Whoever ends without a reason is taken to have said all."""
        how = self._how or Outcome("completed")
        return self._stopped(how) + self._terminal(how, None)

    def _broke(self, fault: Fault) -> bytes:
        """The response failed; what it used so far is told all the same."""
        code = "rate_limit_exceeded" if isinstance(fault, UpstreamBusy) else "server_error"
        return self._terminal(Outcome("failed"), {"code": code, "message": fault.message})

    def _terminal(self, how: Outcome, error: Item | None) -> bytes:
        whole = self._response.state(how, self._gathering.items(), self._usage, self._tier) | {"error": error}
        return self._lines([(f"response.{how.status}", {"response": whole})])

    def _lines(self, told: list[Told]) -> bytes:
        lines: list[bytes] = []
        for kind, content in told:
            event = {"type": kind, "sequence_number": self._number} | content
            lines.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(event)))
            self._number += 1
        return b"".join(lines)
