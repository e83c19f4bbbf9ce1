"""Chats, answers and streams in the form in which this dialect can tell them, all of it."""

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
    Hosted,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
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

WORDS = st.text(min_size=1, max_size=8)
NAMES = st.text("abcdef_", min_size=1, max_size=6)
ORIGINS: Any = st.sampled_from(["anthropic_messages", "openai_responses", "gemini", "vertex", "bedrock", "openai_chat"])
PNG = Media(type="image/png", data="AA==")
PDF = Media(type="application/pdf", data="AA==")
TIERS = st.sampled_from(["", "flex", "priority"])
RAW = st.sampled_from([msgspec.Raw(b'{"type":"object"}'), msgspec.Raw(b'{"a":[1,2]}')])
SHOWN = st.one_of(
    WORDS.map(Text),
    st.sampled_from(["", "low", "high"]).map(lambda detail: Image(PNG, detail)),
    st.just(Image(Media(url="https://x/y.png"))),
    st.sampled_from(["audio/wav", "audio/mpeg"]).map(lambda kind: Audio(Media(type=kind, data="AA=="))),
    NAMES.map(lambda title: Document(PDF, title)),
    NAMES.map(lambda id_: Document(Media(file=id_))),
)


@st.composite
def thoughts(draw: st.DrawFn, origins: st.SearchStrategy[Any]) -> tuple[Reasoning, ...]:
    """One plain thought, or some of which each has more to it than words."""
    if draw(st.booleans()):
        return draw(st.just(()) | st.tuples(WORDS.map(Reasoning)))
    found: list[Reasoning] = []
    for index in range(draw(st.integers(0, 3))):
        text, sealed = draw(WORDS | st.just("")), draw(NAMES | st.just(""))
        signature = draw(NAMES) if not (text or sealed) else draw(NAMES | st.just(""))
        id_ = draw(st.sampled_from(["", f"rs_{index}"]))
        found.append(Reasoning(text, signature, sealed, id_, bool(text) and draw(st.booleans()), draw(origins)))
    return tuple(found)


@st.composite
def calls(draw: st.DrawFn, prefix: str) -> tuple[ToolCall, ...]:
    """Calls of tools, each with an id of its own."""
    signatures = st.just("") | NAMES
    return tuple(
        ToolCall(f"{prefix}_{index}", draw(NAMES), draw(WORDS), draw(st.booleans()), signature=draw(signatures))
        for index in range(draw(st.integers(0, 3)))
    )


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> tuple[Turn, ...]:
    """What a user asks, what the model says, and what the tools gave back."""
    name = draw(NAMES | st.just(""))
    asked = Turn("user", tuple(draw(st.lists(SHOWN, max_size=3))), name)
    parts: list[Part] = [*draw(thoughts(st.just("openai_chat"))), *draw(st.lists(WORDS.map(Text), max_size=2))]
    parts += draw(st.lists(WORDS.map(Refusal), max_size=1))
    parts += draw(st.sampled_from([[], [Audio(Media(), id="audio_1")]]))
    called = draw(calls(f"call{number}"))
    results = [
        ToolResult(call.id, tuple(draw(st.lists(WORDS.map(Text), max_size=2))), name=call.name)
        for call in called
        if draw(st.booleans())
    ]
    told = (asked, Turn("assistant", (*parts, *called), name))
    return (*told, Turn("user", tuple(results))) if results else told


@st.composite
def tools(draw: st.DrawFn) -> tuple[Tool | Hosted, ...]:
    """Tools of every kind, each with a name of its own."""
    found: list[Tool | Hosted] = []
    grammar = msgspec.Raw(b'{"type":"grammar","definition":"x","syntax":"lark"}')
    for index in range(draw(st.integers(0, 3))):
        name, about = f"tool{index}", draw(WORDS | st.just(""))
        schema, strict = draw(st.none() | RAW), draw(st.none() | st.booleans())
        found.append(
            draw(
                st.sampled_from(
                    [
                        Tool(name=name, description=about, schema=schema, strict=strict),
                        Tool(name=name, description=about, free=True, grammar=draw(st.sampled_from([None, grammar]))),
                        Hosted("openai_chat", "search", msgspec.Raw(b'{"type":"search"}')),
                    ]
                )
            )
        )
    return tuple(found)


def choices_of(found: tuple[Tool | Hosted, ...]) -> st.SearchStrategy[ToolChoice | None]:
    if not found:
        return st.none()
    named = [ToolChoice("named", (tool.name,)) for tool in found if isinstance(tool, Tool)]
    return st.sampled_from([None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required"), *named])


FORMS = st.one_of(
    st.none(),
    st.just(Form()),
    st.just(Form(kind="json")),
    st.builds(
        Form,
        kind=st.just("schema"),
        name=NAMES,
        description=WORDS | st.just(""),
        schema=st.none() | RAW,
        strict=st.none() | st.booleans(),
    ),
)
THINKING = st.sampled_from([None, Thinking(on=False, effort="none"), Thinking(effort="low"), Thinking(effort="max")])
NUMBERS = st.none() | st.floats(0, 2)
SAMPLINGS = st.builds(
    Sampling,
    temperature=NUMBERS,
    top_p=NUMBERS,
    stop=st.lists(WORDS, max_size=3).map(tuple),
    seed=st.none() | st.integers(-5, 5),
    frequency_penalty=NUMBERS,
    presence_penalty=NUMBERS,
    logit_bias=st.sampled_from([None, msgspec.Raw(b'{"1":2.5}')]),
    logprobs=st.booleans(),
    top_logprobs=st.none() | st.integers(0, 20),
)


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    """A chat of which a caller of this dialect could have said every word."""
    roles: list[Any] = draw(st.lists(st.sampled_from(["system", "developer"]), max_size=2))
    rules = [Turn(role, (Text(draw(WORDS)),)) for role in roles]
    said = [turn for number in range(draw(st.integers(0, 2))) for turn in draw(exchanges(number))]
    found, store = draw(tools()), draw(st.sampled_from([None, True]))
    return Chat(
        model="m",
        turns=(*rules, *said),
        origin="openai_chat",
        tools=found,
        tool_choice=draw(choices_of(found)),
        parallel_tools=draw(st.none() | st.booleans()) if found else None,
        form=draw(FORMS),
        thinking=draw(THINKING),
        sampling=draw(SAMPLINGS),
        max_output=draw(st.none() | st.integers(1, 99)),
        choices=draw(st.integers(1, 4)),
        stream=draw(st.booleans()),
        tier=draw(TIERS),
        user=draw(NAMES | st.just("")),
        cache_key=draw(NAMES | st.just("")),
        metadata=draw(st.none() | st.dictionaries(NAMES, WORDS)) if store else None,
        store=store,
        verbosity=draw(st.sampled_from(["", "low"])),
        modalities=draw(st.sampled_from([(), ("text", "audio")])),
        voice=draw(st.none() | RAW),
        extras=draw(st.dictionaries(st.sampled_from(["min_p", "prediction"]), RAW)),
    )


CHANCES = st.lists(
    st.builds(
        TokenChance,
        WORDS,
        st.floats(-9, 0),
        st.none() | st.just((97, 98)),
        st.lists(st.builds(TokenChance, WORDS, st.floats(-9, 0)), max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)


@st.composite
def usages(draw: st.DrawFn, tier: str) -> Usage:
    prompt, completion = draw(st.integers(0, 99)), draw(st.integers(0, 99))
    cached = draw(st.integers(0, prompt))
    return Usage(
        prompt,
        completion,
        cached,
        draw(st.integers(0, completion)),
        written=draw(st.integers(0, prompt - cached)),
        audio_in=draw(st.integers(0, prompt)),
        audio_out=draw(st.integers(0, completion)),
        image_in=draw(st.integers(0, prompt)),
        image_out=draw(st.integers(0, completion)),
        searches=draw(st.integers(0, 9)),
        tier=tier,
    )


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    """One answer, in the order in which a message is read."""
    citation = st.builds(Citation, url=NAMES, title=WORDS, quote=WORDS, start=st.integers(0, 9), end=st.integers(0, 9))
    text = st.builds(Text, WORDS, citations=st.lists(citation, max_size=2).map(tuple))
    parts: list[Part] = [*draw(thoughts(ORIGINS)), *draw(st.lists(text, max_size=1))]
    parts += draw(st.lists(WORDS.map(Refusal), max_size=1))
    parts += draw(st.sampled_from([[], [Audio(Media(data="AA=="), "la", "audio_1")], [Image(PNG)]]))
    called = draw(calls("call"))
    stop = draw(st.sampled_from(["length", "filter", "tool" if called else "end"]))
    return Choice(parts=(*parts, *called), stop=stop, chances=draw(CHANCES))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """An answer of which this dialect can say every word."""
    tier = draw(TIERS)
    return Answer(
        id=draw(NAMES),
        model=draw(NAMES),
        choices=tuple(draw(st.lists(choices(), min_size=1, max_size=3))),
        usage=draw(st.none() | usages(tier)),
        created=draw(st.integers(0, 9)),
        tier=tier,
        fingerprint=draw(NAMES | st.just("")),
    )


class Telling:
    """The events of one choice, as they are read: words one after another, calls side by side until the end."""

    def __init__(self, draw: st.DrawFn, choice: int) -> None:
        self.draw, self.choice = draw, choice
        self.events: list[Event] = []
        self.spoken = ""
        self.part = -1

    def open(self, kind: Any, **more: Any) -> int:
        self.part += 1
        self.events.append(Opened(part=self.part, kind=kind, choice=self.choice, **more))
        return self.part

    def grow(self, part: int, words: st.SearchStrategy[str] = WORDS) -> None:
        self.events.append(Grew(part, self.draw(words), self.choice, self.draw(CHANCES)))

    def close(self) -> None:
        if self.spoken:
            self.events.append(Closed(self.part, self.choice))
        self.spoken = ""

    def speak(self, kind: str) -> None:
        if kind == self.spoken and kind != "signed":
            return
        self.close()
        self.spoken = kind
        if kind == "signed":
            self.think()
            return
        part = self.open(kind)
        for _ in range(self.draw(st.integers(1, 3))):
            self.grow(part)

    def think(self) -> None:
        id_ = self.draw(st.sampled_from(["", f"rs_{self.part}"]))
        part = self.open("reasoning", id=id_, origin=self.draw(ORIGINS), summary=(summary := self.draw(st.booleans())))
        for _ in range(self.draw(st.integers(int(summary), 3))):
            self.grow(part)
        signed = self.draw(st.sampled_from([("sig", ""), ("", "sealed")]))
        self.events.append(Signed(part, *signed, self.choice))

    def call(self) -> list[int]:
        found: list[int] = []
        for index in range(self.draw(st.integers(0, 3))):
            self.close()
            free = self.draw(st.booleans())
            found.append(self.open("tool_call", id=f"call_{index}", name=self.draw(NAMES), free=free))
            self.grow(found[-1])
        for part in self.draw(st.lists(st.sampled_from(found), max_size=4)) if found else ():
            self.grow(part)
        return found

    def tell(self) -> tuple[list[Event], list[Event]]:
        """What comes as it comes, and what ends with the stream."""
        for kind in self.draw(st.lists(st.sampled_from(["reasoning", "signed", "text", "refusal"]), max_size=4)):
            self.speak(kind)
        spoken = self.part
        found = self.call()
        ends: list[Event] = [Closed(spoken, self.choice)] if self.spoken else []
        ends += [Closed(part, self.choice) for part in found]
        reason = self.draw(st.sampled_from(["length", "filter", "tool" if found else "end"]))
        return self.events, [*ends, Stopped(reason=reason, choice=self.choice)]


@st.composite
def event_streams(draw: st.DrawFn) -> list[Event]:
    """The events of a whole stream of which this dialect can say every word."""
    told = [Telling(draw, choice).tell() for choice in range(draw(st.integers(1, 2)))]
    middle = [event for events, _ in told for event in events]
    ends = [event for _, some in told for event in some]
    tier = draw(TIERS)
    metered = [Metered(draw(usages(tier)), tier)] if draw(st.booleans()) else []
    return [Began(draw(NAMES), draw(NAMES), draw(st.integers(0, 9))), *middle, *ends, *metered, Ended()]
