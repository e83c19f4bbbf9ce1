"""W3C Trace Context (https://www.w3.org/TR/trace-context/): where a request stands in its caller's trace.

Without spans configured the gateway is a bystander and passes both headers on as they came. With spans it takes part:
the caller's span is the parent of ours, ours is the parent of the endpoint's.
"""

import random
import re

import msgspec

_HEADER = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_STATE = 512  # what every participant has to pass on (section 3.3.1.5)


class TraceContext(msgspec.Struct, frozen=True):
    """One span of ours: the trace, the span itself, its parent (0: it is the root), and whether it is recorded."""

    trace_id: int
    span_id: int
    parent_id: int
    sampled: bool
    state: bytes = b""

    def headers(self) -> bytes:
        """The header lines for the upstream request, for which this span is the parent."""
        lines = b"traceparent: 00-%032x-%016x-%02x\r\n" % (self.trace_id, self.span_id, self.sampled)
        return lines + b"tracestate: " + self.state + b"\r\n" if self.state else lines


def begin(traceparent: bytes, tracestate: bytes, lots: random.Random) -> TraceContext:
    """Our span for a request that came with these headers (either may be empty). A malformed parent begins a trace."""
    span_id = lots.getrandbits(64) or 1
    parent = _HEADER.fullmatch(traceparent)
    if parent is not None:
        version, trace, caller, flags, more = parent.groups()
        if version != b"ff" and (version != b"00" or more is None) and int(trace, 16) and int(caller, 16):
            state = tracestate if len(tracestate) <= _MAX_STATE else b""
            return TraceContext(int(trace, 16), span_id, int(caller, 16), bool(int(flags, 16) & 1), state)
    return TraceContext(lots.getrandbits(128) or 1, span_id, 0, sampled=True)
