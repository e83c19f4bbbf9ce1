"""Step 6, translate: the call in the words of the endpoint that was chosen.

The same dialect on both sides: the canonical bytes go through, patched only where they must be.
"""

from intertie.dialects.openai_chat import body_for
from intertie.gateway.lane import Lane
from intertie.gateway.passage import Passage

_FORWARDED = (b"traceparent", b"tracestate")


def translate(passage: Passage, lane: Lane) -> bytes:
    """The whole HTTP message for one endpoint."""
    call, endpoint, holds = passage.call, lane.endpoint, passage.holds
    assert call is not None and holds is not None
    must_bound = call.max_output is None and any(lease.money for lease, _ in holds.taken)
    body = body_for(call, endpoint.upstream_model, endpoint.max_output if must_bound else None)
    return b"%b%d\r\nx-request-id: %b\r\n%b\r\n%b" % (
        lane.heads[call.operation],
        len(body),
        passage.name.encode(),
        passage.trace.headers() if passage.trace else _passed_on(passage.request.headers),
        body,
    )


def _passed_on(headers: dict[bytes, bytes]) -> bytes:
    """The caller's own trace headers: without spans of ours the gateway is a bystander."""
    lines = b""
    for known in _FORWARDED:
        if known in headers:
            lines += known + b": " + headers[known] + b"\r\n"
    return lines
