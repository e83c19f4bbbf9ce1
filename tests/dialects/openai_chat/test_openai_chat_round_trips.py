"""What is written can be read again, and is the same: chats, answers, streams."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from openai_chat_samples import body_of, called, events_of, stream_of
from openai_chat_strategies import answers, chats, event_streams

from intertie.core.chat import Answer, Chat, Reasoning
from intertie.core.events import Event
from intertie.dialects.openai_chat.answer_to_body import answer_to_body
from intertie.dialects.openai_chat.body_to_answer import body_to_answer
from intertie.dialects.openai_chat.call_to_chat import call_to_chat
from intertie.dialects.openai_chat.peek import peek


@given(chats())
def test_a_chat_written_as_a_body_is_the_same_chat(chat: Chat) -> None:
    body, _ = body_of(chat)
    from_body = call_to_chat(peek("chat", body))
    assert msgspec.structs.replace(from_body, spelling={}) == chat


@given(answers())
def test_an_answer_written_as_a_body_is_the_same_answer(answer: Answer) -> None:
    assert body_to_answer(answer_to_body(answer, called())) == answer


@given(event_streams(), st.data())
def test_events_written_as_a_stream_are_the_same_events_wherever_it_is_cut(
    events: list[Event], data: st.DataObject
) -> None:
    stream = stream_of(events, stream_options={"include_usage": True})
    cuts = data.draw(st.sets(st.integers(0, len(stream)), max_size=8))
    assert events_of(stream, cuts) == events


@given(answers())
def test_thoughts_come_home_byte_for_byte_through_a_client_that_repeats_its_message(answer: Answer) -> None:
    told: dict[str, Any] = json.loads(answer_to_body(answer, called()))["choices"][0]["message"]
    turn = call_to_chat(called(messages=[told | {"annotations": None, "audio": None, "images": None}])).turns[0]
    thoughts = [part for part in answer.choices[0].parts if isinstance(part, Reasoning)]
    assert [part for part in turn.parts if isinstance(part, Reasoning)] == thoughts
