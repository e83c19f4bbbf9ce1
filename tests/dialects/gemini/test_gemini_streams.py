"""Gemini's streams: watched while they pass through, read into events, written from events, split at every byte."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from gemini_samples import called, chunk, usage
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Citation, TokenChance
from intertie.core.events import (
    Began,
    Broke,
    Cited,
    Closed,
    Ended,
    Event,
    Grew,
    Metered,
    Opened,
    Signed,
    Stopped,
)
from intertie.core.faults import Fault, StreamCut, UpstreamBusy, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.dialects.gemini.stream_to_events import GeminiReader
from intertie.dialects.gemini.watch import GeminiWatch

STREAM = b"".join(
    (
        b": ping\n\n",
        chunk({"text": "Hm", "thought": True}, **usage(9, 0)),
        chunk({"text": " ü", "thought": True}, {"text": "He", "thoughtSignature": "c2ln"}, **usage(9, 1)),
        chunk({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Y2Fs"}, **usage(9, 2)),
        chunk({"text": ""}, finish="STOP", **usage(9, 5, thoughtsTokenCount=2)),
    )
)
FULL = Usage(prompt=9, completion=7, reasoning=2)


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


def watched(pieces: Iterable[bytes], choices: int = 1) -> tuple[bytes, bytes, Heard]:
    heard = Heard()
    config = {"contents": [], "generationConfig": {"candidateCount": choices}}
    watch = GeminiWatch(called(config), heard)
    passed = b"".join([watch.feed(piece) for piece in pieces])
    tail = watch.ended()
    assert watch.done
    return passed, tail, heard


def events_of(pieces: Iterable[bytes]) -> list[Event]:
    reader = GeminiReader()
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.ended())


@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_a_stream_split_anywhere_passes_through_whole_with_its_end_held_back(places: list[int]) -> None:
    passed, tail, heard = watched(cut_at(STREAM, places))
    assert passed + tail == STREAM
    assert json.loads(tail.strip().removeprefix(b"data: "))["candidates"][0]["finishReason"] == "STOP"
    assert (heard.usage, heard.events) == (FULL, 4)


def test_a_stream_split_at_every_byte_tells_the_same_events() -> None:
    whole = events_of([STREAM])
    for place in range(len(STREAM)):
        assert events_of(cut_at(STREAM, [place])) == whole
    assert events_of([bytes([byte]) for byte in STREAM]) == whole


def test_events_come_in_order_with_signatures_whole_calls_and_the_last_usage() -> None:
    assert events_of([STREAM]) == [
        Began("r1", "gemini-3-flash", 0, Usage(prompt=9)),
        Opened(part=0, kind="reasoning", summary=True, origin="gemini"),
        Grew(0, "Hm"),
        Grew(0, " ü"),
        Closed(0),
        Opened(part=1, kind="text"),
        Grew(1, "He"),
        Closed(1),
        Opened(part=2, kind="reasoning", summary=True, origin="gemini"),
        Signed(2, "c2ln"),
        Closed(2),
        Opened(part=3, kind="tool_call", id="call_r1_0_0", name="f"),
        Grew(3, '{"a": 1}'),
        Signed(3, "Y2Fs"),
        Closed(3),
        Stopped(reason="tool"),
        Metered(FULL),
        Ended(),
    ]


def test_a_stream_whose_last_empty_line_is_missing_is_whole() -> None:
    passed, tail, _ = watched([STREAM.rstrip()])
    assert passed + tail == STREAM.rstrip()
    assert isinstance(events_of([STREAM.rstrip()])[-1], Ended)


@pytest.mark.parametrize("stream", [b"", chunk({"text": "He"}), chunk({"text": "He"})[:-9], b": ping\n\n"])
def test_a_stream_without_a_finish_reason_was_cut(stream: bytes) -> None:
    """Wire fact 1: a cut stream must not look like a short answer."""
    with pytest.raises(StreamCut):
        watched([stream])
    assert not any(isinstance(event, Ended) for event in events_of([stream]))


def test_a_cut_stream_still_tells_the_usage_so_far() -> None:
    assert events_of([chunk({"text": "He"}, **usage(9, 4))])[-1] == Metered(Usage(prompt=9, completion=4))


def test_what_comes_behind_the_end_is_held_back_too_and_its_usage_counts() -> None:
    late = b'data: {"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":6}}\n\n'
    passed, tail, heard = watched([STREAM + late])
    assert passed + tail == STREAM + late and tail.endswith(late)
    assert heard.usage == Usage(prompt=9, completion=6)
    assert events_of([STREAM, late])[-2:] == [Metered(Usage(prompt=9, completion=6)), Ended()]


def test_an_endpoint_that_goes_on_behind_its_end_is_cut_off() -> None:
    watch = GeminiWatch(called(), Heard())
    watch.feed(STREAM)
    with pytest.raises(StreamCut):
        for _ in range(100):
            watch.feed(b": more\n\n")


def test_a_picture_of_several_megabytes_comes_in_one_chunk() -> None:
    picture = chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA" * 1_000_000}}, finish="STOP")
    assert watched(cut_at(picture, [1_500_000]))[1] == picture
    assert any(isinstance(event, Grew) and len(event.text) == 4_000_000 for event in events_of([picture]))


def test_of_several_candidates_only_the_last_to_finish_is_held_back() -> None:
    first, more = chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, index=1)
    last = chunk({"text": "c"}, finish="MAX_TOKENS", index=1)
    assert watched([first, more, last], choices=2)[:2] == (first + more, last)
    assert watched([more, last, first], choices=2)[:2] == (more + last, first)
    assert watched([first, b"\n"], choices=2)[:2] == (b"", first + b"\n")
    with pytest.raises(StreamCut):
        watched([first, more], choices=2)
    stops = [event for event in events_of([first, more, last]) if isinstance(event, Stopped)]
    assert stops == [Stopped(reason="end"), Stopped(reason="length", choice=1)]


def test_a_blocked_prompt_ends_the_stream() -> None:
    told = b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}\n\n'
    assert watched([told])[1] == told
    assert events_of([told])[1:] == [
        Opened(part=0, kind="refusal"),
        Grew(0, "The prompt was blocked: SAFETY."),
        Closed(0),
        Stopped(reason="filter", name="SAFETY"),
        Metered(Usage(prompt=4)),
        Ended(),
    ]


def test_an_error_in_the_midst_of_a_stream_is_raised_with_the_status_it_names() -> None:
    told = b'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n\n'
    with pytest.raises(Fault, match="overloaded"):
        watched([chunk({"text": "He"}), told])
    assert isinstance(events_of([told])[0], Broke)
    busy = events_of([told.replace(b"503", b"429")])[0]
    assert isinstance(busy, Broke) and isinstance(busy.fault, UpstreamBusy)


def test_an_error_instead_of_a_stream_is_raised() -> None:
    with pytest.raises(Fault, match="quota"):
        watched([b'{"error":{"code":500,"message":"quota"}}'])
    with pytest.raises(Fault, match="quota"):
        events_of([b'{"error":{"code":500,"message":"quota"}}'])


@pytest.mark.parametrize(
    "text",
    [b"<html>\n\n</html>", b"data: <html>\n\n", b"data: [1]\n\n", b"[{}", b'data: {"candidates":[{"index":-1}]}\n\n'],
)
def test_what_is_no_stream_of_gemini_is_garbled(text: bytes) -> None:
    with pytest.raises(Fault):
        watched([text])
    with pytest.raises(UpstreamGarbled):
        events_of([text])


def test_an_answer_of_endless_parts_is_given_up() -> None:
    reader = GeminiReader()
    with pytest.raises(UpstreamGarbled):
        for _ in range(5_000):
            reader.feed(chunk({"functionCall": {"name": "f"}}))


def test_chances_sources_and_pictures_are_told_where_they_belong() -> None:
    chances = {"chosenCandidates": [{"token": "He", "logProbability": -1.0}]}
    grounds: dict[str, Any] = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 2, "text": "He"}, "groundingChunkIndices": [0]}],
        "webSearchQueries": ["q"],
    }
    picture = chunk({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, **usage(1, 1)).strip()
    first = json.loads(chunk({"text": "He"}).removeprefix(b"data: "))
    first["candidates"][0] |= {"logprobsResult": chances}
    second = json.loads(chunk({"text": "y"}, **usage(1, 1)).removeprefix(b"data: "))
    second["candidates"][0] |= {"groundingMetadata": grounds}
    lines = [b"data: " + json.dumps(one).encode() for one in (first, second)]
    told = events_of([b"\n\n".join([*lines, picture, chunk(finish="STOP")])])
    assert told[1:-3] == [
        Opened(part=0, kind="text"),
        Grew(0, "He", chances=(TokenChance("He", -1.0),)),
        Grew(0, "y"),
        Cited(0, Citation(url="https://a", title="A", quote="He")),
        Closed(0),
        Opened(part=1, kind="image", type="image/png"),
        Grew(1, "AA=="),
        Closed(1),
    ]
    assert told[-2] == Metered(Usage(prompt=1, completion=1, searches=1))
