"""Streams of endpoints, with all that engines do differently, read into events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_chat_samples import DONE, chunk, events_of

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
    Pinged,
    Signed,
    Stopped,
)
from intertie.core.faults import UpstreamBusy, UpstreamError, UpstreamGarbled
from intertie.core.usage import Usage
from intertie.dialects.openai_chat.stream_to_events import ChatReader


def deltas(*told: dict[str, Any], finish: str | None = "stop") -> list[Event]:
    """The events of one choice, without the beginning and the end."""
    events = events_of(b"".join(chunk(delta=one) for one in told) + chunk(finish_reason=finish) + DONE)
    assert events[0] == Began("c1", "m", 7)
    assert events[-1] == Ended()
    return events[1:-1]


def call(index: int | None, arguments: str = "", **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | {name: more.pop(name) for name in ("name",) if name in more}
    return {"tool_calls": [{"function": function} | more | ({} if index is None else {"index": index})]}


def opened(part: int, id_: str, name: str) -> Opened:
    return Opened(part=part, kind="tool_call", id=id_, name=name)


def test_thoughts_then_words() -> None:
    for field in ("reasoning_content", "reasoning"):
        assert deltas({"role": "assistant", "content": ""}, {field: "hm"}, {"content": "a"}, {"content": "b"}) == [
            Opened(part=0, kind="reasoning"),
            Grew(0, "hm"),
            Closed(0),
            Opened(part=1, kind="text"),
            Grew(1, "a"),
            Grew(1, "b"),
            Closed(1),
            Stopped(reason="end"),
        ]


def test_what_is_empty_or_absent_tells_nothing() -> None:
    filters = chunk(id="", model="", prompt_filter_results=[])  # Azure's first
    stream = filters + chunk(delta={"content": None, "tool_calls": None}) + chunk(delta={"content": "a"}) + DONE
    assert events_of(stream)[:2] == [Began("c1", "m", 7), Opened(part=0, kind="text")]


def test_fact_10_parallel_calls_interleave_by_index() -> None:
    assert deltas(
        {"content": "so"},
        call(0, id="1", name="f"),
        call(1, '{"b"', id="2", name="g"),
        call(0, '{"a":1}'),
        call(1, ":2}"),
        finish="tool_calls",
    ) == [
        Opened(part=0, kind="text"),
        Grew(0, "so"),
        Closed(0),
        opened(1, "1", "f"),
        opened(2, "2", "g"),
        Grew(2, '{"b"'),
        Grew(1, '{"a":1}'),
        Grew(2, ":2}"),
        Closed(1),
        Closed(2),
        Stopped(reason="tool"),
    ]


@pytest.mark.parametrize("index", [None, 0])
def test_calls_that_come_whole_without_an_index_or_all_with_the_same_are_told_apart(index: int | None) -> None:
    events = deltas(call(index, "{}", id="1", name="f"), call(index, "[]", id="2", name="g"))
    assert events[:4] == [opened(0, "1", "f"), Grew(0, "{}"), opened(1, "2", "g"), Grew(1, "[]")]
    assert events[-1] == Stopped(reason="tool")  # fact 11: some say `stop` though they call


def test_fragments_without_an_index_belong_to_the_last_call() -> None:
    events = deltas(call(None, '{"a"', name="f"), call(None, ":1}"), call(None, "{}", name="f"))
    assert events[:5] == [
        opened(0, "call_c1_0_0", "f"),
        Grew(0, '{"a"'),
        Grew(0, ":1}"),
        opened(1, "call_c1_0_1", "f"),
        Grew(1, "{}"),
    ]


def test_a_name_may_be_repeated_or_come_late() -> None:
    late = deltas(call(0, "{", id="1"), call(0, "}", name="f"), call(0, " ", id="1", name="f"))
    assert late[:4] == [opened(0, "1", "f"), Grew(0, "{"), Grew(0, "}"), Grew(0, " ")]


def test_free_tools_old_functions_and_googles_signatures_are_read() -> None:
    free = deltas({"tool_calls": [{"index": 0, "id": "1", "custom": {"name": "c", "input": "x"}}]})
    assert free[:2] == [Opened(part=0, kind="tool_call", id="1", name="c", free=True), Grew(0, "x")]
    old = deltas({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}})
    assert old[:2] == [opened(0, "call_c1_0_0", "f"), Grew(0, "{}")]
    signed = deltas(call(0, "{}", id="1", name="f", extra_content={"google": {"thought_signature": "s"}}))
    assert signed[2] == Signed(0, "s")


def test_signed_thoughts_are_kept_whole() -> None:
    def detail(kind: str, index: int, **told: Any) -> dict[str, Any]:
        one = {"type": f"reasoning.{kind}", "index": index, "format": "anthropic-claude-v1"}
        return {"reasoning": told.get("text"), "reasoning_details": [one | told]}

    events = deltas(
        detail("text", 0, text="", signature=""),
        detail("text", 0, text="I th"),
        detail("text", 0, text="ink"),
        detail("text", 0, signature="sig=="),
        detail("encrypted", 1, data="AA=="),
        {"content": "x"},
    )
    origin: Any = "anthropic_messages"
    assert events[:8] == [
        Opened(part=0, kind="reasoning", origin=origin),
        Grew(0, "I th"),
        Grew(0, "ink"),
        Signed(0, "sig=="),
        Closed(0),
        Opened(part=1, kind="reasoning", origin=origin),
        Signed(1, "", "AA=="),
        Closed(1),
    ]


def test_refusals_citations_sound_and_pictures_are_read() -> None:
    picture = {"images": [{"image_url": {"url": "data:image/png;base64,AA=="}}]}
    cited = {"annotations": [{"url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}]}
    sound = [{"audio": {"id": "a"}}, {"audio": {"data": "AA=="}}, {"audio": {"transcript": "la"}}]
    assert deltas({"content": "x"}, cited, {"refusal": "no"}, *sound, {"audio": {"expires_at": 9}}, picture) == [
        Opened(part=0, kind="text"),
        Grew(0, "x"),
        Cited(0, Citation(url="u", title="t", start=0, end=1)),
        Closed(0),
        Opened(part=1, kind="refusal"),
        Grew(1, "no"),
        Opened(part=2, kind="audio", id="a"),
        Grew(2, "AA=="),
        Grew(2, "", transcript="la"),
        Opened(part=3, kind="image", type="image/png"),
        Grew(3, "AA=="),
        Closed(3),
        Closed(1),
        Closed(2),
        Stopped(reason="end"),
    ]


def test_chances_go_with_what_grew_even_if_that_was_no_character() -> None:
    told = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    chance = (TokenChance("a", -1.0, (97,)),)
    stream = chunk(delta={"content": "a"}, logprobs={"content": [told]})
    stream += chunk(delta={"content": ""}, logprobs={"content": [told]})
    assert events_of(stream)[1:] == [
        Opened(part=0, kind="text"),
        Grew(0, "a", chances=chance),
        Grew(0, "", chances=chance),
    ]


def test_fact_7_usage_is_told_once_behind_the_choices_wherever_it_came() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    early = chunk(delta={"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1})
    end = [Closed(0), Stopped(reason="end"), Metered(Usage(3, 4)), Ended()]
    own = early + chunk(finish_reason="stop", usage=None) + chunk(usage=usage) + DONE
    last = early + chunk(finish_reason="stop", usage=usage) + DONE
    again = early + chunk(finish_reason="stop") + chunk(delta={"content": ""}, finish_reason=None, usage=usage) + DONE
    for stream in (own, last, again):
        assert events_of(stream)[-4:] == end


def test_fact_9_the_tier_is_the_one_that_was_told() -> None:
    stream = chunk(delta={"content": "a"}, service_tier="flex") + chunk(usage={"prompt_tokens": 1}) + DONE
    assert events_of(stream)[-2] == Metered(Usage(1, 0, tier="flex"), "flex")


def test_fact_1_a_stream_without_its_end_was_cut() -> None:
    stream = chunk(delta={"content": "a"}, usage={"prompt_tokens": 3})
    assert events_of(stream)[-1] == Metered(Usage(3, 0))
    assert Ended() not in events_of(chunk(finish_reason="stop") + chunk(usage={"prompt_tokens": 3}))
    assert Ended() in events_of(stream + DONE)
    assert events_of(stream + b"data: [DONE]")[-1] == Ended()
    assert Ended() not in events_of(stream + b"data: [DO")


def test_a_last_chunk_that_tells_reason_and_usage_is_an_end() -> None:
    stream = chunk(delta={"content": "a"}) + chunk(finish_reason="length", usage={"prompt_tokens": 3})
    assert events_of(stream)[-3:] == [Stopped(reason="length"), Metered(Usage(3, 0)), Ended()]
    second = chunk(choices=[{"index": 1, "delta": {"content": "b"}}])
    assert Ended() not in events_of(second + stream)
    assert Ended() not in events_of(stream + b'data: {"choi')


def test_fact_4_comments_are_signs_of_life_and_any_line_ends_will_do() -> None:
    stream = b": OPENROUTER PROCESSING\n\n" + chunk(delta={"content": "a"}) + DONE
    events = events_of(stream)
    assert events[0] == Pinged()
    for end in (b"\r\n", b"\r"):
        assert events_of(stream.replace(b"\n", end)) == events


def test_fact_6_obfuscation_is_no_content() -> None:
    stream = chunk(delta={"content": "a"}, obfuscation="zzzz") + DONE
    assert events_of(stream) == events_of(chunk(delta={"content": "a"}) + DONE)


def test_fact_13_errors_in_the_midst_break_the_stream_and_end_it() -> None:
    for broken in (
        chunk(error={"code": 429, "message": "x"}, choices=[{"index": 0, "delta": {}, "finish_reason": "error"}]),
        chunk(finish_reason="error", error={"code": 429}),
        b'data: {"error":{"code":429}}\n\n',
        b'{"error":{"code":429}}\n\n',
    ):
        *_, last = events_of(chunk(delta={"content": "a"}) + broken + DONE)
        assert isinstance(last, Broke)
        assert isinstance(last.fault, UpstreamBusy)
    *_, last = events_of(chunk(finish_reason="error") + DONE)
    assert isinstance(last, Broke)
    assert isinstance(last.fault, UpstreamError)


def test_an_error_as_a_whole_answer_breaks_the_stream() -> None:
    *_, last = events_of(b'{"error":{"code":503,"message":"x"}}')
    assert isinstance(last, Broke)


FAR = chunk(choices=[{"index": 200, "delta": {"content": "x"}}])
MANY = b"".join(chunk(delta=call(index, id=str(index), name="f")) for index in range(129))
NAMELESS = chunk(delta=call(0, "{}", id="1")) + DONE
ENDLESS = chunk(delta=call(0, "x" * 400_000, id="1")) * 3


@pytest.mark.parametrize(
    "stream", [b"<html>\n\n", b"<html>", b"data: {\n\n", b"data: [3]\n\n", DONE, FAR, MANY, NAMELESS, ENDLESS]
)
def test_what_is_no_stream_of_the_dialect_is_garbled(stream: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        events_of(stream)


WHOLE = (
    b": hello\n\n"
    + chunk(delta={"role": "assistant", "content": "", "reasoning_content": "h\u00e4"})
    + chunk(delta={"content": "\u00fc\U0001f600"})
    + chunk(delta=call(0, '{"a"', id="1", name="f"))
    + json.dumps({}).encode().join((b"data: ", b"\r\n\r\n"))
    + chunk(delta=call(0, ":1}"), finish_reason="tool_calls")
    + chunk(usage={"prompt_tokens": 3, "completion_tokens": 4})
    + DONE
)


@given(st.sets(st.integers(0, len(WHOLE)), max_size=12))
def test_a_stream_split_anywhere_tells_the_same(cuts: set[int]) -> None:
    assert events_of(WHOLE, cuts) == events_of(WHOLE)


def test_a_stream_byte_by_byte_tells_the_same() -> None:
    assert events_of(WHOLE, range(len(WHOLE))) == events_of(WHOLE)


def test_nothing_is_told_behind_the_end() -> None:
    reader = ChatReader()
    assert reader.feed(WHOLE)[-1] == Ended()
    assert [*reader.feed(WHOLE), *reader.ended()] == []
