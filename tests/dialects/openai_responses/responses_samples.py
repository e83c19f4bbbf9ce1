"""Chats of every kind, made by hypothesis, and what the tests of this dialect share."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st

from intertie.core.chat import (
    Answer,
    Audio,
    Chat,
    Choice,
    Citation,
    Document,
    Form,
    Image,
    Media,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.events import Began, Cited, Closed, Ended, Event, Grew, Metered, Opened, PartKind, Signed, Stopped
from intertie.core.usage import Usage

ENDPOINT = Endpoint("e", "s", "m", "upstream-m", Origin("http", "h", 80), dialect="openai_responses")
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
GRAMMAR = msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"start: /x/"}')

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.sampled_from(["f", "g_1", "Weather-now"])
base64 = st.sampled_from(["AAAA", "QUJD", "////"])

texts = st.builds(Text, words)
images = st.builds(
    Image,
    st.builds(Media, type=st.just("image/png"), data=base64) | st.builds(Media, url=st.just("https://x/y.png")),
    st.sampled_from(["auto", "low", "high"]),
)
documents = st.builds(Document, st.builds(Media, type=st.just("application/pdf"), data=base64), words)
sounds = st.builds(Audio, st.builds(Media, type=st.sampled_from(["audio/mpeg", "audio/wav"]), data=base64))
given_parts = st.lists(texts | images | documents | sounds, min_size=1, max_size=3).map(tuple)
said_parts = st.lists(texts | st.builds(Refusal, words), max_size=2).map(tuple)


@st.composite
def rounds(draw: st.DrawFn, number: int) -> tuple[Turn, ...]:
    """A question, and an answer that may think, speak and call tools, whose results come back."""
    thoughts = draw(st.lists(st.tuples(words, st.booleans()), max_size=2))
    thoughts.sort(key=lambda one: not one[1])  # summaries come first
    reasoning = tuple(
        Reasoning(text, sealed="gAA=" * (index == len(thoughts) - 1), id=f"rs_{number}", summary=summary,
                  origin="openai_responses")
        for index, (text, summary) in enumerate(thoughts)
    )  # fmt: skip
    calls = tuple(
        ToolCall(f"call_{number}_{index}", draw(names), draw(words), free=draw(st.booleans()))
        for index in range(draw(st.integers(0, 2)))
    )
    results = tuple(ToolResult(call.id, draw(given_parts), name=call.name) for call in calls)
    answer = reasoning + draw(said_parts) + calls
    turns = [Turn("user", draw(given_parts))]
    turns += [Turn("assistant", answer)] if answer else []
    return (*turns, Turn("user", results)) if results else tuple(turns)


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    """A chat that this dialect can say whole, in the form in which it is read."""
    system = draw(st.lists(st.builds(Turn, st.sampled_from(["system", "developer"]), st.tuples(texts)), max_size=2))
    turns = (*system, *(turn for number in range(draw(st.integers(1, 3))) for turn in draw(rounds(number))))
    tools = draw(st.sampled_from([(), (FUNCTION,), (FUNCTION, FREE)]))
    choices = [None, ToolChoice(), ToolChoice("required"), ToolChoice("none"), ToolChoice("named", ("f",))]
    return Chat(
        model="upstream-m",
        turns=turns,
        origin="openai_responses",
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)) if tools else None,
        parallel_tools=draw(st.sampled_from([None, True, False])) if tools else None,
        form=draw(st.sampled_from([None, Form(kind="json"), FORM])),
        thinking=draw(st.sampled_from([None, Thinking(effort="high"), Thinking(summary="auto")])),
        sampling=draw(st.sampled_from([Sampling(), Sampling(temperature=0.5, logprobs=True, top_logprobs=2)])),
        max_output=draw(st.sampled_from([None, 100])),
        stream=draw(st.booleans()),
        tier=draw(st.sampled_from(["", "flex"])),
        user=draw(st.sampled_from(["", "somebody"])),
        cache_key=draw(st.sampled_from(["", "k"])),
        metadata=draw(st.sampled_from([None, {"a": "b"}])),
        store=draw(st.booleans()),
        verbosity=draw(st.sampled_from(["", "low"])),
        state=draw(st.sampled_from(["", "resp_1"])),
    )


FUNCTION = Tool(name="f", description="does", schema=SCHEMA, strict=True)
FREE = Tool(name="g", free=True, grammar=GRAMMAR)
FORM = Form(kind="schema", name="out", schema=SCHEMA, strict=True)


def plain(value: Any) -> Any:
    """A value for comparison: raw JSON is equal by what it says."""
    return json.loads(msgspec.json.encode(value))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """An answer of this dialect, in the form in which it is read."""
    citations = st.lists(st.builds(Citation, url=words, title=words, start=st.just(1), end=st.just(3)), max_size=2)
    kinds = (
        st.builds(Text, words, citations=citations.map(tuple)),
        st.builds(Refusal, words),
        st.builds(ToolCall, st.uuids().map(lambda one: f"call_{one}"), names, words, st.booleans()),
        st.builds(Image, st.builds(Media, type=st.just("image/png"), data=base64)),
        st.builds(
            Reasoning, words, sealed=st.sampled_from(["", "gA="]), id=st.uuids().map(lambda one: f"rs_{one}"),
            summary=st.booleans(), origin=st.just("openai_responses"),
        ),
    )  # fmt: skip
    parts = tuple(draw(st.lists(st.one_of(*kinds), max_size=5)))
    wants_tool = any(isinstance(part, ToolCall) for part in parts)
    return Answer(
        id="resp_1",
        model="m-1",
        choices=(Choice(parts=parts, stop=draw(st.sampled_from(["length", "tool" if wants_tool else "end"]))),),
        usage=Usage(9, 4, cached=2, reasoning=1),
        created=7,
        tier="default",
    )


def events_of(answer: Answer, draw: Callable[..., Any] | None) -> Iterator[Event]:
    """The answer as it might be streamed: its texts in pieces where `draw` cuts them."""
    yield Began(answer.id, answer.model, answer.created)
    for number, part in enumerate(answer.choices[0].parts):
        kind, text = _kind_and_text(part)
        told = {
            name: getattr(part, name) for name in ("id", "name", "free", "summary", "origin") if hasattr(part, name)
        }
        yield Opened(part=number, kind=kind, type=part.media.type if isinstance(part, Image) else "", **told)
        cut = draw(st.integers(0, len(text))) if draw else 0
        yield from (Grew(number, piece) for piece in (text[:cut], text[cut:]) if piece)
        yield from (Cited(number, citation) for citation in getattr(part, "citations", ()))
        yield Signed(number, getattr(part, "signature", ""), getattr(part, "sealed", ""))
        yield Closed(number)
    yield Stopped(reason=answer.choices[0].stop)
    if answer.usage is not None:
        yield Metered(answer.usage, answer.tier)
    yield Ended()


def _kind_and_text(part: Any) -> tuple[PartKind, str]:
    match part:
        case Refusal(text=text):
            return "refusal", text
        case ToolCall(arguments=text):
            return "tool_call", text
        case Reasoning(text=text):
            return "reasoning", text
        case Image(media=media):
            return "image", media.data
        case _:
            return "text", part.text
