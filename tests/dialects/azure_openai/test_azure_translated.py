"""Azure's answers for callers of other dialects: what filters add breaks nothing, and is not taken for words."""

import json

from azure_samples import FILTERED, SEVERITY, STREAM, V1

from intertie.core.chat import Chat, Text, Turn
from intertie.core.events import Began, Closed, Ended, Grew, Metered, Opened, Stopped
from intertie.core.usage import Usage
from intertie.dialects.azure_openai.both import OUTBOUND
from intertie.dialects.dialect import Cannot


def test_a_stream_begins_behind_what_the_filters_tell_of_the_prompt() -> None:
    assert OUTBOUND.reader is not None
    reader = OUTBOUND.reader()
    told = [event for at in range(len(STREAM)) for event in reader.feed(STREAM[at : at + 1])]
    assert [*told, *reader.ended()] == [
        Began("chatcmpl-1", "gpt-5-mini", 1),
        Opened(part=0, kind="text"),
        Grew(0, "Hi"),
        Closed(0),
        Stopped(reason="end"),
        Metered(Usage(prompt=9, completion=2)),
        Ended(),
    ]


def test_an_answer_that_was_filtered_says_so() -> None:
    assert OUTBOUND.read is not None
    message = {"role": "assistant", "content": "I"}
    choice = {"index": 0, "message": message, "finish_reason": "content_filter", "content_filter_results": SEVERITY}
    answer = OUTBOUND.read(json.dumps({"id": "x", "choices": [choice], "prompt_filter_results": [FILTERED]}).encode())
    assert (answer.choices[0].parts, answer.choices[0].stop) == ((Text("I"),), "filter")


def test_a_chat_is_written_under_azures_name_of_the_model() -> None:
    assert OUTBOUND.write is not None
    chat = Chat(model="gpt", turns=(Turn("user", (Text("hi"),)),), origin="anthropic_messages")
    body = json.loads(OUTBOUND.write(chat, V1, Cannot("azure_openai", {}, drop=False)))
    assert (body["model"], body["messages"]) == ("gpt-5 mini/eu", [{"role": "user", "content": "hi"}])
