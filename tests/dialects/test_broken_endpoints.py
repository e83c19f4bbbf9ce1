"""What an endpoint says may be anything: whatever is no JSON, no text or too deep is a fault of its own, no crash."""

import pytest

from intertie.core.call import Call
from intertie.core.endpoint import Dialect
from intertie.core.faults import Fault
from intertie.dialects.dialect import Heard
from intertie.dialects.registry import OUTBOUND

_DEEP = b"[" * 90_000 + b"]" * 90_000
BROKEN = [
    b'event: x\ndata: {"type":"\xff"}\n\n',
    b'data: {"id":"\xff","object":1,"usage":{"prompt_tokens":1}}\n\n',
    b'data: {"id":"a","choices":[{"delta":{"content":"\xff"}}]}\n\n',
    b'data: {"candidates":[{"finishReason":"\xff"}]}\n\n',
    b'data: {"choices":' + _DEEP + b"}\n\n",
    b'data: {"error":' + _DEEP + b"}\n\n",
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"\xff"}}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{"error":"\xff"}}\n\n',
]


@pytest.mark.parametrize("dialect", [name for name, one in OUTBOUND.items() if one.reader is not None])
@pytest.mark.parametrize("said", BROKEN)
def test_a_stream_that_is_none_raises_a_fault(dialect: Dialect, said: bytes) -> None:
    outbound = OUTBOUND[dialect]
    assert outbound.reader is not None
    reader = outbound.reader()
    with pytest.raises(Fault):
        for event in [*reader.feed(said), *reader.ended()]:
            raise getattr(event, "fault", Fault("It was understood."))
        raise Fault("It says nothing.")
    if outbound.watch is not None:
        watch = outbound.watch(Call("chat", "m", b"{}"), Heard())
        with pytest.raises(Fault):
            watch.feed(said)
            watch.ended()
