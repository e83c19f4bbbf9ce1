"""What an endpoint told of another call than the caller's, as the caller is to know it."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import UpstreamGarbled
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.renaming import Renamed, renamed, renamed_events
from intertie.dialects.openai_responses.watch import ResponsesWatch

CHANGES = {"id": "resp_ours", "store": True, "previous_response_id": "resp_before"}
RESPONSE = {"id": "resp_theirs", "store": False, "previous_response_id": None, "output": [{"text": "é"}], "x": 1}
CALL = peek("chat", b'{"model":"m","input":"hi","stream":true}')


def sse(kind: str, **content: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **content})}\n\n".encode()


DELTA = sse("response.output_text.delta", delta='say "response": {}', sequence_number=2)
STREAM = (
    sse("response.created", response=RESPONSE, sequence_number=0)
    + b": ping\r\n\r\n"
    + DELTA
    + sse("response.something.new", response=RESPONSE)
    + sse("response.completed", response={**RESPONSE, "usage": {"input_tokens": 1}}, sequence_number=3)
)


def test_only_what_was_changed_for_the_endpoint_is_changed_back() -> None:
    assert json.loads(renamed(json.dumps(RESPONSE).encode(), CHANGES)) == RESPONSE | CHANGES
    assert renamed_events(DELTA, CHANGES) == DELTA
    first, *_, last = renamed_events(STREAM, CHANGES).split(b"\n\n")[:-1]
    assert json.loads(first.partition(b"data: ")[2]) == {
        "type": "response.created", "response": RESPONSE | CHANGES, "sequence_number": 0,
    }  # fmt: skip
    assert json.loads(last.partition(b"data: ")[2])["response"]["usage"] == {"input_tokens": 1}
    assert DELTA in renamed_events(STREAM, CHANGES)
    assert sse("response.something.new", response=RESPONSE) in renamed_events(STREAM, CHANGES)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_split_anywhere_is_changed_the_same(cuts: list[int]) -> None:
    through = Renamed(ResponsesWatch(CALL, Heard()), CHANGES)
    edges = [0, *sorted(cuts), len(STREAM)]
    told = b"".join(through.feed(STREAM[start:end]) for start, end in itertools.pairwise(edges))
    assert through.done
    assert told + through.ended() == renamed_events(STREAM, CHANGES)
    assert through.tail == renamed_events(through.tail, CHANGES)


@pytest.mark.parametrize("response", [3, None, "x", [1]])
def test_what_is_no_response_is_the_endpoints_fault(response: object) -> None:
    with pytest.raises(UpstreamGarbled):
        renamed(json.dumps(response).encode(), CHANGES)
    with pytest.raises(UpstreamGarbled):
        renamed_events(sse("response.created", response=response), CHANGES)
    with pytest.raises(UpstreamGarbled):
        renamed_events(sse("response.created", other={"response": 1}), CHANGES)
