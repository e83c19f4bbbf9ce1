"""Writes a whole answer as a response object: what its stream would have told at its end."""

from collections.abc import Iterator

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Answer, Image, Part, Reasoning, Refusal, Text, TokenChance, ToolCall
from intertie.core.events import Cited, Closed, Event, Grew, Opened, Signed
from intertie.dialects.openai_responses.gathering import Gathering
from intertie.dialects.openai_responses.response import ResponseObject, outcome

_encode = msgspec.json.Encoder().encode


def answer_to_body(answer: Answer, call: Call) -> bytes:
    """The first choice as a response: there is no more than one here. Raises UpstreamGarbled for what is too long."""
    response = ResponseObject(call, answer.id, answer.model, answer.created)
    gathering = Gathering(response)
    choice = answer.choices[0]
    chances = choice.chances  # those of all texts: they stand with the first
    for number, part in enumerate(choice.parts):
        for event in _events(number, part, chances):
            gathering.take(event)
        chances = () if isinstance(part, Text) else chances
    how = outcome(choice.stop, gathering.refused)
    gathering.stop(how)
    return _encode(response.state(how, gathering.items(), answer.usage, answer.tier))


def _events(number: int, part: Part, chances: tuple[TokenChance, ...]) -> Iterator[Event]:
    """A whole part as if it had been streamed; sound and results of tools are no output of this dialect."""
    match part:
        case Text(text=text):
            yield Opened(part=number, kind="text")
            yield Grew(number, text, chances=chances)
            yield from (Cited(number, citation) for citation in part.citations)
        case Refusal(text=text):
            yield Opened(part=number, kind="refusal")
            yield Grew(number, text)
        case ToolCall():
            yield Opened(part=number, kind="tool_call", id=part.id, name=part.name, free=part.free)
            yield Grew(number, part.arguments)
            yield Signed(number, part.signature)
        case Reasoning():
            yield Opened(part=number, kind="reasoning", id=part.id, summary=part.summary, origin=part.origin)
            yield Grew(number, part.text)
            yield Signed(number, part.signature, part.sealed)
        case Image():
            yield Opened(part=number, kind="image", type=part.media.type)
            yield Grew(number, part.media.data)
        case _:
            return
    yield Closed(number)
