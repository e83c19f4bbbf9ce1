"""Streams of pictures, transcripts and speech: passed through byte by byte, their end held back until it is whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.faults import Fault, StreamCut, UpstreamBusy, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_media.watch import MediaWatch

TOKENS = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "input_token_details": {"audio_tokens": 14}}
PICTURE = {"input_tokens": 8, "output_tokens": 100, "input_tokens_details": {"image_tokens": 0, "text_tokens": 8}}


def event(**data: object) -> bytes:
    return f"event: {data.get('type', 'message')}\ndata: {json.dumps(data)}\n\n".encode()


TRANSCRIPT = [
    event(type="transcript.text.delta", delta="Hé"),
    b": ping\n\n",
    event(type="transcript.text.delta", delta="llo"),
    event(type="transcript.text.done", text="Héllo", usage=TOKENS),
]
SPEECH = [
    event(type="speech.audio.delta", audio="AAAA"),
    event(type="speech.audio.done", usage={"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}),
]
PICTURES = [
    event(type="image_generation.partial_image", b64_json="A", partial_image_index=0),
    event(type="image_generation.completed", b64_json="B" * 2_000_000, usage=PICTURE),
    event(type="image_generation.completed", b64_json="C", usage=PICTURE),
]
CHUNKS = [
    event(object="transcription.chunk", choices=[{"delta": {"content": "Hello"}}], usage=None),
    event(object="transcription.chunk", choices=[], usage={"prompt_tokens": 20, "completion_tokens": 2}),
    b"data: [DONE]\n\n",
]
STREAMS: dict[str, tuple[Operation, int, list[bytes], int, Usage]] = {
    "transcript": ("transcription", 1, TRANSCRIPT, 3, Usage(14, 3, audio_in=14)),
    "speech": ("speech", 1, SPEECH, 1, Usage(14, 101, audio_out=101, characters=7)),
    "pictures": ("images", 2, PICTURES, 2, Usage(16, 200, image_out=200, images=2)),
    "chunks of a chat": ("transcription", 1, CHUNKS, 2, Usage(20, 2)),
}


def watch(operation: Operation, choices: int = 1) -> tuple[MediaWatch, Heard]:
    heard, units = Heard(), Usage(characters=7) if operation == "speech" else Usage(audio_ms=5_000)
    call = Call(operation, "m", b"{}", stream=True, choices=choices, units=units, prompt_tokens=4)
    return MediaWatch(call, heard), heard


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=st.lists(st.integers(0, 1_000), max_size=6))
def test_a_stream_split_anywhere_comes_out_as_it_was_and_its_end_is_held_back(name: str, cuts: list[int]) -> None:
    operation, choices, events, held, usage = STREAMS[name]
    through, heard = watch(operation, choices)
    stream, passed, last = b"".join(events), b"", 0
    for cut in sorted({cut * len(stream) // 1_000 for cut in cuts} | {len(stream)}):
        passed += through.feed(stream[last:cut])
        last = cut
    assert through.done
    assert (passed, through.ended()) == (b"".join(events[:held]), b"".join(events[held:]))
    assert heard.usage == usage


@pytest.mark.parametrize("name", STREAMS)
def test_every_byte_may_come_by_itself(name: str) -> None:
    operation, choices, events, held, _ = STREAMS[name]
    through, _ = watch(operation, choices)
    stream = b"".join(each if len(each) < 1_000 else each.replace(b"B" * 1_999_000, b"") for each in events)
    passed = b"".join([through.feed(stream[at : at + 1]) for at in range(len(stream))])
    assert passed + through.ended() == stream and passed.count(b"\n\n") == held


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_lacks_its_end_was_cut(name: str) -> None:
    operation, choices, events, held, _ = STREAMS[name]
    through, _ = watch(operation, choices)
    through.feed(b"".join(events[:held]) + events[held][:8])
    with pytest.raises(StreamCut):
        through.ended()


def test_the_last_empty_line_may_be_missing_and_a_done_may_follow() -> None:
    through, heard = watch("transcription")
    assert through.feed(b"".join(TRANSCRIPT)[:-2]) == b"".join(TRANSCRIPT[:3])
    assert through.ended() == TRANSCRIPT[3][:-2] and heard.usage is not None
    through, _ = watch("speech")
    through.feed(b"".join(SPEECH) + b"data: [DONE]\n\n")
    assert through.ended() == SPEECH[1] + b"data: [DONE]\n\n"


def test_an_end_without_usage_is_estimated_from_the_call() -> None:
    through, heard = watch("transcription")
    through.feed(event(type="transcript.text.done", text="x"))
    assert heard.usage == Usage(4, audio_ms=5_000, estimated=True)


def test_a_model_that_ignores_stream_is_told_as_the_one_event_it_would_be() -> None:
    through, heard = watch("transcription")
    assert through.feed(b'{"text": "Hello",\n "usage": {"type": "duration", "seconds": 2}}\n') == b""
    expected = {"text": "Hello", "usage": {"type": "duration", "seconds": 2}, "type": "transcript.text.done"}
    assert json.loads(through.ended().removeprefix(b"data: ")) == expected
    assert heard.usage == Usage(audio_ms=2_000)


@pytest.mark.parametrize(
    ("operation", "stream", "fault"),
    [
        ("images", b'data: {"type": "error", "error": {"message": "no", "code": 429}}\n\n', UpstreamBusy),
        ("images", b"data: <html>\n\n", UpstreamGarbled),
        ("images", b"<html><body>502</body></html>", UpstreamGarbled),
        ("images", b'{"data": []}', UpstreamGarbled),
        ("transcription", b'{"error": {"message": "no", "code": 429}}', UpstreamBusy),
        ("speech", b"", StreamCut),
        ("speech", b"data: {}\n\n" * 3, StreamCut),
        ("speech", b'data: {"type": "speech.audio.done", "usage": {"input_tokens": 1e99}}\n\n', UpstreamGarbled),
    ],
)
def test_what_goes_wrong_is_told_as_what_it_is(operation: Operation, stream: bytes, fault: type[Fault]) -> None:
    through, _ = watch(operation)
    with pytest.raises(fault):
        through.feed(stream)
        through.ended()
