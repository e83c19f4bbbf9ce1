"""Errors inside a stream of this dialect; whole error bodies are those of openai_chat."""

import msgspec

from intertie.core.faults import Fault

_encode = msgspec.json.Encoder().encode


def error_event(fault: Fault, request: str = "") -> bytes:
    """A fault inside a stream that has begun.

    The documented fields stand at the top, where typed clients look for them; the `error` object beside them is what
    the vendor itself sends, and what makes its SDKs raise (openai-dotnet issue 881). Where in the stream it stands is
    not known here: `sequence_number` is 0.
    """
    error = {"type": fault.kind, "code": fault.code, "message": fault.public, "param": fault.param}
    event = {**error, "type": "error", "sequence_number": 0, "error": error}
    return b"event: error\ndata: " + _encode(event) + b"\n\n"
