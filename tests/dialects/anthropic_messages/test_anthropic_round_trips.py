"""What is written in the dialect and read again is what it was: chats, answers, streams; some of it as golden files."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from anthropic_samples import CLAUDE, called, events_of, refusing, stream_of
from hypothesis import given
from hypothesis import strategies as st

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
    StopReason,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from intertie.core.events import Began, Closed, Ended, Event, Grew, Metered, Opened, Signed, Stopped
from intertie.core.usage import Usage
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND
from intertie.dialects.anthropic_messages.call_to_chat import SPELLING

OWN = "anthropic_messages"
GOLDEN = Path(__file__).parents[2] / "golden" / "anthropic_messages"

words = st.text(min_size=1, max_size=20)
marks = st.sampled_from(["", "5m", "1h"])
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
urls = words.map(lambda path: f"https://x/{path}")
base64 = st.binary(min_size=1, max_size=9).map(lambda data: b64encode(data).decode())
texts = st.builds(Text, words, marks)
images = st.builds(
    Image,
    st.one_of(
        st.builds(Media, type=st.sampled_from(["image/png", "image/webp"]), data=base64),
        st.builds(Media, url=urls),
        st.builds(Media, file=names),
    ),
    mark=marks,
)
plain = words.map(lambda text: Media(type="text/plain", data=b64encode(text.encode()).decode()))
pdfs = st.builds(Media, type=st.just("application/pdf"), data=base64)
documents = st.builds(Document, st.one_of(plain, pdfs, st.builds(Media, url=urls)), words, words, st.booleans(), marks)
objects = st.dictionaries(words, st.one_of(st.integers(-9, 9), words, st.none()), max_size=3)
arguments = objects.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
thoughts = st.one_of(
    st.builds(Reasoning, words, base64, origin=st.just(OWN)),
    st.builds(Reasoning, sealed=base64, origin=st.just(OWN)),
)
shown = st.lists(st.one_of(texts, images, documents), min_size=1, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    turns = [Turn("system", tuple(draw(st.lists(texts, min_size=1, max_size=2))))] if draw(st.booleans()) else []
    turns.append(Turn("user", tuple(draw(shown))))
    for number in range(draw(st.integers(0, 3))):
        calls = [
            ToolCall(f"call_{number}_{index}", draw(names), draw(arguments), mark=draw(marks))
            for index in range(draw(st.integers(0, 3)))
        ]
        said: list[Part] = [*draw(st.lists(thoughts, max_size=2)), draw(texts), *calls]
        results = [ToolResult(call.id, tuple(draw(shown)), draw(st.booleans()), mark=draw(marks)) for call in calls]
        turns += [Turn("assistant", tuple(said)), Turn("user", (*results, *draw(shown)))]
    return tuple(turns)


schemas = st.sampled_from([b'{"type":"object"}', b'{"type":"object","properties":{"x":{"type":"integer"}}}'])
tools = st.lists(
    st.builds(
        Tool,
        name=names,
        description=st.one_of(st.just(""), words),
        schema=schemas.map(msgspec.Raw),
        strict=st.sampled_from([None, True]),
        mark=marks,
    ),
    min_size=1,
    max_size=2,
).map(tuple)
choices = st.one_of(
    st.just((None, None)),
    st.tuples(st.sampled_from([ToolChoice("required"), ToolChoice("named", ("f",))]), st.sampled_from([None, False])),
    st.just((ToolChoice("auto"), False)),
)
thinking = st.one_of(
    st.none(),
    st.just(Thinking(on=False)),
    st.builds(
        Thinking,
        on=st.just(True),
        adaptive=st.just(True),
        effort=st.sampled_from(["", "low", "max"]),
        visible=st.sampled_from([None, True, False]),
    ),
)
forms = st.one_of(
    st.none(), st.builds(Form, kind=st.just("schema"), schema=schemas.map(msgspec.Raw), strict=st.just(True))
)
samplings = st.builds(
    Sampling,
    temperature=st.one_of(st.none(), st.floats(0, 0.9)),
    top_p=st.one_of(st.none(), st.floats(0, 0.9)),
    top_k=st.one_of(st.none(), st.integers(0, 99)),
    stop=st.lists(words, max_size=2).map(tuple),
)


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    choice, parallel = draw(choices)
    free = choice is None or choice.mode == "auto"
    return Chat(
        model="claude-opus-5",
        turns=draw(conversations()),
        origin=OWN,
        tools=draw(tools),
        tool_choice=choice,
        parallel_tools=parallel,
        form=draw(forms),
        thinking=draw(thinking) if free else None,
        sampling=draw(samplings),
        max_output=draw(st.integers(1, 99_999)),
        stream=draw(st.booleans()),
        tier=draw(st.sampled_from(["", "default", "fast"])),
        user=draw(st.one_of(st.just(""), words)),
        spelling=SPELLING,
    )


def plainly(value: object) -> object:
    """Structs as plain values, so that raw JSON compares by its bytes."""
    return msgspec.to_builtins(value, enc_hook=bytes)


@given(chats())
def test_a_chat_survives_being_written_and_read(chat: Chat) -> None:
    assert OUTBOUND.write is not None and INBOUND.read is not None
    body = OUTBOUND.write(chat, CLAUDE, refusing())
    assert plainly(INBOUND.read(INBOUND.peek("chat", body, ""))) == plainly(chat)


stops: list[StopReason] = ["end", "length", "sequence", "filter", "pause"]


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    parts: list[Part] = [*draw(st.lists(thoughts, max_size=2)), *draw(st.lists(st.builds(Text, words), max_size=2))]
    calls = [ToolCall(f"call_{n}", draw(names), draw(arguments)) for n in range(draw(st.integers(0, 3)))]
    stop: StopReason = "tool" if calls else draw(st.sampled_from(stops))
    choice = Choice(parts=(*parts, *calls), stop=stop, stop_text=draw(words) if stop == "sequence" else "")
    usage = draw(st.builds(Usage, prompt=st.integers(0, 999), completion=st.integers(0, 999)))
    return Answer(id=draw(names), model="claude-opus-5", choices=(choice,), usage=usage)


@given(answers())
def test_an_answer_survives_being_written_and_read(answer: Answer) -> None:
    assert OUTBOUND.read is not None and INBOUND.write is not None
    assert OUTBOUND.read(INBOUND.write(answer, called())) == answer


def as_events(answer: Answer) -> Iterator[Event]:
    """An answer as the events of a stream."""
    choice = answer.choices[0]
    yield Began(answer.id, answer.model, usage=Usage())
    for number, part in enumerate(choice.parts):
        if isinstance(part, Reasoning):
            yield Opened(part=number, kind="reasoning", origin=part.origin)
            yield from [Grew(number, part.text)] if part.text else []
            yield Signed(number, part.signature, part.sealed)
        elif isinstance(part, ToolCall):
            yield Opened(part=number, kind="tool_call", id=part.id, name=part.name)
            yield Grew(number, part.arguments)
        elif isinstance(part, Text):
            yield Opened(part=number, kind="text")
            yield Grew(number, part.text)
        yield Closed(number)
    yield Stopped(reason=choice.stop, text=choice.stop_text)
    yield Metered(answer.usage or Usage())
    yield Ended()


@given(answers(), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_stream_survives_being_written_and_read(answer: Answer, cuts: list[int]) -> None:
    told = list(as_events(answer))
    stream = stream_of(told)
    assert events_of(stream, *(cut % (len(stream) + 1) for cut in cuts)) == told


def agent_chat() -> Chat:
    """An agent's third turn, as an OpenAI caller has it: two calls, one failed, a picture, a later instruction."""
    called_both = (Text("Let me look."), ToolCall("call_1", "read", '{"path":"a"}'), ToolCall("call_2", "read", "{}"))
    return Chat(
        model="sonnet",
        origin="openai_chat",
        turns=(
            Turn("developer", (Text("You are a coder."),)),
            Turn("user", (Text("What is in this?"), Image(Media(type="image/png", data="aGk="), "high"))),
            Turn("assistant", called_both),
            Turn("user", (ToolResult("call_1", (Text("hello"),)),)),
            Turn("user", (ToolResult("call_2", (Text("no path"),), failed=True),)),
            Turn("system", (Text("Be brief."),)),
        ),
        tools=(Tool(name="read", description="Read a file.", schema=msgspec.Raw(b'{"type":"object"}')),),
        tool_choice=ToolChoice("auto"),
        parallel_tools=False,
        thinking=Thinking(effort="medium"),
        max_output=1_000,
        stream=True,
    )


def interleaved() -> list[Event]:
    """Parallel calls as OpenAI streams them: fragments in turns, nothing closed before the end."""
    return [
        Began("chatcmpl-1", "gpt-5", usage=None),
        Opened(part=0, kind="text"),
        Grew(0, "Two at once."),
        Closed(0),
        Opened(part=1, kind="tool_call", id="call_1", name="get_weather"),
        Opened(part=2, kind="tool_call", id="call_2", name="get_weather"),
        Grew(1, '{"city":'),
        Grew(2, '{"city":'),
        Grew(1, '"Oslo"}'),
        Grew(2, '"Bergen"}'),
        Closed(1),
        Closed(2),
        Stopped(reason="tool"),
        Metered(Usage(prompt=120, completion=40, cached=100, reasoning=12)),
        Ended(),
    ]


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-sonnet-4-5-20250929"])
def test_an_agents_turn_for_a_model_of_today_and_an_older_one(model: str) -> None:
    assert OUTBOUND.write is not None
    endpoint = msgspec.structs.replace(CLAUDE, upstream_model=model)
    asked = msgspec.structs.replace(agent_chat(), max_output=4_000)
    body = json.loads(OUTBOUND.write(asked, endpoint, refusing()))
    assert body == json.loads((GOLDEN / f"agent_turn.{model}.json").read_text())


def test_interleaved_calls_are_put_in_order() -> None:
    assert stream_of(interleaved()).decode() == (GOLDEN / "interleaved_calls.sse").read_text()
