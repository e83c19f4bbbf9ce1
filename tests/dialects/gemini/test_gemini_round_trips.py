"""What Gemini can say survives being written for it and read from it again."""

import json

import msgspec
from gemini_samples import called, endpoint
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.chat import (
    Answer,
    Chat,
    Choice,
    Document,
    Form,
    Image,
    Media,
    Part,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    TokenChance,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.events import Began, Closed, Ended, Event, Grew, Metered, Opened, Signed, Stopped
from intertie.core.usage import Usage
from intertie.dialects.dialect import Cannot
from intertie.dialects.gemini.answer_to_body import answer_to_body
from intertie.dialects.gemini.body_to_answer import body_to_answer
from intertie.dialects.gemini.call_to_chat import SPELLING, call_to_chat
from intertie.dialects.gemini.chat_to_body import chat_to_body
from intertie.dialects.gemini.events_to_stream import GeminiWriter
from intertie.dialects.gemini.peek import peek
from intertie.dialects.gemini.stream_to_events import GeminiReader

WORDS = st.text(min_size=1, max_size=20)
NAMES = st.from_regex(r"[a-z_][a-zA-Z0-9_]{0,9}", fullmatch=True)
SIGNATURES = st.from_regex(r"[A-Za-z0-9+/]{8}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=3).map(lambda value: msgspec.json.encode(value).decode())
DATA = st.sampled_from(["AA==", "AAAA"])
TEXTS = WORDS.map(Text)
MEDIA = st.builds(lambda data: Image(Media(type="image/png", data=data)), DATA) | st.builds(
    lambda data: Document(Media(type="application/pdf", data=data)), DATA
)
THOUGHTS = st.builds(lambda text, mark: Reasoning(text, mark, summary=True, origin="gemini"), WORDS, SIGNATURES)
PROBABILITIES = st.floats(-10, 0)
FIGURES = st.integers(0, 10_000)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    """A system message perhaps, then a user, a model that thinks and calls, and the results."""
    turns = [Turn("system", tuple(draw(st.lists(TEXTS, min_size=1, max_size=2))))] if draw(st.booleans()) else []
    for place in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", tuple(draw(st.lists(TEXTS | MEDIA, min_size=1, max_size=3)))))
        spoken: list[Part] = [draw(THOUGHTS), draw(TEXTS)]
        calls = [
            ToolCall(f"c{place}.{index}", name, draw(OBJECTS), signature=draw(st.just("") | SIGNATURES))
            for index, name in enumerate(draw(st.lists(NAMES, max_size=3)))
        ]
        turns.append(Turn("assistant", (*spoken, *calls)))
        if calls:
            results = [
                ToolResult(
                    call.id, (draw(TEXTS), *draw(st.lists(MEDIA, max_size=1))), draw(st.booleans()), name=call.name
                )
                for call in draw(st.permutations(calls))
            ]
            turns.append(Turn("user", tuple(results)))
    return tuple(turns)


THINKING = st.sampled_from([
    None,
    Thinking(on=False),
    Thinking(on=True, adaptive=True, visible=True),
    Thinking(on=True, budget=512, visible=False),
])  # fmt: skip
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a_b":{"$ref":"#/x_y"}}}')
CHATS = st.builds(
    Chat,
    model=st.just("public"),
    turns=conversations(),
    origin=st.just("gemini"),
    tools=st.lists(
        st.builds(Tool, name=NAMES, description=WORDS, schema=st.sampled_from([None, SCHEMA])), max_size=3
    ).map(tuple),
    tool_choice=st.sampled_from([None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("named", ("f",))]),
    form=st.sampled_from([None, Form(kind="json"), Form(kind="schema", name="answer", schema=SCHEMA)]),
    thinking=THINKING,
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        top_p=st.none() | st.floats(0, 1),
        top_k=st.none() | st.integers(1, 100),
        stop=st.lists(WORDS, max_size=2).map(tuple),
        seed=st.none() | st.integers(0, 2**31 - 1),
        frequency_penalty=st.none() | st.floats(-2, 2),
        presence_penalty=st.none() | st.floats(-2, 2),
    ),
    max_output=st.none() | st.integers(1, 10_000),
    choices=st.integers(1, 4),
    tier=st.sampled_from(["", "default", "flex", "priority"]),
    store=st.sampled_from([None, True, False]),
    modalities=st.sampled_from([(), ("text", "image")]),
    extras=st.sampled_from([{}, {"safetySettings": SCHEMA, "generationConfig.mediaResolution": msgspec.Raw(b'"LOW"')}]),
    spelling=st.just(dict(SPELLING)),
)


@given(CHATS)
def test_a_chat_survives_being_written_and_read(chat: Chat) -> None:
    body = chat_to_body(chat, endpoint("gemini-2.5-flash"), Cannot("gemini", chat.spelling, drop=False))
    assert call_to_chat(peek("chat", body, "public:generateContent")) == chat


PARTS = st.lists(
    TEXTS
    | THOUGHTS
    | MEDIA.filter(lambda part: isinstance(part, Image))
    | st.builds(lambda call, name, text: ToolCall(call, name, text), NAMES, NAMES, OBJECTS),
    min_size=1,
    max_size=4,
).map(tuple)
CHANCE = st.builds(lambda token, chance: TokenChance(token, chance), WORDS, PROBABILITIES)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    chances = tuple(
        msgspec.structs.replace(one, others=tuple(draw(st.lists(CHANCE, max_size=2))))
        for one in draw(st.lists(CHANCE, max_size=2))
    )
    choices: list[Choice] = []
    for parts in draw(st.lists(PARTS, min_size=1, max_size=2)):
        called_tools = any(isinstance(part, ToolCall) for part in parts)
        choices.append(Choice(parts=parts, stop="tool" if called_tools else "end", chances=chances))
    prompt, reasoning = draw(FIGURES), draw(FIGURES)
    usage = Usage(prompt=prompt, completion=reasoning + draw(FIGURES), cached=prompt // 2, reasoning=reasoning)
    return Answer(id="r1", model="m", choices=tuple(choices), usage=usage)


@given(answers())
def test_an_answer_survives_being_written_and_read(answer: Answer) -> None:
    assert body_to_answer(answer_to_body(answer, called())) == answer


def told(answer: Answer) -> list[Event]:
    """An answer's first choice as events, each text and each call's arguments in two pieces."""
    events: list[Event] = [Began(answer.id, answer.model)]
    for place, part in enumerate(answer.choices[0].parts):
        match part:
            case Text():
                events.append(Opened(part=place, kind="text"))
            case Reasoning():
                events.append(Opened(part=place, kind="reasoning", summary=True, origin="gemini"))
            case ToolCall():
                events.append(Opened(part=place, kind="tool_call", id=part.id, name=part.name))
            case Image():
                events.append(Opened(part=place, kind="image", type=part.media.type))
            case _:
                raise AssertionError(part)
        events += [Grew(place, piece) for piece in pieces(part)]
        if isinstance(part, Reasoning):
            events.append(Signed(place, part.signature))
        events.append(Closed(place))
    stop = Stopped(reason=answer.choices[0].stop)
    return [*events, stop, *([Metered(answer.usage)] if answer.usage else []), Ended()]


def pieces(part: Part) -> list[str]:
    if isinstance(part, Image):
        return [part.media.data]
    text = part.arguments if isinstance(part, ToolCall) else part.text if isinstance(part, Text | Reasoning) else ""
    return [piece for piece in (text[:2], text[2:]) if piece]


def gathered(events: list[Event]) -> list[tuple[object, ...]]:
    """What events say, whatever the pieces: texts that touch are one."""
    found: list[list[object]] = []
    for event in events:
        match event:
            case Opened(kind="text") if found and found[-1][0] == "text":
                pass
            case Opened():
                found.append([event.kind, event.name, event.type, ""])
            case Grew():
                found[-1][3] = f"{found[-1][3]}{event.text}"
            case Signed():
                found[-1].append(event.signature)
            case Closed():
                pass
            case _:
                found.append([event])
    return [tuple(one) for one in found if one[-1] != ""]


@given(answers(), st.data())
def test_a_stream_survives_being_written_and_read_split_anywhere(answer: Answer, data: st.DataObject) -> None:
    stream_call: Call = called(tail="public:streamGenerateContent?alt=sse")
    writer, reader = GeminiWriter(stream_call), GeminiReader()
    stream = b"".join([writer.write(event) for event in told(answer)])
    place = data.draw(st.integers(0, len(stream)))
    back = [*reader.feed(stream[:place]), *reader.feed(stream[place:]), *reader.ended()]
    assert gathered(back) == gathered(told(answer))
    assert json.loads(stream.rstrip().rpartition(b"data: ")[2])["candidates"][0]["finishReason"] == "STOP"
