"""Streams read into events, and events written as streams."""

import json

import pytest
from anthropic_samples import (
    PING,
    WHOLE,
    block,
    call_block,
    called,
    end,
    events_of,
    named_event,
    start,
    stream_of,
    text_block,
    told_in,
)
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Citation
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
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import UpstreamBusy, UpstreamError, UpstreamGarbled
from intertie.core.usage import Usage

OWN = "anthropic_messages"
READ: list[Event] = [
    Began("msg_1", "claude-opus-5", usage=Usage(prompt=135, cached=100, written=10)),
    Pinged(),
    Opened(part=0, kind="reasoning", origin=OWN),
    Grew(0, "Let me "),
    Grew(0, "look: 日本"),
    Signed(0, "c2lnbmVk+/="),
    Closed(0),
    Opened(part=1, kind="reasoning", origin=OWN),
    Signed(1, sealed="c2VhbGVk"),
    Closed(1),
    Opened(part=2, kind="text"),
    Grew(2, "I'll "),
    Grew(2, "check 🌦 — both."),
    Closed(2),
    Opened(part=3, kind="tool_call", id="toolu_3", name="get_weather"),
    Grew(3, '{"city": "Pa'),
    Grew(3, 'ris"}'),
    Closed(3),
    Opened(part=4, kind="tool_call", id="toolu_4", name="get_time"),
    Grew(4, "{}"),
    Closed(4),
    Stopped(reason="tool"),
    Metered(Usage(prompt=135, completion=57, cached=100, written=10)),
    Ended(),
]


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_a_stream_gives_the_same_events_wherever_it_is_split(cuts: list[int]) -> None:
    assert events_of(WHOLE, *cuts) == READ


def test_a_stream_split_at_every_byte_gives_the_same_events() -> None:
    assert events_of(WHOLE, *range(1, len(WHOLE))) == READ


def test_what_is_read_and_written_again_reads_the_same() -> None:
    again = events_of(stream_of(READ))
    assert again[1:] == READ[1:]


def test_an_input_that_is_told_whole_at_the_start_is_told_once() -> None:
    opening = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    told = events_of(start() + block(0, opening) + end("tool_use"))
    assert [event for event in told if isinstance(event, Grew)] == [Grew(0, '{"x":1}')]


def test_blocks_of_tools_that_anthropic_runs_are_passed_over() -> None:
    stream = start() + block(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})
    stream += block(1, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []})
    cited = {"type": "web_search_result_location", "cited_text": "q", "url": "u", "title": None, "encrypted_index": "x"}
    opening, delta = {"type": "text", "text": ""}, {"type": "citations_delta", "citation": cited}
    told = events_of(stream + block(2, opening, {"type": "text_delta", "text": "t"}, delta) + end())
    assert told[1:5] == [Opened(part=0, kind="text"), Grew(0, "t"), Cited(0, Citation(url="u", quote="q")), Closed(0)]


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [
        ("end_turn", Stopped(reason="end")),
        ("max_tokens", Stopped(reason="length")),
        ("tool_use", Stopped(reason="tool")),
        ("refusal", Stopped(reason="filter")),
        ("pause_turn", Stopped(reason="pause")),
        ("stop_sequence", Stopped(reason="sequence")),
        ("model_context_window_exceeded", Stopped(reason="length", name="model_context_window_exceeded")),
        ("new", Stopped(reason="other", name="new")),
    ],
)
def test_fact_12_why_an_answer_ended(reason: str, stopped: Stopped) -> None:
    told = [event for event in events_of(start() + text_block(0, "a") + end(reason)) if isinstance(event, Stopped)]
    assert told == [stopped]
    calls: list[Event] = [Opened(part=0, kind="tool_call", id="a", name="f"), Closed(0)] if reason == "tool_use" else []
    written = told_in(stream_of([Began("m", "m"), *calls, stopped, Ended()]))
    assert written[-2]["delta"]["stop_reason"] == ("end_turn" if reason == "new" else reason)


def test_a_stop_sequence_and_a_refusal_in_words_are_told() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    delta = {"stop_reason": "refusal", "stop_sequence": "END", "stop_details": details}
    told = events_of(start() + named_event("message_delta", delta=delta) + named_event("message_stop"))
    stopped = Stopped(reason="filter", text="END")
    assert told[1:] == [Opened(part=0, kind="refusal"), Grew(0, "No."), Closed(0), stopped, Ended()]


def test_an_end_that_says_no_reason_is_an_end() -> None:
    assert events_of(start() + named_event("message_stop"))[1:] == [Stopped(reason="other"), Ended()]


def test_a_stream_without_its_end_has_none() -> None:
    assert not any(isinstance(event, Ended) for event in events_of(start() + text_block(0, "a")))


def test_an_error_in_the_stream_ends_it() -> None:
    error = named_event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    last = events_of(start() + error)[-1]
    assert isinstance(last, Broke) and isinstance(last.fault, UpstreamError)
    assert last.fault.upstream_status == 529


def test_an_error_instead_of_a_stream_is_found() -> None:
    last = events_of(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}')[-1]
    assert isinstance(last, Broke) and isinstance(last.fault, UpstreamBusy)


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html><body>502</body></html>\n\n",
        b'event: x\ndata: {"type": 7}\n\n',
        b'data: {"type":"content_block_start","index":"a"}\n\n',
        start() + named_event("message_delta", usage={"output_tokens": 1 << 60}),
        b"".join(named_event("content_block_start", index=n, content_block={"type": "text"}) for n in range(200)),
        b"data: " + b"x" * 1_100_000,
    ],
)
def test_garbage_is_told_to_be_garbage(garbage: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        events_of(garbage)


def test_fact_11_parts_that_overlap_are_written_one_after_another() -> None:
    stream = stream_of(
        [
            Began("m", "m"),
            Began("again", "m"),
            Opened(part=0, kind="tool_call", id="a", name="f"),
            Opened(part=1, kind="tool_call", id="b", name="g"),
            Grew(1, '{"y"'),
            Grew(0, '{"x"'),
            Opened(part=2, kind="text"),
            Grew(2, "done"),
            Grew(1, ":2}"),
            Closed(1),
            Grew(0, ":1}"),
            Stopped(reason="end"),
            Metered(Usage(prompt=5, completion=3)),
            Ended(),
        ]
    )
    told = told_in(stream)
    assert [one["type"] for one in told].count("message_start") == 1
    assert [one["index"] for one in told if "index" in one] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    open_now: list[int] = []
    for one in told:
        if one["type"] == "content_block_start":
            assert not open_now
            open_now.append(one["index"])
        elif one["type"] == "content_block_delta":
            assert open_now == [one["index"]]
        elif one["type"] == "content_block_stop":
            open_now.remove(one["index"])
    kinds = [one["delta"].get("partial_json") for one in told if one["type"] == "content_block_delta"]
    assert kinds == ['{"x"', ":1}", '{"y"', ":2}", None]
    assert told[-2]["delta"]["stop_reason"] == "tool_use"
    assert told[-2]["usage"]["output_tokens"] == 3


def test_fact_11_words_are_written_as_they_grow_and_never_into_a_tool() -> None:
    first = stream_of([Began("m", "m"), Opened(part=0, kind="text"), Grew(0, "a")])
    assert told_in(first)[-1]["delta"] == {"type": "text_delta", "text": "a"}
    mixed = told_in(
        stream_of(
            [
                Began("m", "m"),
                Opened(part=0, kind="text"),
                Grew(0, "a"),
                Closed(0),
                Opened(part=1, kind="tool_call", id="t", name="f"),
                Grew(1, "{}"),
                Closed(1),
                Opened(part=2, kind="text"),
                Grew(2, "b"),
                Closed(2),
                Stopped(reason="tool"),
                Ended(),
            ]
        )
    )
    opened = [one["content_block"]["type"] for one in mixed if one["type"] == "content_block_start"]
    assert opened == ["text", "tool_use", "text"]


def test_empty_parts_leave_no_block_and_only_the_first_choice_is_told() -> None:
    told = told_in(
        stream_of(
            [
                Began("m", "m"),
                Opened(part=0, kind="text"),
                Grew(0, ""),
                Closed(0),
                Opened(part=0, kind="text", choice=1),
                Grew(0, "other", choice=1),
                Opened(part=1, kind="reasoning"),
                Closed(1),
                Opened(part=2, kind="image"),
                Grew(2, "AAAA"),
                Closed(2),
                Stopped(reason="tool"),
                Ended(),
            ]
        )
    )
    assert [one["type"] for one in told] == ["message_start", "message_delta", "message_stop"]
    assert told[1]["delta"]["stop_reason"] == "end_turn"


def test_a_refusal_is_told_in_words_and_by_its_reason() -> None:
    events = [
        Began("m", "m"),
        Opened(part=0, kind="refusal"),
        Grew(0, "No."),
        Closed(0),
        Stopped(reason="end"),
        Ended(),
    ]
    told = told_in(stream_of(events))
    assert told[2]["delta"] == {"type": "text_delta", "text": "No."}
    assert told[-2]["delta"]["stop_reason"] == "refusal"


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    told = told_in(stream_of([Began("msg", "m"), Opened(part=3, kind="tool_call", name="f"), Closed(3), Ended()]))
    assert told[1]["content_block"]["id"] == "toolu_msg_3"


def test_what_waits_for_its_turn_is_bounded() -> None:
    events = [Began("m", "m"), Opened(part=0, kind="text"), Grew(0, "a"), Opened(part=1, kind="tool_call", name="f")]
    with pytest.raises(UpstreamGarbled):
        stream_of([*events, *[Grew(1, "x" * 65_536)] * 17])
    with pytest.raises(UpstreamGarbled):
        stream_of([*events, *[Opened(part=n, kind="text") for n in range(2, 200)]])


def test_a_long_answer_whose_calls_overlap_a_little_is_no_offence() -> None:
    events: list[Event] = [Began("m", "m"), Opened(part=0, kind="tool_call", id="0", name="f")]
    for part in range(1, 300):
        opened = Opened(part=part, kind="tool_call", id=str(part), name="f")
        events += [opened, Grew(part, '"' + "x" * 9_998 + '"'), Closed(part - 1)]
    assert len(told_in(stream_of([*events, Stopped(reason="tool"), Ended()]))) == 2 + 300 * 3 - 1 + 1


@given(st.text(), st.text(), st.text())
def test_no_text_can_end_an_event_or_begin_one(text: str, name: str, arguments: str) -> None:
    hostile = "\n\nevent: message_stop\ndata: {}\r\r\x00\u2028"
    events: list[Event] = [
        Began(name + hostile, hostile),
        Opened(part=0, kind="text"),
        Grew(0, text + hostile),
        Closed(0),
        Opened(part=1, kind="tool_call", id=hostile, name=name + hostile),
        Grew(1, arguments + hostile),
        Closed(1),
        Stopped(reason="sequence", text=hostile),
        Ended(),
    ]
    stream = stream_of(events)
    assert b"\r" not in stream
    told = told_in(stream)
    assert [one["type"] for one in told].count("message_stop") == 1
    assert json.dumps(told[2]["delta"]["text"]) == json.dumps(text + hostile)


def test_a_sign_of_life_and_an_error_are_events_of_their_own() -> None:
    assert told_in(stream_of([Pinged()])) == told_in(PING)
    assert told_in(stream_of([Broke(UpstreamBusy("slow", 429))], called()))[0]["error"]["type"] == "rate_limit_error"


def test_two_calls_are_read_one_after_another() -> None:
    told = events_of(start() + call_block(0, "f", "{}") + call_block(1, "g", "{}") + end("tool_use"))
    assert [event.name for event in told if isinstance(event, Opened)] == ["f", "g"]
